//! The failures of clients: log messages about connections, and Result Reasons.

use super::explanations;

explanations! {
    /// The log messages about clients that cannot connect.
    CONNECTIONS {
        PORT_PROBE "port-probe", "the client closed the connection without sending anything",
            "A port scan or a health check, at INFO; all other lines of this table are warnings", "Nothing";
        CLIENT_CLOSED "client-closed", "the client closed the connection during the TLS handshake",
            "The client gave up, usually because it does not trust the server's certificate or was stopped",
            "Read the client's log; check that it has the CA of the server's certificate";
        HANDSHAKE_TIMEOUT "handshake-timeout", "the client did not finish the TLS handshake in time",
            "The client waits for the server to speak first, or the network loses data",
            "Check that the client uses TLS, and the network between client and server";
        CONNECTION_FAILED "connection-failed", "the connection failed: …",
            "The operating system reported an error of the network", "Check the network between client and server";
        TOO_MANY_HANDSHAKES "too-many-handshakes", "… handshakes are running, most of them from its address",
            "Clients at one address begin many handshakes and do not finish them",
            "Check the clients at that address; block it if the handshakes are an attack";
        PLAIN_HTTP "plain-http", "it sent an HTTP request, which is not TLS",
            "The client uses http instead of https", "Let the client use https";
        SSH "ssh", "it sent an SSH greeting, which is not TLS",
            "An SSH client connects to the port of this server", "Give the SSH client the port of an SSH server";
        PLAIN_KMIP "plain-kmip", "it sent a KMIP message, which is not TLS",
            "The client uses KMIP without TLS, which this server does not support",
            "Switch TLS on in the client, with a client certificate";
        PROXY_HEADER "proxy-header", "it sent a PROXY protocol header, which is not TLS",
            "A load balancer adds the header, which this server does not support",
            "Switch the PROXY protocol off in the load balancer";
        NOT_TLS "not-tls", "it sent bytes that begin with …, which is not TLS",
            "The peer does not use TLS, for example a health check", "Let the client use TLS, or the health check only connect";
        BAD_TLS "bad-tls", "it sent a TLS record or message that is malformed: …",
            "The bytes begin like TLS, and do not follow the standard",
            "Check that nothing between client and server changes the data, and update the client";
        NO_VERSION "no-tls-version", "the client offers only …",
            "The client supports only TLS versions that the settings exclude",
            "Update the client, or set tls_minimum_version or auth_suite as the message says";
        NO_CIPHER_SUITE "no-cipher-suite", "client and server have no cipher suite in common",
            "The client offers only cipher suites that the server lacks, or that the server's certificate cannot serve",
            "Change the setting that the message names, or update the client; docs/tls.md lists the suites of the server";
        NO_GROUP "no-key-exchange-group", "client and server have no key exchange group in common",
            "The client offers only elliptic curves or finite fields that the server lacks",
            "Enable a group such as P-256 in the client";
        NO_SIGNATURE_ALGORITHM "no-signature-algorithm", "the client supports no signature algorithm of the server's key",
            "The client cannot verify signatures of the server's type of key",
            "Enable a signature algorithm for that key in the client, or use another server certificate";
        NO_CLIENT_CERTIFICATE "certificate-required", "the client presented no certificate",
            "The client has no certificate, or none that it considers suitable",
            "Configure a client certificate and its private key in the client";
        UNKNOWN_ISSUER "unknown-issuer", "the issuer of the client certificate is unknown: …",
            "The client certificate has no path to a certificate in ca_path",
            "Add its CA to the file of ca_path; if an intermediate CA issued it, let the client send that certificate, too";
        OTHER_ISSUER_KEY "issuer-key-changed", "the issuer of the client certificate has the name … of a certificate in ca_path, but another key",
            "The CA was created again with the same name, or two CAs have one name",
            "Add the new CA certificate to the file of ca_path, or issue the client certificate again";
        ISSUER_EXPIRED "issuer-expired", "the CA certificate …, has expired",
            "A CA certificate in ca_path, or one that the client sent, has expired",
            "Renew it, and replace it in the file of ca_path or in the client";
        EXPIRED "expired", "the client certificate has expired",
            "The client certificate, or an intermediate CA certificate in its path, has expired",
            "Renew it; correct the clock of the server's machine if it is wrong";
        NOT_YET_VALID "not-yet-valid", "… is not valid yet",
            "The validity of the client certificate, or of a CA certificate in its path, begins in the future",
            "Correct the clock of the server's machine or of the CA, or wait";
        NOT_FOR_CLIENTS "not-for-clients", "the extended key usage of … lacks client authentication",
            "The client certificate, or a CA certificate in its path, is for another purpose, for example for servers",
            "Use a certificate for TLS clients, or set enable_tls_client_auth=False";
        NO_LONGER_ACCEPTED "no-longer-accepted", "the client certificate was accepted when the connection began, but …",
            "During the connection, the certificate or one above it expired, or ca_path changed; the connection ended",
            "Connect again, with a certificate that is valid and whose CA is in ca_path";
        BAD_CLIENT_CERTIFICATE "certificate-refused", "the client certificate is refused: …",
            "The certificate, or one in its path, is malformed or violates a constraint of its CA",
            "Issue another certificate for the client";
        DISTRUST "server-certificate-distrusted", "the client does not trust the server's certificate: it sent the alert …",
            "The client lacks the CA of the server's certificate, connects by a name that is not in it, or considers it expired",
            "Give the client the CA that the message names, or use a server certificate with the name by which it connects";
        CLIENT_ALERT "client-alert", "the client ended the TLS handshake with the alert …",
            "The client refuses what the server selected", "Read the client's log, which states the cause";
        HANDSHAKE_FAILED "handshake-failed", "the TLS handshake failed: …",
            "Another error of TLS, which the message names", "Read the client's log, and update the client";
        CERTIFICATE_UNREADABLE "certificate-unreadable", "the client certificate cannot be read",
            "The certificate is trusted, but a common name in it is not text", "Issue another certificate for the client";
        NO_EXTENDED_KEY_USAGE "no-extended-key-usage",
            "the client certificate has no extended key usage",
            "enable_tls_client_auth requires client authentication in the extended key usage",
            "Use another certificate, or set enable_tls_client_auth=False";
        NO_COMMON_NAME "no-common-name", "the subject of the client certificate has no common name",
            "The common name is the user name, so that the server cannot identify the client",
            "Issue a certificate with one common name";
        SEVERAL_COMMON_NAMES "several-common-names", "the subject of the client certificate has … common names",
            "The common name is the user name, and the certificate has several",
            "Issue a certificate with one common name";
        LONG_CREDENTIAL "long-credential", "the name in the credential is … bytes long",
            "With enable_credential_identity, the name in the credential is part of the user's identity",
            "Use a shorter name";
        SLUGS_REFUSED "slugs-refused", "no authentication service accepts the user",
            "No service of the sections [auth:slugs] knows the user, or each failed as the message says",
            "Add the user to the service, or correct the section";
    }
}

explanations! {
    /// The Result Reasons that the server returns. The Result Message names the item or object.
    REASONS {
        ITEM_NOT_FOUND "Item Not Found", "`Could not locate object: ID`, and others",
            "No object has the Unique Identifier or the value",
            "Check the identifier; a restart with `:memory:` loses all objects";
        RESPONSE_TOO_LARGE "Response Too Large", "",
            "The response exceeds the client's Maximum Response Size",
            "Use a smaller Maximum Items in Locate, or a larger Maximum Response Size";
        AUTHENTICATION "Authentication Not Successful", "`An error occurred during client authentication. …`",
            "The certificate has no common name or several, or lacks the extended key usage, or no SLUGS service knows the user",
            "Read the server's log, which states the cause";
        INVALID_MESSAGE "Invalid Message", "",
            "The request is malformed; the message names the item",
            "Often a client of another version: the log at `-v DEBUG` shows the items that it sends";
        OPERATION_NOT_SUPPORTED "Operation Not Supported", "",
            "The server does not support the operation, or the version of the request does not define it",
            "Use Query to list the operations; use a later version";
        INVALID_FIELD "Invalid Field", "",
            "A value, or a combination of values, is invalid", "Change the value that the message names";
        FEATURE "Feature Not Supported", "",
            "The standard defines the feature, but this server does not support it", "Avoid the feature; docs/features.md lists the supported ones";
        CANCELED "Operation Canceled By Requester", "",
            "A client cancelled the asynchronous operation", "Request the operation again if necessary";
        CRYPTOGRAPHIC_FAILURE "Cryptographic Failure", "",
            "The key, tag, padding or data length is wrong",
            "Use the key and parameters of the encryption; the message reveals no more on purpose";
        ILLEGAL_OPERATION "Illegal Operation", "",
            "The object's type or state does not allow the operation",
            "Check its Object Type and State with Get Attributes";
        PERMISSION_DENIED "Permission Denied", "`Could not locate object: ID`, and others",
            "The object's operation policy does not allow the operation to this user; with another message, its State or Cryptographic Usage Mask does not",
            "Use the owner's certificate, or another policy; activate the key, or set its usage mask at its creation";
        OBJECT_ARCHIVED "Object Archived", "", "The object is archived", "Recover it first";
        INDEX "Index Out of Bounds", "",
            "The attribute has no value with that index", "Read the attribute's values with Get Attributes";
        KEY_FORMAT "Key Format Type Not Supported", "",
            "The server cannot convert the key to that format", "Omit the Key Format Type, or use another";
        KEY_COMPRESSION "Key Compression Type Not Supported", "",
            "The server cannot compress the key's point in that way", "Omit the Key Compression Type";
        ENCODING_OPTION "Encoding Option Error", "",
            "The wrapped key cannot have that Encoding Option", "Use the other Encoding Option";
        NO_KEY_VALUE "Key Value Not Present", "",
            "The server stores the object without its key material",
            "Obtain the key material from the object's Key Value Location";
        SENSITIVE "Sensitive", "", "The server returns a sensitive object only wrapped", "Use Get with a Key Wrapping Specification";
        NOT_EXTRACTABLE "Not Extractable", "",
            "The object's attribute Extractable is False", "Use the object on the server: Encrypt, Sign and so on";
        OBJECT_EXISTS "Object Already Exists", "",
            "Import uses the Unique Identifier of an existing object", "Set Replace Existing, or choose another identifier";
        INVALID_TICKET "Invalid Ticket", "",
            "The ticket has expired, was logged out, or belongs to another user", "Log in again";
        USAGE_LIMIT "Usage Limit Exceeded", "",
            "The key's Usage Limits are exhausted", "Use another key, or raise the limit before the first use";
        NUMERIC_RANGE "Numeric Range", "", "A number is outside its range", "Change the number";
        INVALID_DATA_TYPE "Invalid Data Type", "",
            "The type of an item does not match its tag", "Correct the client's encoding";
        READ_ONLY "Read Only Attribute", "", "Only the server sets the attribute", "Omit the attribute";
        MULTI_VALUED "Multi Valued Attribute", "",
            "The attribute has several values, and the request does not select one",
            "Name the value, or its index";
        UNSUPPORTED_ATTRIBUTE "Unsupported Attribute", "",
            "The server does not support the attribute, or not for that object type", "Omit the attribute";
        NO_INSTANCE "Attribute Instance Not Found", "",
            "The object has the attribute, but not that value", "Read the attribute's values with Get Attributes";
        NO_ATTRIBUTE "Attribute Not Found", "",
            "The object does not have the attribute", "Add the attribute instead of changing it";
        ATTRIBUTE_READ_ONLY "Attribute Read Only", "",
            "Clients cannot change or delete the attribute", "Omit the attribute";
        SINGLE_VALUED "Attribute Single Valued", "",
            "The attribute has a single value, which is set", "Change the value instead of adding another";
        ILLEGAL_OBJECT_TYPE "Illegal Object Type", "",
            "The operation cannot create objects of that type", "Register the object instead";
        USAGE_MASK "Incompatible Cryptographic Usage Mask", "",
            "The key's usage mask does not allow the operation",
            "Set the mask when the key is created: it cannot change later";
        CORRELATION_ASYNCHRONOUS "Invalid Asynchronous Correlation Value", "",
            "No asynchronous operation of this user has that value",
            "Use the value of the response; results expire";
        INVALID_VALUE "Invalid Attribute Value", "",
            "The attribute cannot have that value", "Change the value";
        CORRELATION "Invalid Correlation Value", "",
            "No multi-part operation of this user has that value",
            "Start the operation again; unfinished operations expire";
        INVALID_CSR "Invalid CSR", "",
            "The certificate request is malformed, or its signature is wrong",
            "Create the request again, as PKCS#10 or PEM";
        INVALID_OBJECT_TYPE "Invalid Object Type", "",
            "The operation does not support objects of that type", "Use an object of another type";
        NAME_TAKEN "Non Unique Name Attribute", "",
            "Another object has that name", "Choose another name";
        OBJECT_DESTROYED "Object Destroyed", "",
            "The object was destroyed; its attributes remain", "Use another object";
        OBJECT_NOT_FOUND "Object Not Found", "", "The object does not exist", "Check the identifier";
        SERVER_LIMIT "Server Limit Exceeded", "",
            "The user has too many unfinished operations, or a value is too large",
            "Finish or cancel operations, or request less";
        WRAPPING_ARCHIVED "Wrapping Object Archived", "",
            "The wrapping key is archived", "Recover it first";
        WRAPPING_DESTROYED "Wrapping Object Destroyed", "",
            "The wrapping key was destroyed", "Use another key";
        WRAPPING_NOT_FOUND "Wrapping Object Not Found", "",
            "The wrapping key does not exist, or its policy does not allow its use", "Check its identifier and policy";
        WRONG_STATE "Wrong Key Lifecycle State", "",
            "The object's state does not allow it", "Activate the key first, or use one that is not deactivated";
        PKCS11_CODEC "PKCS#11 Codec Error", "",
            "The input parameters of the function are malformed", "Correct the client's encoding";
        PKCS11_FUNCTION "PKCS#11 Invalid Function", "",
            "The function does not exist", "Use a function of the standard";
        PKCS11_INTERFACE "PKCS#11 Invalid Interface", "",
            "The server does not have the interface", "Omit the interface";
        CONSTRAINT "Constraint Violation", "",
            "The new object violates the constraints that its user set",
            "Read them with Get Constraints; change the object or the constraints";
        DUPLICATE_PROCESS "Duplicate Process Request", "",
            "The operation has already been processed", "Poll for its result";
        GENERAL_FAILURE "General Failure", "",
            "The store failed, or the server has a bug", "Read the server's log, which states the cause";
    }
}
