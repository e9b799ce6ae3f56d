//! Authorities and certificates for tests.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName as Name, DnType, IsCa, Issuer, KeyPair,
    SigningKey, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use x509_cert::certificate::Version;
use x509_cert::der::asn1::BitString;
use x509_cert::der::{Decode, Encode};

/// A certification authority.
pub(in crate::server) struct Ca {
    pub(in crate::server) certificate: CertificateDer<'static>,
    pub(in crate::server) issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// Returns a self-signed CA.
    pub(in crate::server) fn root(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (ca_params(name), KeyPair::generate().unwrap());
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Returns a CA that this one issued.
    pub(in crate::server) fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (ca_params(name), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Returns a client certificate that this CA issued.
    pub(in crate::server) fn issue(
        &self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = params("client");
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()
    }

    /// Issues a certificate of X.509 version 1.
    pub(in crate::server) fn issue_version_1(&self) -> CertificateDer<'static> {
        version_1(&self.issue(|_| ()), self.issuer.key())
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = Name::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Removes the extensions of a certificate and signs it again.
pub(in crate::server) fn version_1(
    certificate: &CertificateDer<'_>,
    signer: &KeyPair,
) -> CertificateDer<'static> {
    let mut certificate = x509_cert::Certificate::from_der(certificate).unwrap();
    certificate.tbs_certificate.version = Version::V1;
    certificate.tbs_certificate.extensions = None;
    let signature = signer.sign(&certificate.tbs_certificate.to_der().unwrap()).unwrap();
    certificate.signature = BitString::from_bytes(&signature).unwrap();
    certificate.to_der().unwrap().into()
}
