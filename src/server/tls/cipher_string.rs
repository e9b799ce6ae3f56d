//! Expands cipher strings of OpenSSL, such as `HIGH:!aNULL`.

use openssl::ssl::{SslContextBuilder, SslMethod};

use super::legacy_suites::{LEGACY_SUITES, openssl_name};

/// Removes the suites that [`LEGACY_SUITES`] lacks: without certificate, without encryption, with other ciphers.
const OTHERS: &str = "-aNULL:-eNULL:-PSK:-SRP:-aDSS:-AESCCM:-ARIA:-CAMELLIA:-SEED:-IDEA:-RC4:-3DES:-GOST";

/// Returns the standard names of the suites of [`LEGACY_SUITES`] that a cipher string selects; none if it is invalid.
///
/// The binding of OpenSSL does not return the list that a string results in, and reports an empty list as an error. The
/// string therefore contains a suite if the list is not empty after the removal of all others.
pub(super) fn expand(string: &str) -> Vec<&'static str> {
    let Ok(mut builder) = SslContextBuilder::new(SslMethod::tls_server()) else { return Vec::new() };
    let names: Vec<_> = LEGACY_SUITES.iter().map(|suite| openssl_name(suite.name)).collect();
    let mut contains = |name: &str| {
        let others = names.iter().filter(|other| *other != name).map(|other| format!(":-{other}"));
        builder.set_cipher_list(&format!("{string}:{OTHERS}{}", others.collect::<String>())).is_ok()
    };
    let selected = LEGACY_SUITES.iter().zip(&names).filter(|(_, name)| contains(name));
    selected.map(|(suite, _)| suite.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_every_suite_of_openssl_that_may_be_offered() {
        let all = "ALL:COMPLEMENTOFALL";
        let ours = LEGACY_SUITES.iter().map(|suite| format!(":-{}", openssl_name(suite.name)));
        let mut builder = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
        assert!(builder.set_cipher_list(&format!("{all}:{OTHERS}{}", ours.collect::<String>())).is_err());
        assert_eq!(expand(all).len(), LEGACY_SUITES.len());
    }

    #[test]
    fn selects_by_algorithm_and_by_name() {
        assert_eq!(expand("AES128-SHA"), ["TLS_RSA_WITH_AES_128_CBC_SHA"]);
        assert_eq!(expand("kRSA:!AESGCM").len(), 4);
        assert!(expand("NULL").is_empty() && expand("no such").is_empty() && expand("").is_empty());
    }
}
