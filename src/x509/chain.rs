//! Validation of a certificate chain (RFC 5280 §6.1): order, signatures, validity, and the right to issue.
//!
//! A malformed certificate is invalid. With a critical extension that is not supported the result is unknown. Names are
//! equal if their DER is. Revocation is not checked.

use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use super::oid;
use super::signature::{Verdict, signed_by};
use crate::ttlv::DateTime;

const KEY_USAGE: ObjectIdentifier = oid("2.5.29.15");
const BASIC_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.19");

/// Critical extensions that do not affect the chain: subject alternative names and extended key usage (RFC 5280 §4.2.1.6,
/// §4.2.1.12).
const IRRELEVANT: &[ObjectIdentifier] = &[oid("2.5.29.17"), oid("2.5.29.37")];

/// RSA with MD5 and with SHA-1 (RFC 3279 §2.2.1), whose collisions permit forged certificates.
const FORGEABLE: &[ObjectIdentifier] = &[oid("1.2.840.113549.1.1.4"), oid("1.2.840.113549.1.1.5")];

/// The result of a validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// The chain is valid, and ends with a self-signed or a trusted certificate.
    Valid,
    /// The chain is invalid.
    Invalid,
    /// The chain is incomplete, or contains an algorithm or a critical extension that is not supported.
    Unknown,
}

/// A decoded certificate.
struct Link<'a> {
    der: &'a [u8],
    certificate: Certificate,
    key: Vec<u8>,
}

impl<'a> Link<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        // Both fields for the algorithm must be equal, because only one of them is signed (RFC 5280 §4.1.1.2).
        if certificate.signature_algorithm != certificate.tbs_certificate.signature {
            return None;
        }
        let key = certificate.tbs_certificate.subject_public_key_info.to_der().ok()?;
        Some(Self { der, certificate, key })
    }

    fn extensions(&self) -> &[Extension] {
        self.certificate.tbs_certificate.extensions.as_deref().unwrap_or_default()
    }

    fn extension(&self, id: ObjectIdentifier) -> Option<&[u8]> {
        let found = self.extensions().iter().find(|extension| extension.extn_id == id);
        found.map(|extension| extension.extn_value.as_bytes())
    }

    fn names(&self, issuer: &Self) -> bool {
        self.certificate.tbs_certificate.issuer == issuer.certificate.tbs_certificate.subject
    }

    /// Verifies the signature with the key of `issuer`.
    fn signed_by(&self, issuer: &Self) -> Verdict {
        match signed_by(self.der, &issuer.key) {
            Verdict::Good if FORGEABLE.contains(&self.certificate.signature_algorithm.oid) => {
                Verdict::Unknown
            }
            verdict => verdict,
        }
    }

    fn is_valid_at(&self, at: DateTime) -> bool {
        let validity = &self.certificate.tbs_certificate.validity;
        let Ok(at) = u64::try_from(at.0) else { return false };
        (validity.not_before.to_unix_duration().as_secs()..=validity.not_after.to_unix_duration().as_secs())
            .contains(&at)
    }

    /// Whether the certificate may issue another one, with `below` intermediate certificates between it and the end of the
    /// chain (RFC 5280 §4.2.1.3, §4.2.1.9). Basic constraints are required.
    fn may_sign_over(&self, below: usize) -> bool {
        let constraints = self.extension(BASIC_CONSTRAINTS).map(BasicConstraints::from_der);
        let Some(Ok(BasicConstraints { ca: true, path_len_constraint })) = constraints else { return false };
        let signs = match self.extension(KEY_USAGE).map(KeyUsage::from_der) {
            None => true,
            Some(usage) => usage.is_ok_and(|usage| usage.key_cert_sign()),
        };
        signs && path_len_constraint.is_none_or(|max| below <= usize::from(max))
    }

    /// Whether the certificate has a critical extension that is not supported.
    fn has_unsupported_extension(&self) -> bool {
        let known = |id| id == KEY_USAGE || id == BASIC_CONSTRAINTS || IRRELEVANT.contains(&id);
        self.extensions().iter().any(|extension| extension.critical && !known(extension.extn_id))
    }
}

/// Validates `certificates`, DER in any order, as one chain at the time `at`. It must end with a self-signed certificate,
/// or with one that `trusted`, DER of a certificate, issued.
///
/// The number of signature verifications is at most the square of the number of certificates, which the caller must
/// bound.
pub fn validate(certificates: &[&[u8]], trusted: Option<&[u8]>, at: DateTime) -> Validity {
    let Some(mut rest) = certificates.iter().map(|der| Link::read(der)).collect::<Option<Vec<_>>>() else {
        return Validity::Invalid;
    };
    let trusted = trusted.and_then(Link::read);
    let Some(mut current) = take_first(&mut rest) else { return Validity::Invalid };
    let mut verdict = Validity::Valid;
    // The number of intermediate certificates so far, without self-issued ones (RFC 5280 §4.2.1.9).
    let mut below = 0;
    loop {
        if !current.is_valid_at(at) {
            return Validity::Invalid;
        }
        if current.has_unsupported_extension() {
            verdict = Validity::Unknown;
        }
        let is_self_issued = current.names(&current);
        if is_self_issued && signed_by(current.der, &current.key) == Verdict::Good {
            // The remaining certificates belong to another chain.
            return if rest.is_empty() { verdict } else { Validity::Invalid };
        }
        let (next, signature) = match take_issuer(&current, &mut rest) {
            Some(found) => found,
            None if !rest.is_empty() => return Validity::Invalid,
            None => return validate_end(&current, trusted.as_ref(), below, at, verdict),
        };
        match signature {
            Verdict::Good => {}
            Verdict::Bad => return Validity::Invalid,
            Verdict::Unknown => verdict = Validity::Unknown,
        }
        if !next.may_sign_over(below) {
            return Validity::Invalid;
        }
        below += usize::from(!next.names(&next));
        current = next;
    }
}

/// Returns the result for a chain whose last certificate is not self-signed.
fn validate_end(
    last: &Link<'_>,
    trusted: Option<&Link<'_>>,
    below: usize,
    at: DateTime,
    verdict: Validity,
) -> Validity {
    let Some(trusted) = trusted.filter(|trusted| last.names(trusted)) else { return Validity::Unknown };
    match last.signed_by(trusted) {
        // There may be several authorities with this name.
        Verdict::Bad | Verdict::Unknown => Validity::Unknown,
        Verdict::Good if trusted.is_valid_at(at) && trusted.may_sign_over(below) => verdict,
        Verdict::Good => Validity::Invalid,
    }
}

/// Removes the only certificate that is not the issuer of another one. Returns `None` if there is not exactly one.
fn take_first<'a>(links: &mut Vec<Link<'a>>) -> Option<Link<'a>> {
    let is_issuer = |at: usize, link: &Link<'_>| {
        let mut others = links.iter().enumerate().filter(|(other, _)| *other != at);
        // If both have the same name, the one that signed the other is its issuer.
        others.any(|(_, other)| {
            other.names(link) && (!link.names(other) || signed_by(other.der, &link.key) == Verdict::Good)
        })
    };
    let mut first = links.iter().enumerate().filter(|(at, link)| !is_issuer(*at, link)).map(|(at, _)| at);
    let at = first.next()?;
    if first.next().is_some() {
        return None;
    }
    drop(first);
    Some(links.remove(at))
}

/// Removes the issuer of `link`. Of several certificates with that name, prefers one whose signature is valid, then one
/// whose algorithm is not supported.
fn take_issuer<'a>(link: &Link<'_>, links: &mut Vec<Link<'a>>) -> Option<(Link<'a>, Verdict)> {
    let named = links.iter().enumerate().filter(|(_, issuer)| link.names(issuer));
    let judged = named.map(|(at, issuer)| (at, link.signed_by(issuer)));
    let (at, verdict) = judged.min_by_key(|(_, verdict)| match verdict {
        Verdict::Good => 0,
        Verdict::Unknown => 1,
        Verdict::Bad => 2,
    })?;
    Some((links.remove(at), verdict))
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints as Constraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
        KeyUsagePurpose, date_time_ymd,
    };

    use super::*;
    use crate::crypto::test::hex;

    /// In the middle of the years that the certificates are valid.
    const AT: DateTime = DateTime(1_700_000_000);

    struct Signer {
        der: Vec<u8>,
        issuer: Issuer<'static, KeyPair>,
    }

    fn signer(name: &str, by: Option<&Signer>, change: impl FnOnce(&mut CertificateParams)) -> Signer {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(Constraints::Unconstrained);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
        change(&mut params);
        let certificate = match by {
            Some(by) => params.signed_by(&key, &by.issuer),
            None => params.self_signed(&key),
        };
        let der = certificate.unwrap().der().to_vec();
        Signer { der, issuer: Issuer::new(params, key) }
    }

    /// A root, and two certificates of one name and key that it signed, with SHA-256 and with SHA-1; RSA of 1024
    /// bits, made with OpenSSL 3.
    const ROOT: &str = "
        308201f43082015da003020102021460d1527ccaace9ae6a093ab7423ef09a6c217322300d06092a864886f70d01010b
        0500300c310a300806035504030c0172301e170d3236313132353138303032335a170d3436313132303138303032335a
        300c310a300806035504030c017230819f300d06092a864886f70d010101050003818d0030818902818100df9caba2d1
        0e9f95102ed20565d3439fafeeee77673992049e741cdc3968b76b45cd59ec966b900fa68426c70518bfa89167042242
        09415f2ea97e8f3bc00668997ae9f2ea39d6337ca3fc79204dbc4f50a456022ed3afcc2003d01a4c8335fff59b7a4cb2
        33cdd8245dc0c319df60985ee23216566599ecb4d21792e53722630203010001a3533051301d0603551d0e041604144d
        37a972bc4d751d86cbee347ee538d1b4733cea301f0603551d230418301680144d37a972bc4d751d86cbee347ee538d1
        b4733cea300f0603551d130101ff040530030101ff300d06092a864886f70d01010b0500038181005e5cb0da11c70fac
        590a8a383e355cf4277076fe5f401897cbdaa26a243e6635981577ffa15887aa2092e257036cc7b9864736e235baff40
        04d1e39127256716ee889a335e0755b2fa69087080fa936e9c633031cf05d9dda75e788ec8cea54749b8cef761cf1c2e
        8d7a3c448f849bdbc21ed843a9706b004c382c43ca01febc
    ";
    const BY_SHA256: &str = "
        308201863081f0020105300d06092a864886f70d01010b0500300c310a300806035504030c0172301e170d3236313132
        353138303032335a170d3436313132303138303032335a300c310a300806035504030c016c30819f300d06092a864886
        f70d010101050003818d0030818902818100ab65027f967e8dcd2f7a05c749093917e188cfbc367b9e6d2a2ca9141edb
        3df9015a37d2bf432ac6dc20f5e01a6fb42d08e0fa492c8e066a860ed77b6de5849fb5066625771004ee81ef97e2de2d
        42c4d6a4188fc1cae1cda09788a4039ebf12ddd972ab1f75f98e238d807195aa10b8556f43d25e72735d1f5e2dfba615
        a2810203010001300d06092a864886f70d01010b050003818100d665a90e38eff4e5e3f0e35260ac62f17709215db5b3
        d89668b3e3e2a77b8db2283268602e409deddc5a2377034666c189026edd7589c8575a31dde5728c158dfa804799fe1d
        0a96953ce3955d4e0ab9321de06d36244595419b91048cbb9f6186edac1ab8670ae6fa2332d30b4126eef828fbbed4f3
        0d8e22360831095a046b
    ";
    const BY_SHA1: &str = "
        308201863081f0020105300d06092a864886f70d0101050500300c310a300806035504030c0172301e170d3236313132
        353138303032335a170d3436313132303138303032335a300c310a300806035504030c016c30819f300d06092a864886
        f70d010101050003818d0030818902818100ab65027f967e8dcd2f7a05c749093917e188cfbc367b9e6d2a2ca9141edb
        3df9015a37d2bf432ac6dc20f5e01a6fb42d08e0fa492c8e066a860ed77b6de5849fb5066625771004ee81ef97e2de2d
        42c4d6a4188fc1cae1cda09788a4039ebf12ddd972ab1f75f98e238d807195aa10b8556f43d25e72735d1f5e2dfba615
        a2810203010001300d06092a864886f70d010105050003818100c42908e46b41c539be9508781d7de8c7062ef6357081
        f54298b3c2f7ffeab2ae9740c92c3019ed19baa7090c02272d7839566d88549fda7854378aecd3a384db3946e4d37c93
        b80b15c3b182adb4049ed21f4ced7fb9f0fe44d727fe5b57669a2d99c6f1fc89cf8f024f7463d92933123fa5fd51a419
        d8813618e45c20e7e3c3
    ";

    fn leaf(params: &mut CertificateParams) {
        params.is_ca = IsCa::NoCa;
    }

    /// Validates a chain of a root, an intermediate authority that `change` changes, and a certificate that it issues.
    fn with_authority(change: impl FnOnce(&mut CertificateParams)) -> Validity {
        let root = signer("root", None, |_| ());
        let middle = signer("middle", Some(&root), change);
        let last = signer("last", Some(&middle), leaf);
        validate(&[&last.der, &middle.der, &root.der], None, AT)
    }

    #[test]
    fn a_chain_is_valid_in_any_order_and_unknown_without_its_end() {
        let root = signer("root", None, |_| ());
        let middle = signer("middle", Some(&root), |_| ());
        let last = signer("last", Some(&middle), leaf);
        let [a, b, c] = [&last.der[..], &middle.der, &root.der];
        for order in [[a, b, c], [c, b, a], [b, a, c], [c, a, b]] {
            assert_eq!(validate(&order, None, AT), Validity::Valid);
        }
        assert_eq!(validate(&[c], None, AT), Validity::Valid);
        assert_eq!(validate(&[a, b], None, AT), Validity::Unknown);
        assert_eq!(validate(&[a, b], Some(c), AT), Validity::Valid);
        let other = signer("root", None, |_| ());
        assert_eq!(validate(&[a, b], Some(&other.der), AT), Validity::Unknown);
        // Another authority of that name, as a part of the chain, did not sign it.
        assert_eq!(validate(&[a, b, &other.der], None, AT), Validity::Invalid);
    }

    #[test]
    fn what_is_no_single_chain_is_invalid() {
        let root = signer("root", None, |_| ());
        let one = signer("one", Some(&root), leaf);
        let other = signer("other", Some(&root), leaf);
        let stranger = signer("stranger", None, |_| ());
        for wrong in [
            &[&one.der[..], &other.der, &root.der][..],
            &[&one.der, &stranger.der],
            &[&one.der, &root.der, &stranger.der],
            &[b"certificate"],
            &[],
        ] {
            assert_eq!(validate(wrong, None, AT), Validity::Invalid);
        }
    }

    #[test]
    fn every_certificate_has_to_be_valid_at_the_date() {
        assert_eq!(with_authority(|_| ()), Validity::Valid);
        assert_eq!(with_authority(|params| params.not_after = date_time_ymd(2021, 1, 1)), Validity::Invalid);
        assert_eq!(with_authority(|params| params.not_before = date_time_ymd(2029, 1, 1)), Validity::Invalid);
        let root = signer("root", None, |_| ());
        // The first and the last second count, and dates before 1970 are dates.
        let (first, last) = (1_577_836_800, 1_893_456_000);
        for (at, expected) in [
            (first, Validity::Valid),
            (first - 1, Validity::Invalid),
            (last, Validity::Valid),
            (last + 1, Validity::Invalid),
            (-1, Validity::Invalid),
        ] {
            assert_eq!(validate(&[&root.der], None, DateTime(at)), expected, "{at}");
        }
    }

    #[test]
    fn only_an_authority_signs_and_only_as_deep_as_it_may() {
        assert_eq!(with_authority(leaf), Validity::Invalid);
        let usage = |usage| with_authority(move |params| params.key_usages = vec![usage]);
        assert_eq!(usage(KeyUsagePurpose::KeyCertSign), Validity::Valid);
        assert_eq!(usage(KeyUsagePurpose::DigitalSignature), Validity::Invalid);
        for (max, expected) in [(0, Validity::Invalid), (1, Validity::Valid)] {
            let root = signer("root", None, |params| params.is_ca = IsCa::Ca(Constraints::Constrained(max)));
            let middle = signer("middle", Some(&root), |_| ());
            let last = signer("last", Some(&middle), leaf);
            assert_eq!(validate(&[&last.der, &middle.der, &root.der], None, AT), expected);
            assert_eq!(validate(&[&last.der, &middle.der], Some(&root.der), AT), expected);
        }
    }

    #[test]
    fn critical_extensions_that_are_not_understood_leave_it_open() {
        let extension = |critical| {
            let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
            extension.set_criticality(critical);
            with_authority(move |params| params.custom_extensions = vec![extension])
        };
        assert_eq!(extension(true), Validity::Unknown);
        assert_eq!(extension(false), Validity::Valid);
    }

    #[test]
    fn a_signature_that_a_collision_forges_proves_nothing() {
        let at = DateTime(1_900_000_000);
        for (last, expected) in [(BY_SHA256, Validity::Valid), (BY_SHA1, Validity::Unknown)] {
            let (root, last) = (hex(ROOT), hex(last));
            assert_eq!(validate(&[&last, &root], None, at), expected);
            let trusting = validate(&[&last], Some(&root), at);
            assert_eq!(trusting, expected);
        }
    }

    #[test]
    fn no_changed_byte_leaves_it_valid() {
        let root = signer("root", None, |_| ());
        let last = signer("last", Some(&root), leaf);
        for at in 0..last.der.len() {
            let mut changed = last.der.clone();
            changed[at] ^= 1;
            assert_ne!(validate(&[&changed, &root.der], None, AT), Validity::Valid, "{at}");
        }
    }
}
