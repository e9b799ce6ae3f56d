//! A client certificate, and the identity that it gives.

#![no_main]

use kmip_server::auth::{Authenticator, Certificate, Peer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(certificate) = Certificate::from_der(bytes) else { return };
    let names = certificate.common_names().to_vec();
    let peer = Peer::new(([127, 0, 0, 1], 5696).into(), 1, Some(certificate));
    for strict in [true, false] {
        let authenticator = Authenticator::new(strict, Vec::new());
        if authenticator.admit(&peer).is_ok()
            && let Ok(identity) = authenticator.identify(&peer)
        {
            assert_eq!([identity.user], names[..], "who is let in has one name");
        }
    }
});
