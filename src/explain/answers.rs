//! What clients meet: in the log when they cannot connect, and as Result Reasons.

use super::explanations;

explanations! {
    /// What the server's log says of clients that cannot connect.
    CONNECTIONS {
        NOT_TLS "not-tls", "what it sent is not TLS",
            "Something spoke in clear, a health check for instance", "Nothing, or have it connect only";
        NO_CLIENT_CERTIFICATE "certificate-required", "the TLS handshake failed: … CertificateRequired",
            "The client showed no certificate", "Give the client one";
        UNKNOWN_ISSUER "unknown-issuer", "… UnknownIssuer",
            "No certificate in ca_path vouches for it", "Add its CA to the file of ca_path";
        EXPIRED "expired", "… Expired",
            "Its certificate, or one above it, has expired", "Get a new one";
        NO_CIPHER_SUITE "no-cipher-suite", "… no cipher suite",
            "The client offers only suites without forward secrecy",
            "Let it offer ECDHE with AES-GCM, or TLS 1.3";
        NO_EXTENDED_KEY_USAGE "no-extended-key-usage",
            "The client certificate is refused: … no extended key usage",
            "enable_tls_client_auth asks for client authentication in it",
            "Use another certificate, or set enable_tls_client_auth=False";
    }
}

explanations! {
    /// The Result Reasons that the server gives. The Result Message beside them says which item or object it is.
    REASONS {
        ITEM_NOT_FOUND "Item Not Found", "`Could not locate object: ID`, and others",
            "There is no such object, or none with such a value",
            "Check the identifier; after a restart with `:memory:` there is none";
        RESPONSE_TOO_LARGE "Response Too Large", "",
            "The answer is longer than the client's Maximum Response Size",
            "Ask for a smaller page of Locate, or allow a larger answer";
        AUTHENTICATION "Authentication Not Successful", "`An error occurred during client authentication. …`",
            "The certificate has no common name or several, or lacks the extended key usage, or no SLUGS service knows the user",
            "Look into the server's log: it says which";
        INVALID_MESSAGE "Invalid Message", "",
            "The request cannot be read; the message names the item",
            "Often a client of another version: see which items it sends with `-v DEBUG`";
        OPERATION_NOT_SUPPORTED "Operation Not Supported", "",
            "The operation is unknown here, or younger than the request's version",
            "Ask Query which there are; use a later version";
        INVALID_FIELD "Invalid Field", "",
            "A value, or a combination of values, that cannot be", "Change the value that the message names";
        FEATURE "Feature Not Supported", "",
            "The standard has it, and this server does not", "Do without it; README.md lists what there is";
        CANCELED "Operation Canceled By Requester", "",
            "A client cancelled the asynchronous operation", "Ask for it again if it was not meant to be";
        CRYPTOGRAPHIC_FAILURE "Cryptographic Failure", "",
            "Wrong key, tag, padding or length of data",
            "Use the key and parameters that it was made with; the message says as much as may be said";
        ILLEGAL_OPERATION "Illegal Operation", "",
            "The object, in its state or of its type, is none that this can be done to",
            "Look at its type and state with Get Attributes";
        PERMISSION_DENIED "Permission Denied", "`Could not locate object: ID`, and others",
            "The object's policy does not allow it to this user; with other words, its state or usage mask does not",
            "Use the owner's certificate, or another policy; activate the key, or set its mask when it is made";
        OBJECT_ARCHIVED "Object Archived", "", "The object is archived", "Recover it first";
        INDEX "Index Out of Bounds", "",
            "The attribute has no value of that index", "Ask for the attribute's values first";
        KEY_FORMAT "Key Format Type Not Supported", "",
            "The key cannot be given in that format", "Leave the format out, or name another";
        KEY_COMPRESSION "Key Compression Type Not Supported", "",
            "The key cannot be given with its point so compressed", "Leave the compression out";
        ENCODING_OPTION "Encoding Option Error", "",
            "The wrapped key cannot have that encoding", "Use the other Encoding Option";
        NO_KEY_VALUE "Key Value Not Present", "",
            "The server has the object and not its key material",
            "Get it from where the object's Key Value Location says";
        SENSITIVE "Sensitive", "", "A sensitive object leaves the server only wrapped", "Get it wrapped";
        NOT_EXTRACTABLE "Not Extractable", "",
            "The object is marked never to leave the server", "Use it there: Encrypt, Sign and the like";
        OBJECT_EXISTS "Object Already Exists", "",
            "Import brings an identifier that an object has", "Set Replace Existing, or choose another identifier";
        INVALID_TICKET "Invalid Ticket", "",
            "The ticket has expired, was given back, or belongs to another user", "Log in again";
        USAGE_LIMIT "Usage Limit Exceeded", "",
            "The key's usage limit is used up", "Use another key, or raise the limit where nothing was used yet";
        NUMERIC_RANGE "Numeric Range", "", "A number is outside of what it can be", "Change the number";
        INVALID_DATA_TYPE "Invalid Data Type", "",
            "An item is of another type than its tag has", "Correct the client's encoding";
        READ_ONLY "Read Only Attribute", "", "Only the server sets the attribute", "Leave it out";
        MULTI_VALUED "Multi Valued Attribute", "",
            "The attribute has several values, and the request does not say which",
            "Name the value, or its index";
        UNSUPPORTED_ATTRIBUTE "Unsupported Attribute", "",
            "The attribute is unknown here, or not one of that type of object", "Leave it out";
        NO_INSTANCE "Attribute Instance Not Found", "",
            "The object has the attribute and not that value of it", "Ask for its values first";
        NO_ATTRIBUTE "Attribute Not Found", "",
            "The object does not have the attribute", "Add it instead of changing it";
        ATTRIBUTE_READ_ONLY "Attribute Read Only", "",
            "Clients cannot change or delete the attribute", "Leave it as it is";
        SINGLE_VALUED "Attribute Single Valued", "",
            "The attribute has its one value already", "Change it instead of adding another";
        ILLEGAL_OBJECT_TYPE "Illegal Object Type", "",
            "Objects of that type cannot be made so", "Register the object instead";
        USAGE_MASK "Incompatible Cryptographic Usage Mask", "",
            "The key's usage mask does not allow the operation",
            "Set the mask when the key is made: it cannot be changed";
        CORRELATION_ASYNCHRONOUS "Invalid Asynchronous Correlation Value", "",
            "No asynchronous operation of this user has that value",
            "Use the value that the answer gave; results are kept for a while only";
        INVALID_VALUE "Invalid Attribute Value", "",
            "The attribute cannot have that value", "Change the value";
        CORRELATION "Invalid Correlation Value", "",
            "No operation in parts of this user has that value",
            "Begin again; what is begun is kept for a while only";
        INVALID_CSR "Invalid CSR", "",
            "The request for a certificate cannot be read, or its signature is wrong",
            "Make it again: PKCS#10, or the same in PEM";
        INVALID_OBJECT_TYPE "Invalid Object Type", "",
            "The operation is not for objects of that type", "Name an object of another type";
        NAME_TAKEN "Non Unique Name Attribute", "",
            "An object has that name already", "Choose another name";
        OBJECT_DESTROYED "Object Destroyed", "",
            "The object was destroyed; its attributes remain", "Use another object";
        OBJECT_NOT_FOUND "Object Not Found", "", "There is no such object", "Check the identifier";
        SERVER_LIMIT "Server Limit Exceeded", "",
            "The user has as much under way as one may have, or the value is larger than the server takes",
            "Finish or cancel some of it, or ask for less";
        WRAPPING_ARCHIVED "Wrapping Object Archived", "",
            "The key to wrap with is archived", "Recover it first";
        WRAPPING_DESTROYED "Wrapping Object Destroyed", "",
            "The key to wrap with was destroyed", "Use another one";
        WRAPPING_NOT_FOUND "Wrapping Object Not Found", "",
            "The key to wrap with is not there, or not for this user", "Check its identifier and policy";
        WRONG_STATE "Wrong Key Lifecycle State", "",
            "The object's state does not allow it", "Activate the key first, or use one that is not deactivated";
        PKCS11_CODEC "PKCS#11 Codec Error", "",
            "The input parameters of the function cannot be read", "Correct the client's encoding";
        PKCS11_FUNCTION "PKCS#11 Invalid Function", "",
            "There is no such function", "Name one of the standard's functions";
        PKCS11_INTERFACE "PKCS#11 Invalid Interface", "",
            "There is no such interface here", "Leave the interface out";
        CONSTRAINT "Constraint Violation", "",
            "The new object meets none of the constraints that its user set",
            "Get Constraints tells them; change the object or the constraints";
        DUPLICATE_PROCESS "Duplicate Process Request", "",
            "The operation was processed already", "Poll for its result";
        GENERAL_FAILURE "General Failure", "",
            "The store failed, or a bug", "Look into the server's log: it says why";
    }
}
