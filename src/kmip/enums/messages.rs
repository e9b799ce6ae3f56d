//! Enumerations of messages, operations and connections.

use crate::kmip::macros::wire_enum;

wire_enum! {
    /// Operation: an operation (KMIP 1.4 §9.1.3.2.27, 2.1 §11.36).
    pub enum Operation {
        Create = 0x00000001 "Create" V1_0,
        CreateKeyPair = 0x00000002 "Create Key Pair" V1_0,
        Register = 0x00000003 "Register" V1_0,
        ReKey = 0x00000004 "Re-key" V1_0,
        DeriveKey = 0x00000005 "Derive Key" V1_0,
        Certify = 0x00000006 "Certify" V1_0,
        ReCertify = 0x00000007 "Re-certify" V1_0,
        Locate = 0x00000008 "Locate" V1_0,
        Check = 0x00000009 "Check" V1_0,
        Get = 0x0000000a "Get" V1_0,
        GetAttributes = 0x0000000b "Get Attributes" V1_0,
        GetAttributeList = 0x0000000c "Get Attribute List" V1_0,
        AddAttribute = 0x0000000d "Add Attribute" V1_0,
        ModifyAttribute = 0x0000000e "Modify Attribute" V1_0,
        DeleteAttribute = 0x0000000f "Delete Attribute" V1_0,
        ObtainLease = 0x00000010 "Obtain Lease" V1_0,
        GetUsageAllocation = 0x00000011 "Get Usage Allocation" V1_0,
        Activate = 0x00000012 "Activate" V1_0,
        Revoke = 0x00000013 "Revoke" V1_0,
        Destroy = 0x00000014 "Destroy" V1_0,
        Archive = 0x00000015 "Archive" V1_0,
        Recover = 0x00000016 "Recover" V1_0,
        Validate = 0x00000017 "Validate" V1_0,
        Query = 0x00000018 "Query" V1_0,
        Cancel = 0x00000019 "Cancel" V1_0,
        Poll = 0x0000001a "Poll" V1_0,
        Notify = 0x0000001b "Notify" V1_0,
        Put = 0x0000001c "Put" V1_0,
        ReKeyKeyPair = 0x0000001d "Re-key Key Pair" V1_1,
        DiscoverVersions = 0x0000001e "Discover Versions" V1_1,
        Encrypt = 0x0000001f "Encrypt" V1_2,
        Decrypt = 0x00000020 "Decrypt" V1_2,
        Sign = 0x00000021 "Sign" V1_2,
        SignatureVerify = 0x00000022 "Signature Verify" V1_2,
        Mac = 0x00000023 "MAC" V1_2,
        MacVerify = 0x00000024 "MAC Verify" V1_2,
        RngRetrieve = 0x00000025 "RNG Retrieve" V1_2,
        RngSeed = 0x00000026 "RNG Seed" V1_2,
        Hash = 0x00000027 "Hash" V1_2,
        CreateSplitKey = 0x00000028 "Create Split Key" V1_2,
        JoinSplitKey = 0x00000029 "Join Split Key" V1_2,
        Import = 0x0000002a "Import" V1_4,
        Export = 0x0000002b "Export" V1_4,
        Log = 0x0000002c "Log" V2_0,
        Login = 0x0000002d "Login" V2_0,
        Logout = 0x0000002e "Logout" V2_0,
        DelegatedLogin = 0x0000002f "Delegated Login" V2_0,
        AdjustAttribute = 0x00000030 "Adjust Attribute" V2_0,
        SetAttribute = 0x00000031 "Set Attribute" V2_0,
        SetEndpointRole = 0x00000032 "Set Endpoint Role" V2_0,
        Pkcs11 = 0x00000033 "PKCS#11" V2_0,
        Interop = 0x00000034 "Interop" V2_0,
        ReProvision = 0x00000035 "Re-Provision" V2_0,
        SetDefaults = 0x00000036 "Set Defaults" V2_1,
        SetConstraints = 0x00000037 "Set Constraints" V2_1,
        GetConstraints = 0x00000038 "Get Constraints" V2_1,
        QueryAsynchronousRequests = 0x00000039 "Query Asynchronous Requests" V2_1,
        Process = 0x0000003a "Process" V2_1,
        Ping = 0x0000003b "Ping" V2_1,
    }
}

wire_enum! {
    /// Result Status: the status of a response batch item (KMIP 1.4 §9.1.3.2.28, 2.1 §11.47).
    pub enum ResultStatus {
        Success = 0x00000000 "Success" V1_0,
        OperationFailed = 0x00000001 "Operation Failed" V1_0,
        OperationPending = 0x00000002 "Operation Pending" V1_0,
        OperationUndone = 0x00000003 "Operation Undone" V1_0,
    }
}

wire_enum! {
    /// Batch Error Continuation Option: the treatment of a batch after an item has failed (KMIP 1.4
    /// §9.1.3.2.30, 2.1 §11.5).
    pub enum BatchErrorContinuationOption {
        Continue = 0x00000001 "Continue" V1_0,
        Stop = 0x00000002 "Stop" V1_0,
        Undo = 0x00000003 "Undo" V1_0,
    }
}

wire_enum! {
    /// Cancellation Result: the result of Cancel (KMIP 1.4 §9.1.3.2.25, 2.1 §11.7).
    pub enum CancellationResult {
        Canceled = 0x00000001 "Canceled" V1_0,
        UnableToCancel = 0x00000002 "Unable to Cancel" V1_0,
        Completed = 0x00000003 "Completed" V1_0,
        Failed = 0x00000004 "Failed" V1_0,
        Unavailable = 0x00000005 "Unavailable" V1_0,
    }
}

wire_enum! {
    /// Put Function: whether Put sends a new object or a replacement (KMIP 1.4 §9.1.3.2.26, 2.1 §11.43).
    pub enum PutFunction {
        New = 0x00000001 "New" V1_0,
        Replace = 0x00000002 "Replace" V1_0,
    }
}

wire_enum! {
    /// Query Function: a set of information that Query returns (KMIP 1.4 §9.1.3.2.24, 2.1 §11.44).
    pub enum QueryFunction {
        QueryOperations = 0x00000001 "Query Operations" V1_0,
        QueryObjects = 0x00000002 "Query Objects" V1_0,
        QueryServerInformation = 0x00000003 "Query Server Information" V1_0,
        QueryApplicationNamespaces = 0x00000004 "Query Application Namespaces" V1_0,
        QueryExtensionList = 0x00000005 "Query Extension List" V1_1,
        QueryExtensionMap = 0x00000006 "Query Extension Map" V1_1,
        QueryAttestationTypes = 0x00000007 "Query Attestation Types" V1_2,
        QueryRNGs = 0x00000008 "Query RNGs" V1_3,
        QueryValidations = 0x00000009 "Query Validations" V1_3,
        QueryProfiles = 0x0000000a "Query Profiles" V1_3,
        QueryCapabilities = 0x0000000b "Query Capabilities" V1_3,
        QueryClientRegistrationMethods = 0x0000000c "Query Client Registration Methods" V1_3,
        QueryDefaultsInformation = 0x0000000d "Query Defaults Information" V2_0,
        QueryStorageProtectionMasks = 0x0000000e "Query Storage Protection Masks" V2_0,
    }
}

wire_enum! {
    /// Credential Type: the type of a Credential (KMIP 1.4 §9.1.3.2.1, 2.1 §11.11).
    pub enum CredentialType {
        UsernameAndPassword = 0x00000001 "Username and Password" V1_0,
        Device = 0x00000002 "Device" V1_1,
        Attestation = 0x00000003 "Attestation" V1_2,
        OneTimePassword = 0x00000004 "One Time Password" V2_0,
        HashedPassword = 0x00000005 "Hashed Password" V2_0,
        Ticket = 0x00000006 "Ticket" V2_0,
    }
}

wire_enum! {
    /// Attestation Type: the type of an attestation (KMIP 1.4 §9.1.3.2.36, 2.1 §11.4).
    pub enum AttestationType {
        TpmQuote = 0x00000001 "TPM Quote" V1_2,
        TcgIntegrityReport = 0x00000002 "TCG Integrity Report" V1_2,
        SamlAssertion = 0x00000003 "SAML Assertion" V1_2,
    }
}

wire_enum! {
    /// Asynchronous Indicator: whether a client accepts asynchronous responses (KMIP 2.1 §11.3).
    pub enum AsynchronousIndicator {
        Mandatory = 0x00000001 "Mandatory" V2_0,
        Optional = 0x00000002 "Optional" V2_0,
        Prohibited = 0x00000003 "Prohibited" V2_0,
    }
}

wire_enum! {
    /// Endpoint Role: the role of an endpoint of a connection (KMIP 2.1 §11.19).
    pub enum EndpointRole {
        Client = 0x00000001 "Client" V2_0,
        Server = 0x00000002 "Server" V2_0,
    }
}

wire_enum! {
    /// Ticket Type: the type of a Ticket (KMIP 2.1 §11.57).
    pub enum TicketType {
        Login = 0x00000001 "Login" V2_0,
    }
}

wire_enum! {
    /// Interop Function: a function of the Interop operation (KMIP 2.1 §11.22).
    pub enum InteropFunction {
        Begin = 0x00000001 "Begin" V2_0,
        End = 0x00000002 "End" V2_0,
        Reset = 0x00000003 "Reset" V2_0,
    }
}

wire_enum! {
    /// Data: an entry refers to data of an earlier batch item (KMIP 2.1 §11.13).
    pub enum DataValue {
        Decrypt = 0x00000001 "Decrypt" V2_0,
        Encrypt = 0x00000002 "Encrypt" V2_0,
        Hash = 0x00000003 "Hash" V2_0,
        MacMacData = 0x00000004 "MAC MAC Data" V2_0,
        RngRetrieve = 0x00000005 "RNG Retrieve" V2_0,
        SignSignatureData = 0x00000006 "Sign Signature Data" V2_0,
        SignatureVerify = 0x00000007 "Signature Verify" V2_0,
    }
}

wire_enum! {
    /// Unique Identifier: an entry refers to an object of an earlier batch item (KMIP 2.1 §11.58).
    pub enum UniqueIdentifierValue {
        IdPlaceholder = 0x00000001 "ID Placeholder" V2_0,
        Certify = 0x00000002 "Certify" V2_0,
        Create = 0x00000003 "Create" V2_0,
        CreateKeyPair = 0x00000004 "Create Key Pair" V2_0,
        CreateKeyPairPrivateKey = 0x00000005 "Create Key Pair Private Key" V2_0,
        CreateKeyPairPublicKey = 0x00000006 "Create Key Pair Public Key" V2_0,
        CreateSplitKey = 0x00000007 "Create Split Key" V2_0,
        DeriveKey = 0x00000008 "Derive Key" V2_0,
        Import = 0x00000009 "Import" V2_0,
        JoinSplitKey = 0x0000000a "Join Split Key" V2_0,
        Locate = 0x0000000b "Locate" V2_0,
        Register = 0x0000000c "Register" V2_0,
        ReKey = 0x0000000d "Re-key" V2_0,
        ReCertify = 0x0000000e "Re-certify" V2_0,
        ReKeyKeyPair = 0x0000000f "Re-key Key Pair" V2_0,
        ReKeyKeyPairPrivateKey = 0x00000010 "Re-key Key Pair Private Key" V2_0,
        ReKeyKeyPairPublicKey = 0x00000011 "Re-key Key Pair Public Key" V2_0,
    }
}

wire_enum! {
    /// Processing Stage: the stage of an asynchronous request (KMIP 2.1 §11.40).
    pub enum ProcessingStage {
        Submitted = 0x00000001 "Submitted" V2_1,
        InProcess = 0x00000002 "In Process" V2_1,
        Completed = 0x00000003 "Completed" V2_1,
    }
}

wire_enum! {
    /// Client Registration Method: a method by which clients register with a server (KMIP 1.4 §9.1.3.2.47,
    /// 2.1 §11.10).
    pub enum ClientRegistrationMethod {
        Unspecified = 0x00000001 "Unspecified" V1_3,
        ServerPreGenerated = 0x00000002 "Server Pre-Generated" V1_3,
        ServerOnDemand = 0x00000003 "Server On-Demand" V1_3,
        ClientGenerated = 0x00000004 "Client Generated" V1_3,
        ClientRegistered = 0x00000005 "Client Registered" V1_3,
    }
}

wire_enum! {
    /// Validation Authority Type: the authority that validated a server (KMIP 1.4 §9.1.3.2.40, 2.1 §11.63).
    pub enum ValidationAuthorityType {
        Unspecified = 0x00000001 "Unspecified" V1_3,
        NistCmvp = 0x00000002 "NIST CMVP" V1_3,
        CommonCriteria = 0x00000003 "Common Criteria" V1_3,
    }
}

wire_enum! {
    /// Validation Type: the kind of a validation (KMIP 1.4 §9.1.3.2.41, 2.1 §11.64).
    pub enum ValidationType {
        Unspecified = 0x00000001 "Unspecified" V1_3,
        Hardware = 0x00000002 "Hardware" V1_3,
        Software = 0x00000003 "Software" V1_3,
        Firmware = 0x00000004 "Firmware" V1_3,
        Hybrid = 0x00000005 "Hybrid" V1_3,
    }
}

wire_enum! {
    /// Item Type: an item type, as Extension Information numbers it (KMIP 2.1 §11.23).
    pub enum ItemType {
        Structure = 0x00000001 "Structure" V1_0,
        Integer = 0x00000002 "Integer" V1_0,
        LongInteger = 0x00000003 "Long Integer" V1_0,
        BigInteger = 0x00000004 "Big Integer" V1_0,
        Enumeration = 0x00000005 "Enumeration" V1_0,
        Boolean = 0x00000006 "Boolean" V1_0,
        TextString = 0x00000007 "Text String" V1_0,
        ByteString = 0x00000008 "Byte String" V1_0,
        DateTime = 0x00000009 "Date Time" V1_0,
        Interval = 0x0000000a "Interval" V1_0,
        DateTimeExtended = 0x0000000b "Date Time Extended" V2_0,
    }
}
