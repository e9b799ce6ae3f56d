//! Client certificates: the check of their trust, which precedes authentication, and the identity of the client; and the
//! blocks of PEM files.

#![no_main]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use kmip_server::internals::auth::{Authenticator, Certificate, Peer};
use kmip_server::internals::server::Trust;
use kmip_server::internals::x509;
use libfuzzer_sys::fuzz_target;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;

/// The authority of the seeds, as `ca_path` names it.
fn trust() -> &'static Trust {
    static TRUST: OnceLock<Trust> = OnceLock::new();
    TRUST.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture/ca.der");
        let ca = std::fs::read(path).expect("make fuzz writes the fixture");
        Trust::new(&[ca.into()], true, Arc::default()).expect("it is a certificate")
    })
}

fuzz_target!(|bytes: &[u8]| {
    let (leaf, now) = (CertificateDer::from(bytes), UnixTime::since_unix_epoch(NOW));
    drop(trust().verify_client_cert(&leaf, &[], now));
    drop(trust().verify_client_cert(&leaf, std::slice::from_ref(&leaf), now));
    for block in x509::pem::blocks(bytes) {
        let contents = block.contents.unwrap_or_default();
        if let Some((der, _)) = x509::trusted::split(&contents) {
            let _ = x509::parsed::Parsed::read(der);
        }
    }

    let Some(certificate) = Certificate::from_der(bytes) else { return };
    let names = certificate.common_names().to_vec();
    let peer = Peer::new(([127, 0, 0, 1], 5696).into(), 1, Some(certificate));
    for strict in [true, false] {
        let authenticator = Authenticator::new(strict, Vec::new());
        if authenticator.admit(&peer).is_ok()
            && let Ok(identity) = authenticator.identify(&peer, None)
        {
            assert_eq!([identity.principal.user], names[..], "an admitted client has exactly one name");
        }
    }
});

/// A time at which the certificates of the tests are valid.
const NOW: std::time::Duration = std::time::Duration::from_secs(1_800_000_000);
