//! What keeps the program from doing what it was asked. The words in `says` are those of the line.

use super::explanations;

explanations! {
    /// Each with a code of the program's own.
    STARTS {
        COMMAND_LINE "command-line", "an option, and what is wrong with it",
            "The command line has an option that does not exist, or one with a value that it cannot have",
            "Correct it; `run_server --help` lists the options";
        SETTINGS_UNREADABLE "settings-unreadable", "the configuration file … cannot be read",
            "The file that -f names, or /etc/pykmip/server.conf, is not there, not readable for this user, or not UTF-8",
            "Name a file that is there with -f, and give this user the right to read it";
        SETTINGS_MALFORMED "settings-malformed", "there is no section [server], or a line that is no setting",
            "The settings file is not one of sections and lines `name=value`",
            "Correct the line that is named; server.conf.example shows the form";
        SETTING_UNKNOWN "setting-unknown", "the setting '…' does not exist",
            "The section [server] has a name that the server does not know; it is refused so that no misspelt setting is lost",
            "Correct the name or remove the line; README.md lists the settings";
        SETTING_MISSING "setting-missing", "the setting '…' is missing",
            "A setting without default is neither in the file nor an option",
            "Add it to the section [server] of the file, or give it as the option of the same name";
        SETTING_INVALID "setting-invalid", "the setting '…' cannot be '…'",
            "The value is none that the setting can have; the line says which there are",
            "Give one of the values that the line names";
        NO_SUCH_FILE "no-such-file", "there is no such file",
            "The path of a setting leads nowhere",
            "Correct the path: one that does not begin with / starts from the folder that the server is started in";
        LOG_UNWRITABLE "log-unwritable", "the log file … cannot be written",
            "The file or its folder cannot be made or written by this user; the default is in /var/log/pykmip",
            "Name another file with -l, or give this user the right to write there";
        PEM_UNREADABLE "pem-unreadable", "… cannot be read",
            "A file of certificates or keys cannot be read by this user, or is broken PEM",
            "Give this user the right to read it, or put the right file there";
        NO_CERTIFICATE "no-certificate", "holds no PEM certificate",
            "The file is of another kind, DER for instance",
            "Put a PEM certificate there; DER becomes PEM by `openssl x509 -inform der -in FILE -out FILE.pem`";
        BAD_CERTIFICATE "bad-certificate", "holds a broken certificate",
            "What stands between the marks of PEM is no X.509 certificate",
            "Get the certificate again from whoever issued it";
        NO_KEY "no-key", "holds no PEM private key, or no private key",
            "The file that should hold the server's private key does not",
            "Name a file with the PEM private key of the certificate in key_path";
        KEY_ENCRYPTED "key-encrypted", "the private key in … is encrypted",
            "The key asks for a password, and nobody is there to type one",
            "Decrypt it with `openssl pkey -in FILE -out OUT`, and name OUT in key_path";
        BAD_KEY "bad-key", "the private key in … cannot be used",
            "The key is of a kind or size that TLS here does not have",
            "Use an RSA key of 2048 to 8192 bits or one of P-256, P-384, P-521 or Ed25519, with a certificate for it";
        KEY_MISMATCH "key-mismatch", "is not the one of the certificate",
            "Private key and certificate do not belong together",
            "Name the pair that belongs together in key_path and certificate_path";
        AUTHORITY_UNUSABLE "authority-unusable", "certify_ca_certificate, certify_ca_key",
            "The authority that is to sign for Certify has no certificate, no key in clear, or not the one of the other",
            "Name a CA certificate and its private key in both settings, or neither: then the server makes its own";
        AUTHORITY_TRUSTED "authority-trusted", "ca_path vouches for the authority",
            "Clients could have certificates of any name made, and come in with them as somebody else",
            "Use an authority for Certify that no certificate of ca_path vouches for";
        ANNOUNCEMENT "announcement", "the setting '…' cannot have '…'",
            "A setting of what clients are told of the server, or a section [validation:…], says what cannot be told",
            "Correct the value as the line says; server.conf.example shows the form";
        POLICY_BROKEN "policy-broken", "policy file …, line …, column …",
            "A policy file cannot be used; what it defined before stays in force",
            "Correct the place that is named; policy.json is an example";
        NO_DATABASE "no-database", "the database is :memory:",
            "A database in memory ends with its server: there is nothing to export or to import into",
            "Name a file with -d";
        DATABASE_NO_FOLDER "database-no-folder", "the directory of the database does not exist",
            "database_path names a file in a folder that is not there",
            "Make the folder, or correct database_path";
        DATABASE_UNUSABLE "database-unusable", "the database … cannot be used",
            "The file is not there, is a folder, or this user may not use it",
            "Correct database_path, or give this user the right to read and write the file and its folder";
        DATABASE_FOREIGN "database-foreign", "is a database of another program, is not a database",
            "database_path names a file of something else; it was left as it was",
            "Name another file in database_path";
        DATABASE_NEWER "database-newer", "has the version … of a newer server",
            "A newer version of this server wrote the database",
            "Run the version that wrote it, or a newer one";
        DATABASE_PYKMIP "database-pykmip", "is a database of PyKMIP's server",
            "It has not been taken over yet; exports and imports do not do that",
            "Start the server on it once: it takes the objects over";
        DATABASE_NOT_TAKEN_OVER "database-not-taken-over", "cannot be taken over",
            "The database of PyKMIP's server is damaged, or has an object that cannot be; it was left as it was",
            "Repair the object that is named with PyKMIP, restore a backup, or begin with another database_path";
        DATABASE_SEALED "database-sealed", "the objects of … are sealed",
            "The database is encrypted, and no key is named",
            "Name the file of its key in key_encryption_key_path";
        DATABASE_KEY "database-key", "the key encryption key … cannot be used",
            "The file is not readable, holds no key of 256 bits, or the database is sealed with another one",
            "Name the file of the key that the database was sealed with: 32 bytes, or 64 hexadecimal digits";
        DATABASE_NOT_SEALED "database-not-sealed", "are not sealed",
            "There is no key to change: the database is not encrypted",
            "Start the server with key_encryption_key_path once: it seals the objects";
        DATABASE_IN_USE "database-in-use", "is in use",
            "Another process, most likely a server, has the database open, and an import needs it alone",
            "Stop the server that runs on it, import, and start it again";
        DATABASE_FILE_SYSTEM "database-file-system", "is on a file system without shared memory",
            "Network file systems often lack what SQLite's write-ahead log needs",
            "Put the database on a local disk";
        DATABASE_DAMAGED "database-damaged", "is damaged in the store",
            "The bytes of an object make no sense: the disk or another program changed them",
            "Restore the database from a backup";
        DATABASE_FAILED "database-failed", "the store failed to …",
            "SQLite could not do what it was asked: the disk is full, fails, or the file is damaged",
            "Look at what SQLite says, at the room on the disk and at its health; restore a backup of a damaged file";
        CANNOT_LISTEN "cannot-listen", "the server cannot listen on …",
            "The port is taken, or below 1024 and this user may not use it, or the name is not of this machine",
            "Stop who has the port, or name another port (0 for a free one) or hostname";
        NO_THREAD "no-thread", "what the system says",
            "The system refuses another thread or handler",
            "Raise the limits of this user or container for processes and memory";
        EXPORT_EXISTS "export-exists", "is there already and is not written over",
            "The file that --export names exists",
            "Name another file, or remove that one";
        EXPORT_FILE "export-file", "the file, and what the system says",
            "The file of an export cannot be read or written",
            "Correct its path, make room on the disk, or give this user the right to use it";
        EXPORT_KEY "export-key", "the seal key …, is sealed, is not sealed",
            "--seal-key does not fit the export: it is missing, too much, no key of 256 bits, or another one",
            "Give the key that it was exported with, or none where it was exported without";
        EXPORT_DAMAGED "export-damaged", "FILE, line …: …; nothing was imported",
            "The export was changed, cut off or written by another version",
            "Copy it again from where it was made, or export again; docs/backup.md tells the form";
        IDENTIFIER_TAKEN "identifier-taken", "the database has an object … already",
            "Both the export and the database have an object of that identifier; nothing was imported",
            "Import into a database without these objects: a new file in database_path";
        CERTIFICATES_EXIST "certificates-exist", "is there already; nothing was written",
            "--make-certs writes over no file",
            "Name an empty folder, or remove the files";
        CERTIFICATES_FILE "certificates-file", "… cannot be made",
            "A folder or file of --make-certs cannot be made",
            "Name a folder that this user may write to";
        CERTIFICATES_OPTION "certificates-option", "at least one client, certificates hold from 1 to …, a certificate cannot be made",
            "A value of an option of --make-certs cannot be",
            "Correct the option; `run_server --help` lists them";
        NOT_EXPLAINED "not-explained", "there is no explanation of '…'",
            "--explain knows the codes that failed starts end with, and the Result Reasons of the standard",
            "Give one of them; `run_server --explain list` lists all";
        CHECK_FAILED "check-failed", "the server would not start",
            "--check-config found what would keep the server from starting; each finding stands in its output",
            "Correct what the lines that begin with `error` name";
        INTERNAL "internal", "anything else",
            "A bug, or a library that does not work here",
            "Report it with the line and the version";
    }
}
