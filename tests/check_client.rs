//! `--check-client`: whether a certificate would be let in, as which user, or why not.

use std::process::Command;

use kmip_server::internals::explain::CONNECTIONS;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};

use crate::harness::{Authority, Credential, Pki, self_signed};

/// Runs the check of a file with more options. Returns the exit status and the output.
fn check(pki: &Pki, settings: &str, file: &str, options: &[&str]) -> (Option<i32>, String) {
    let settings = pki.settings(settings).display().to_string();
    let file = pki.folder.path(file).display().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_run_server"))
        .args(["-f", &settings, "--check-client", &file])
        .args(options)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout) + &text(output.stderr))
}

/// Checks a client, which must be refused with this code and this text.
fn is_refused(pki: &Pki, settings: &str, client: &Credential, code: &str, words: &str) {
    pki.folder.write("client.pem", client.pem());
    let (exit, text) = check(pki, settings, "client.pem", &[]);
    assert!(exit == Some(1) && text.contains("The client's certificate: subject \"CN="), "{text}");
    let advice = CONNECTIONS.iter().find(|it| it.code == code).unwrap().advice;
    let end = format!("What to do: {advice} (run_server --explain {code})\n");
    assert!(text.contains("the server would refuse the client: ") && text.ends_with(&end), "{text}");
    assert!(text.contains(words), "{text}");
}

#[test]
fn a_client_that_would_be_let_in_is_named() {
    let pki = Pki::new();
    pki.folder.write("client.pem", pki.client.pem());
    let key = pki.folder.write("client.key", pki.client.key_pem()).display().to_string();
    let old = pki.folder.write("old.key", pki.client.old_key_pem("EC PRIVATE KEY")).display().to_string();
    for options in [&[][..], &["--key", &key], &["--key", &old]] {
        let (exit, text) = check(&pki, "", "client.pem", options);
        assert_eq!(exit, Some(0), "{text}");
        assert!(
            text.starts_with("The client's certificate: subject \"CN=John Doe\", issuer \"CN=Root CA\", "),
            "{text}"
        );
        assert_eq!(
            text.contains("The private key is that of the certificate."),
            !options.is_empty(),
            "{text}"
        );
        let end = "The server would let in this client as the user \"John Doe\". No service is asked for groups: \
                   policies apply without them.\n";
        assert!(text.ends_with(end), "{text}");
    }
    // A chain follows the certificate, and the client sends it, too.
    let between = pki.ca.intermediate("Between");
    let below = between.client("Jane Doe");
    pki.folder.write("chain.pem", [below.pem(), between.pem()].concat());
    let (exit, text) = check(&pki, "", "chain.pem", &[]);
    assert!(exit == Some(0) && text.contains("as the user \"Jane Doe\""), "{text}");
    is_refused(&pki, "", &below, "unknown-issuer", "ca_path has no certificate of \"CN=Between\"");
}

#[test]
fn a_client_that_would_be_refused_is_explained() {
    let pki = Pki::new();
    let usage = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let expired = pki.ca.issue(&["A"], |params| {
        usage(params);
        params.not_after = date_time_ymd(2001, 1, 1);
    });
    is_refused(&pki, "", &expired, "expired", "the client certificate has expired");
    let again = Authority::new("Root CA").client("A");
    is_refused(&pki, "", &again, "issuer-key-changed", "but another key");
    is_refused(&pki, "", &self_signed("A", |_| ()), "unknown-issuer", "it is self-signed");
    let unmarked = pki.ca.issue(&["A"], |_| ());
    is_refused(&pki, "", &unmarked, "no-extended-key-usage", "has no extended key usage");
    is_refused(&pki, "", &pki.server, "not-for-clients", "lacks client authentication");
    let slugs = "[auth:slugs]\nenabled=True\nurl=http://127.0.0.1:1/";
    is_refused(
        &pki,
        slugs,
        &pki.client,
        "slugs-refused",
        "auth:slugs: GET http://127.0.0.1:1/users/John%20Doe failed",
    );
    pki.folder.write("client.pem", unmarked.pem());
    let (exit, text) = check(&pki, "enable_tls_client_auth=False", "client.pem", &[]);
    assert!(exit == Some(0) && text.contains("as the user \"A\""), "{text}");
}

#[test]
fn the_private_key_must_be_that_of_the_certificate() {
    let pki = Pki::new();
    pki.folder.write("client.pem", pki.client.pem());
    let pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (content, code) in [
        (pki.server.key_pem(), "key-mismatch"),
        (pki.ca.rsa_server().key_pem(), "key-mismatch"),
        ("nothing".to_owned(), "no-key"),
        (pem.to_owned(), "key-encrypted"),
    ] {
        let key = pki.folder.write("other.key", content).display().to_string();
        let (exit, text) = check(&pki, "", "client.pem", &["--key", &key]);
        assert!(exit == Some(1) && text.ends_with(&format!("(run_server --explain {code})\n")), "{text}");
        assert!(!text.contains("would let in") && !text.contains("run_server: key_path"), "{text}");
    }
    let (exit, text) = check(&pki, "", "none.pem", &[]);
    assert!(
        exit == Some(1) && text.contains("check-client: ") && text.contains("none.pem cannot be read"),
        "{text}"
    );
}

#[test]
fn the_option_key_alone_is_an_abbreviation_of_pykmip() {
    let pki = Pki::new();
    let key = pki.folder.path("server.key").display().to_string();
    let mut options = pki.options();
    let at = options.iter().position(|option| option == "-k").unwrap();
    options.splice(at..at + 2, ["--key".to_owned(), key]);
    drop(crate::harness::Running::start(options));
}
