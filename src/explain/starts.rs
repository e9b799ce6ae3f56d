//! The failures of the program. `says` quotes the line on standard error.

use super::explanations;

explanations! {
    /// The failures of the program, each with its code.
    STARTS {
        COMMAND_LINE "command-line", "the option, and what is wrong with it",
            "The command line has an option that does not exist, or one with a value that it cannot have",
            "Correct the option; `run_server --help` lists the options";
        NOT_CONFIGURED "not-configured", "the server has no settings",
            "The program was started without options and environment variables, and the default settings file does not exist",
            "Start a trial server with `run_server --demo`, name a settings file with -f, or see `run_server --help`";
        SETTINGS_UNREADABLE "settings-unreadable", "the settings file … cannot be read",
            "The file that -f names, or /etc/pykmip/server.conf, does not exist, is not readable for this user, or is not UTF-8",
            "Name an existing file with -f, and allow this user to read it";
        SETTINGS_MALFORMED "settings-malformed", "the section [server] is missing, line … is neither a [section] nor key=value, a setting stands twice, or has a single %",
            "The settings file does not consist of sections and lines `name=value`",
            "Correct the file; server.conf.example shows the form";
        SETTING_UNKNOWN "setting-unknown", "the setting '…' does not exist",
            "The section [server] contains an unknown name; the server refuses it, so that a misspelt setting cannot go unnoticed",
            "Correct the name or remove the setting; docs/settings.md lists the settings";
        SETTING_MISSING "setting-missing", "the setting '…' is missing",
            "Neither the file nor an environment variable nor an option contains a required setting",
            "Add it to the section [server] of the file, or use the option of the same name";
        SETTING_INVALID "setting-invalid", "the setting '…' cannot be '…'",
            "The value is not one of the allowed values, which the message states",
            "Use one of the values that the message states";
        NO_SUCH_FILE "no-such-file", "the file does not exist",
            "The path of a setting names no existing file",
            "Correct the path; a relative path starts at the working directory of the server";
        FEATURE_MISSING "feature-missing", "this build has no …",
            "The program was built without the cargo feature that an option or setting needs",
            "Build it with that feature, or omit the option or setting";
        LOG_UNWRITABLE "log-unwritable", "the log file … cannot be written",
            "This user cannot create or write the log, the audit log or their directory; the default is /var/log/pykmip",
            "Name another file with -l or audit_log_path, or allow this user to write there";
        FILE_NOT_PRIVATE "file-not-private", "belongs to the user …, is a link, or has the mode …",
            "Another user can read or replace the file, or created it in a folder such as /tmp before the server did",
            "Give the file to the server's user, with mode 0600 and in a folder of that user";
        PEM_UNREADABLE "pem-unreadable", "… cannot be read",
            "This user cannot read a file of certificates or keys, or its PEM is malformed",
            "Allow this user to read the file, or replace it";
        NO_CERTIFICATE "no-certificate", "holds no certificate, in PEM or DER",
            "The file has another format, for example PKCS#12",
            "Use a PEM certificate; `openssl pkcs12 -in FILE -nokeys -out FILE.pem` converts PKCS#12";
        BAD_CERTIFICATE "bad-certificate", "holds a broken certificate",
            "A block of the file is cut, is not base64, or is not an X.509 certificate",
            "Obtain the certificate again from its CA";
        NO_KEY "no-key", "holds no private key",
            "The file does not contain the server's private key",
            "Set key_path to a file with the PEM private key of the certificate";
        KEY_ENCRYPTED "key-encrypted", "the private key in … is encrypted",
            "The key needs a password, which the server cannot ask for",
            "Decrypt it with `openssl pkey -in FILE -out OUT`, and set key_path to OUT";
        BAD_KEY "bad-key", "the private key in … cannot be used",
            "The server does not support keys of this type or size",
            "Use an RSA key of 2048 to 8192 bits or one of P-256, P-384, P-521 or Ed25519, with a certificate for it";
        KEY_MISMATCH "key-mismatch", "is not the one of the certificate",
            "The private key does not match the certificate",
            "Set key_path and certificate_path to a matching pair";
        AUTHORITY_UNUSABLE "authority-unusable", "certify_ca_certificate, certify_ca_key",
            "The CA for Certify has no certificate or no unencrypted key, or they do not match",
            "Set both to a CA certificate and its private key, or neither: the server then creates a CA";
        AUTHORITY_TRUSTED "authority-trusted", "ca_path vouches for the authority",
            "Clients could obtain certificates with any name, and connect as another user",
            "Use a CA for Certify that ca_path does not trust";
        ANNOUNCEMENT "announcement", "the setting '…' cannot have '…'",
            "A setting announced_… or a section [validation:…] has a value that Query cannot return",
            "Correct the value as the message states; server.conf.example shows the form";
        POLICY_PATH "policy-path", "policy_path: … is a file",
            "policy_path names a file; the server reads all files named *.json of a directory",
            "Name the directory of the file";
        POLICY_BROKEN "policy-broken", "policy file …, line …, column …",
            "A policy file is malformed; the policies that it defined before remain in force",
            "Correct the file at that position; policy.json is an example";
        NO_DATABASE "no-database", "the database is :memory:",
            "A database in memory exists only as long as its server, so it cannot be exported or imported into",
            "Name a file with -d";
        DATABASE_NO_FOLDER "database-no-folder", "the directory of the database does not exist",
            "The directory of database_path does not exist",
            "Create the directory, or correct database_path";
        DATABASE_UNUSABLE "database-unusable", "the database … cannot be used",
            "The file does not exist, is a directory, or is not accessible for this user",
            "Correct database_path, or allow this user to read and write the file and its directory";
        DATABASE_FOREIGN "database-foreign", "is a database of another program, is not a database",
            "database_path names a file, or a database with tables, of another program; the server did not change it",
            "Set database_path to another file, or to an empty database";
        DATABASE_NEWER "database-newer", "has the version … of a newer server",
            "A newer version of this server wrote the database",
            "Run that version, or a newer one";
        DATABASE_PYKMIP "database-pykmip", "is a database of PyKMIP's server",
            "It has not been migrated yet; exports do not migrate it",
            "Start the server with it once, which migrates the objects, or import the file into another database with --import";
        DATABASE_NOT_TAKEN_OVER "database-not-taken-over", "cannot be taken over",
            "The database of PyKMIP's server is damaged or contains an invalid object; the server did not change it",
            "Repair that object with PyKMIP, restore a backup, or use another database_path";
        DATABASE_SEALED "database-sealed", "the objects of … are sealed",
            "The database is encrypted, and key_encryption_key_path is not set",
            "Set key_encryption_key_path to the file of its key";
        DATABASE_KEY "database-key", "the key encryption key … cannot be used",
            "The file is not readable, does not contain a 256-bit key, or contains another key than that of the database",
            "Use the file of the database's key: 32 bytes, or 64 hexadecimal digits";
        DATABASE_NOT_SEALED "database-not-sealed", "are not sealed",
            "The database is not encrypted, so it has no key to change",
            "Start the server with key_encryption_key_path once, which encrypts the objects";
        DATABASE_URL "database-url", "is not the URL of a PostgreSQL database",
            "database_path begins with postgresql:// and is malformed, or contains a key that this server does not support, or a \
             password",
            "Correct the part that the message names; docs/many-servers.md describes the URL";
        DATABASE_UNREACHABLE "database-unreachable", "the database … cannot be reached",
            "The PostgreSQL server does not run, the network does not lead to it, or it refuses the user or the password",
            "Read PostgreSQL's message; check database_path, PGPASSWORD or the password file, and pg_hba.conf";
        DATABASE_SEALED_TOO_LATE "database-sealed-too-late", "only a new PostgreSQL database can be",
            "A PostgreSQL database is encrypted from its creation on, because other servers may use it",
            "Export the objects with --export, and import them with key_encryption_key_path into an empty database";
        DATABASE_STATEMENT "database-statement", "the store failed to …, the database did not confirm a commit",
            "PostgreSQL refused a statement, or ended the connection",
            "Read PostgreSQL's message and its log; the user of database_path must own the tables";
        DATABASE_LOCKED "database-locked", "is used by another server",
            "A server uses a database alone: two servers on one file would serve keys that the other has destroyed",
            "Stop the process that the message names, or set database_path to another file";
        DATABASE_IN_USE "database-in-use", "is in use",
            "Another process, probably a server, uses the database, and an import needs exclusive access",
            "Stop the server, import, and start the server again";
        DATABASE_FILE_SYSTEM "database-file-system", "is on a file system without shared memory",
            "SQLite's write-ahead log needs shared memory, which many network file systems lack",
            "Put the database on a local disk";
        DATABASE_DAMAGED "database-damaged", "is damaged in the store",
            "The record of an object is malformed, or its checksum does not match: the disk or another program changed it",
            "List all damaged records with --check-database FILE, and restore the database from a backup";
        DATABASE_FAILED "database-failed", "the store failed to …",
            "SQLite failed: the disk is full or failing, or the file is damaged",
            "Read SQLite's message, check the free space and the health of the disk; restore a damaged file from a backup";
        SLUGS_UNUSABLE "slugs-unusable", "section [auth:slugs]: …",
            "The URL of an enabled SLUGS service is malformed, or no certificates exist to verify an https service with",
            "Correct the url; for https, install ca-certificates, or set SSL_CERT_FILE to a PEM file of CA certificates";
        PORT_IN_USE "port-in-use", "the server cannot listen on …: the port is already in use",
            "Another process, perhaps another server, listens on the port",
            "Stop that process (`ss -ltnp` lists it), or choose another port, 0 for a free one";
        PORT_FORBIDDEN "port-forbidden", "the server cannot listen on …: Permission denied",
            "The port is below 1024, and this user may not listen on it",
            "Choose a port from 1024 on, or give the program the capability CAP_NET_BIND_SERVICE";
        NO_SUCH_ADDRESS "no-such-address", "the server cannot listen on …: this machine does not have that address",
            "The host is not an address of this machine, or a name without an address",
            "Use an address that `ip address` lists, 127.0.0.1 for clients on this machine, or * for every address";
        CANNOT_LISTEN "cannot-listen", "the server cannot listen on …",
            "The system refuses to listen on the address for another reason, which the message states",
            "Choose another host or port";
        NO_MANAGEMENT_TOKEN "no-management-token", "other machines can reach …, and management_token has no value",
            "The management interface is not encrypted and would answer every machine that reaches the address",
            "Set management_token, or use 127.0.0.1 as the host of management_address";
        NO_MANAGEMENT "no-management", "the address of the management interface is not known",
            "Neither the command line nor the settings contain the address that --health or --wait-ready asks",
            "Name it: --health ADDRESS, --management_address, or management_address in the file of -f";
        NOT_READY "not-ready", "the management interface … cannot be reached, or the server is not ready",
            "No server runs, it has another management_address, it refuses the token, or its store or certificate fails",
            "Start the server with this management_address, and read its log";
        TEMPORARY_FOLDER "temporary-folder", "the temporary folder … cannot be created",
            "--demo creates its certificates in the folder that TMPDIR names, by default /tmp, which is not writable or full",
            "Set TMPDIR to a folder that this user can write to, or name one with --keep DIR";
        NO_THREAD "no-thread", "the message of the system",
            "The system refuses another thread or signal handler",
            "Raise the process and memory limits of this user or container";
        EXPORT_EXISTS "export-exists", "is there already and is not written over",
            "The file that --export names exists",
            "Name another file, or remove this one";
        EXPORT_FILE "export-file", "the file, and the message of the system",
            "The export file cannot be read or written",
            "Correct its path, free space on the disk, or allow this user to access it";
        EXPORT_KEY "export-key", "the seal key …, is sealed, is not sealed",
            "--seal-key does not match the export: it is missing, superfluous, not a 256-bit key, or another key",
            "Use the key of the export, or omit --seal-key if the export is not encrypted";
        EXPORT_DAMAGED "export-damaged", "FILE, line …: …; nothing was imported",
            "The export was changed, truncated or written by another version",
            "Copy the file again, or export again; docs/backup.md describes the format";
        IDENTIFIER_TAKEN "identifier-taken", "the database has an object … already",
            "The export and the database contain objects with the same Unique Identifier; nothing was imported",
            "Import into a database without these objects, for example a new file";
        INTERRUPTED "interrupted", "a signal ended it, and nothing was changed",
            "An export or import received SIGHUP, SIGINT or SIGTERM; SIGHUP comes from a terminal that closes",
            "Start it again, with setsid if its terminal may close";
        CERTIFICATES_EXIST "certificates-exist", "is there already; nothing was written",
            "--make-certs does not overwrite files; to a folder with an authority, it adds clients only",
            "Name an empty directory, or only clients that the folder does not have (--client NAME)";
        CERTIFICATES_AUTHORITY "certificates-authority", "no client can be added to the authority in …",
            "The folder of --make-certs has an authority that another program made, or whose private key is missing or another one",
            "Name an empty directory, which gets an authority of its own";
        AUTO_INCOMPLETE "auto-certificates-incomplete", "auto_certificates: … exists, but … does not",
            "The folder of auto_certificates contains only a part of the files; the server does not mix them with new ones",
            "Restore the missing file, or name a folder without these files";
        AUTO_EXPIRED "auto-certificates-expired", "auto_certificates: the authority in … has expired on …",
            "The CA that the server made has reached the end of its validity, and clients trust no certificate of it any longer",
            "Remove the files of the folder, start the server, and give the new files to the clients";
        AUTO_BESIDE "auto-certificates-beside", "auto_certificates: … is set, and … is not",
            "The settings name a part of the certificates, and auto_certificates makes all of them",
            "Set certificate_path and ca_path, or neither of them";
        CERTIFICATES_FILE "certificates-file", "… cannot be made",
            "--make-certs or auto_certificates cannot create a directory or file",
            "Name a directory that this user can write to";
        CERTIFICATES_OPTION "certificates-option", "at least one client, certificates hold from 1 to …, a certificate cannot be made",
            "An option of --make-certs, or a setting that begins with auto_certificate, has an invalid value",
            "Correct the option or the setting; `run_server --help` lists the options";
        NOT_EXPLAINED "not-explained", "the code '…' does not exist",
            "--explain accepts the codes at the end of error messages, and the Result Reasons of the standard",
            "Use one of the codes that `run_server --explain list` prints";
        CHECK_FAILED "check-failed", "the server would not start",
            "--check-config found errors, which its output lists",
            "Correct the errors in the lines that begin with `error`";
        INTERNAL "internal", "any other message",
            "A bug, or a library that does not work on this machine",
            "Report the message and the version";
    }
}
