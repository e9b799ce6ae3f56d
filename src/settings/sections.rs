//! The sections beside `[server]`. `server.conf.example` and docs/settings.md follow from them.

/// A kind of section beside `[server]`.
#[derive(Clone, Copy, Debug)]
pub struct SectionKind {
    /// The beginning of the section's name.
    pub prefix: &'static str,
    /// A name for the example.
    pub example: &'static str,
    /// Whether `server.conf.example` shows the section in comments.
    pub is_commented: bool,
    /// The purpose of the section.
    pub help: &'static str,
    /// The entries: name, value for the example, help.
    pub entries: &'static [(&'static str, &'static str, &'static str)],
    /// The version of this server that introduced the section.
    pub since: &'static str,
}

/// Every kind of section beside `[server]`.
pub const SECTIONS: &[SectionKind] = &[
    SectionKind {
        prefix: "auth:slugs",
        example: "auth:slugs",
        is_commented: false,
        help: "A SLUGS authentication service. For each request, the server asks the enabled services in the order of \
               the file; the first one that knows the user determines the groups that the operation policies refer \
               to. The server refuses a user that no service knows. Without an enabled service, the common name of \
               the client certificate suffices.",
        entries: &[
            ("enabled", "False", "Whether the server asks the service."),
            (
                "url",
                "http://127.0.0.1:8080/slugs/",
                "The URL of the service, http or https. For https, the server trusts the certificates in the file that \
                 the environment variable SSL_CERT_FILE names, else those of the system.",
            ),
        ],
        since: "0.1.0",
    },
    SectionKind {
        prefix: "validation:",
        example: "validation:example",
        is_commented: true,
        help: "A Validation Information structure that Query returns. The product has no validations, so Query \
               returns none without such a section. The entries authority, type, version and level are required.",
        entries: &[
            ("authority", "NIST CMVP", "NIST CMVP, Common Criteria or Unspecified."),
            ("type", "Software", "Hardware, Software, Firmware, Hybrid or Unspecified."),
            ("version", "2", "The major version of the validation, with or without a minor one."),
            ("level", "1", "The level."),
            ("country", "US", "The country."),
            ("authority_uri", "https://authority.example/", "The URI of the authority."),
            ("certificate", "1234", "The identifier of the validation certificate."),
            ("certificate_uri", "https://authority.example/1234", "The URI of the validation certificate."),
            ("vendor_uri", "https://vendor.example/", "The URI of the vendor."),
            ("profiles", "Baseline Server", "The validated profiles, one per line."),
        ],
        since: "0.1.0",
    },
];
