//! Chains of a throw-away PKI, verified at a fixed time.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
    date_time_ymd,
};

use x509_cert::der::asn1::ObjectIdentifier;

use super::*;

/// In the middle of the years that the certificates are valid.
const NOW: DateTime = DateTime(1_700_000_000);

const PURPOSE: Purpose = Purpose { at: NOW, checks_usage: true };

/// A certificate with its key, which may issue others.
struct Signer {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2030, 1, 1));
    params
}

fn sign(params: CertificateParams, key: KeyPair, by: Option<&Signer>) -> Signer {
    let certificate = match by {
        Some(by) => params.signed_by(&key, &by.issuer),
        None => params.self_signed(&key),
    };
    let der = certificate.unwrap().der().to_vec();
    Signer { der, issuer: Issuer::new(params, key) }
}

fn authority(name: &str, by: Option<&Signer>, change: impl FnOnce(&mut CertificateParams)) -> Signer {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    sign(params, KeyPair::generate().unwrap(), by)
}

fn client(by: &Signer, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = params("client");
    change(&mut params);
    sign(params, KeyPair::generate().unwrap(), Some(by)).der
}

fn root() -> Signer {
    authority("root", None, |_| ())
}

fn trusting(anchors: &[&Signer]) -> Anchors {
    Anchors::new(anchors.iter().map(|it| it.der.as_slice()))
}

/// Returns the rule that a chain breaks and the position of the certificate that breaks it, or `None` for a valid chain.
fn broken(anchors: &[&Signer], client: &[u8], sent: &[&Signer]) -> Option<(Rule, usize)> {
    let sent: Vec<_> = sent.iter().map(|it| it.der.as_slice()).collect();
    let refused = trusting(anchors).verify(client, &sent, PURPOSE).err();
    refused.map(|refusal| (refusal.rule, refusal.depth))
}

/// Verifies a client directly below a root.
fn below_root(
    root: impl FnOnce(&mut CertificateParams),
    leaf: impl FnOnce(&mut CertificateParams),
) -> Option<(Rule, usize)> {
    let root = authority("root", None, root);
    broken(&[&root], &client(&root, leaf), &[])
}

/// Verifies a client below an intermediate authority.
fn below_intermediate(change: impl FnOnce(&mut CertificateParams)) -> Option<(Rule, usize)> {
    let root = root();
    let middle = authority("middle", Some(&root), change);
    broken(&[&root], &client(&middle, |_| ()), &[&middle])
}

fn extension(id: &[u64], content: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(id, content.to_vec());
    extension.set_criticality(critical);
    extension
}

#[test]
fn a_chain_leads_to_an_anchor_through_what_was_sent_in_any_order() {
    let (root, other) = (root(), authority("other", None, |_| ()));
    let first = authority("first", Some(&root), |_| ());
    let second = authority("second", Some(&first), |_| ());
    let leaf = client(&second, |_| ());
    assert_eq!(broken(&[&other, &root], &leaf, &[&second, &first]), None);
    assert_eq!(broken(&[&other, &root], &leaf, &[&root, &first, &other, &second]), None);
    assert_eq!(broken(&[&root], &leaf, &[&first]), Some((Rule::KnownIssuer, 0)));
    assert_eq!(broken(&[&root], &leaf, &[&second]), Some((Rule::KnownIssuer, 1)));
    assert_eq!(broken(&[&other], &leaf, &[&second, &first]), Some((Rule::KnownIssuer, 2)));
    assert_eq!(broken(&[&other], &leaf, &[&second, &first, &root]), Some((Rule::KnownIssuer, 3)));
    assert_eq!(broken(&[], &leaf, &[&second, &first, &root]), Some((Rule::KnownIssuer, 3)));
    assert_eq!(broken(&[&root], b"certificate", &[]), Some((Rule::Readable, 0)));
}

#[test]
fn a_refusal_describes_the_certificate_that_breaks_the_rule() {
    let root = root();
    let middle = authority("middle", Some(&root), |params| {
        params.not_after = date_time_ymd(2021, 1, 1);
        params.serial_number = Some(SerialNumber::from_slice(&[0x1A, 0x2B]));
    });
    let refusal =
        trusting(&[&root]).verify(&client(&middle, |_| ()), &[&middle.der], PURPOSE).map(drop).unwrap_err();
    assert_eq!((&refusal.rule, refusal.depth), (&Rule::NotExpired, 1));
    let Summary { subject, issuer, serial, validity } = &refusal.certificate;
    assert_eq!([subject, issuer, serial], ["CN=middle", "CN=root", "1A2B"]);
    assert_eq!(*validity, Some((DateTime(1_577_836_800), DateTime(1_609_459_200))));
    assert!(!refusal.is_trusted && refusal.client.starts_with("subject \"CN=client\", issuer \"CN=middle\""));
    let text = r#"the certificate "CN=middle" (issuer "CN=root", serial number 1A2B) has expired"#;
    assert_eq!(refusal.to_string(), text);
}

#[test]
fn of_several_issuers_with_one_name_the_one_that_signed_counts() {
    let (old, new) = (root(), root());
    let leaf = client(&new, |_| ());
    assert_eq!(broken(&[&old, &new], &leaf, &[]), None);
    assert_eq!(broken(&[&old], &leaf, &[]), Some((Rule::SignedByIssuer { is_trusted: true }, 0)));
    let (one, other) = (authority("middle", Some(&new), |_| ()), authority("middle", Some(&new), |_| ()));
    assert_eq!(broken(&[&old, &new], &client(&other, |_| ()), &[&one, &other]), None);
    // An authority with a certificate by a new root and an expired one by the old root.
    let key = || KeyPair::from_pem(&other.issuer.key().serialize_pem()).unwrap();
    let mut expired = params("middle");
    expired.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let expired = sign(expired, key(), Some(&old));
    assert_eq!(broken(&[&old, &new], &client(&other, |_| ()), &[&expired, &other]), None);
    assert_eq!(broken(&[&old], &client(&other, |_| ()), &[&expired, &other]), Some((Rule::NotExpired, 1)));
}

#[test]
fn a_certificate_of_the_anchors_is_trusted_itself_and_obeys_the_rules_for_clients() {
    let root = root();
    let pinned = |change: fn(&mut CertificateParams)| {
        let mut params = params("pinned");
        change(&mut params);
        let pinned = sign(params, KeyPair::generate().unwrap(), Some(&root));
        broken(&[&pinned], &pinned.der, &[])
    };
    assert_eq!(pinned(|_| ()), None);
    assert_eq!(pinned(|it| it.not_after = date_time_ymd(2021, 1, 1)), Some((Rule::NotExpired, 0)));
    let usage = pinned(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(usage, Some((Rule::ClientAuthentication, 0)));
    let leaf = sign(params("leaf"), KeyPair::generate().unwrap(), Some(&root));
    assert_eq!(broken(&[&leaf], &client(&leaf, |_| ()), &[]), Some((Rule::Authority, 1)));
}

#[test]
fn an_anchor_below_another_obeys_its_rules() {
    let root = authority("root", None, |it| it.not_after = date_time_ymd(2021, 1, 1));
    let middle = authority("middle", Some(&root), |_| ());
    let leaf = client(&middle, |_| ());
    assert_eq!(broken(&[&middle], &leaf, &[]), None, "an anchor needs no issuer");
    assert_eq!(broken(&[&middle], &leaf, &[&root]), None);
    assert_eq!(broken(&[&middle, &root], &leaf, &[]), Some((Rule::NotExpired, 2)));
}

#[test]
fn every_certificate_has_to_be_valid_now() {
    let past = |it: &mut CertificateParams| it.not_after = date_time_ymd(2021, 1, 1);
    let future = |it: &mut CertificateParams| it.not_before = date_time_ymd(2029, 1, 1);
    assert_eq!(below_root(|_| (), past), Some((Rule::NotExpired, 0)));
    assert_eq!(below_root(past, |_| ()), Some((Rule::NotExpired, 1)));
    assert_eq!(below_root(|_| (), future), Some((Rule::Begun, 0)));
    assert_eq!(below_root(future, |_| ()), Some((Rule::Begun, 1)));
    assert_eq!(below_intermediate(past), Some((Rule::NotExpired, 1)));
    assert_eq!(below_root(|_| (), |it| it.not_before = date_time_ymd(1950, 1, 1)), None);
}

#[test]
fn only_authorities_issue_and_only_as_deep_as_they_may() {
    assert_eq!(below_intermediate(|_| ()), None);
    assert_eq!(below_intermediate(|it| it.is_ca = IsCa::NoCa), Some((Rule::Authority, 1)));
    assert_eq!(below_intermediate(|it| it.is_ca = IsCa::ExplicitNoCa), Some((Rule::Authority, 1)));
    let usage = |usage| below_intermediate(move |it| it.key_usages = vec![usage]);
    assert_eq!(usage(KeyUsagePurpose::KeyCertSign), None);
    assert_eq!(usage(KeyUsagePurpose::DigitalSignature), Some((Rule::CertificateSignatures, 1)));
    let without_constraints = |it: &mut CertificateParams| {
        it.is_ca = IsCa::NoCa;
        it.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    };
    assert_eq!(below_root(without_constraints, |_| ()), None, "the key usage states it");
    assert_eq!(below_intermediate(without_constraints), Some((Rule::Authority, 1)), "of the anchor only");
    assert_eq!(below_root(|_| (), |it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), None);

    let limited = |max, depth: usize, self_issued| {
        let root = authority("a", None, |it| it.is_ca = IsCa::Ca(BasicConstraints::Constrained(max)));
        let mut chain = vec![root];
        for number in 0..depth {
            let name = if self_issued { "a".to_owned() } else { format!("a{number}") };
            let next = authority(&name, chain.last(), |_| ());
            chain.push(next);
        }
        let sent: Vec<_> = chain.iter().skip(1).collect();
        broken(&[&chain[0]], &client(chain.last().unwrap(), |_| ()), &sent)
    };
    assert_eq!(limited(0, 0, false), None);
    assert_eq!(limited(0, 1, false), Some((Rule::PathLength { allowed: 0, found: 1 }, 2)));
    assert_eq!(limited(1, 1, false), None);
    assert_eq!(limited(1, 3, false), Some((Rule::PathLength { allowed: 1, found: 3 }, 4)));
    assert_eq!(limited(0, 2, true), None, "self-issued certificates do not count");
}

#[test]
fn a_chain_has_at_most_twelve_intermediate_certificates() {
    let mut chain = vec![root()];
    for number in 0..=MAX_INTERMEDIATES {
        let next = authority(&format!("authority {number}"), chain.last(), |_| ());
        chain.push(next);
    }
    let verify = |count: usize| {
        let sent: Vec<_> = chain.iter().skip(1).take(count).collect();
        broken(&[&chain[0]], &client(&chain[count], |_| ()), &sent)
    };
    assert_eq!(verify(MAX_INTERMEDIATES), None);
    assert_eq!(verify(MAX_INTERMEDIATES + 1), Some((Rule::Length(MAX_INTERMEDIATES), MAX_INTERMEDIATES)));
}

#[test]
fn usages_of_all_certificates_include_clients() {
    let server =
        |it: &mut CertificateParams| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let both = |it: &mut CertificateParams| {
        it.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    };
    let refused = |depth| Some((Rule::ClientAuthentication, depth));
    assert_eq!(below_root(|_| (), server), refused(0));
    assert_eq!(below_root(server, |_| ()), refused(1));
    assert_eq!(below_intermediate(server), refused(1));
    assert_eq!(below_root(both, both), None);
    assert_eq!(
        below_root(|_| (), |it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]),
        refused(0)
    );

    let root = authority("root", None, server);
    let leaf = client(&root, server);
    let lax = Purpose { checks_usage: false, ..PURPOSE };
    assert!(trusting(&[&root]).verify(&leaf, &[], lax).is_ok());

    let usage = |usage| below_root(|_| (), move |it| it.key_usages = vec![usage]);
    assert_eq!(usage(KeyUsagePurpose::DigitalSignature), None);
    assert_eq!(usage(KeyUsagePurpose::KeyAgreement), None);
    assert_eq!(usage(KeyUsagePurpose::KeyEncipherment), Some((Rule::ClientKeyUsage, 0)));

    let netscape = |bits| extension(&[2, 16, 840, 1, 113_730, 1, 1], &[3, 2, 0, bits], false);
    assert_eq!(below_root(|_| (), |it| it.custom_extensions = vec![netscape(0x80)]), None);
    assert_eq!(below_root(|_| (), |it| it.custom_extensions = vec![netscape(0x40)]), refused(0));
    let by_netscape = |bits| {
        let change = move |it: &mut CertificateParams| {
            it.is_ca = IsCa::NoCa;
            it.custom_extensions = vec![netscape(bits)];
        };
        below_root(change, |_| ())
    };
    assert_eq!(by_netscape(0x04), None);
    assert_eq!(by_netscape(0x02), Some((Rule::Authority, 1)));
}

#[test]
fn critical_extensions_must_be_known_at_every_depth() {
    let unknown = |critical| {
        move |it: &mut CertificateParams| {
            it.custom_extensions = vec![extension(&[1, 3, 6, 1, 4, 1, 99_999, 1], &[5, 0], critical)];
        }
    };
    let refused =
        |depth| Some((Rule::CriticalExtension(ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1")), depth));
    assert_eq!(below_root(|_| (), unknown(true)), refused(0));
    assert_eq!(below_root(unknown(true), |_| ()), refused(1));
    assert_eq!(below_intermediate(unknown(true)), refused(1));
    assert_eq!(below_intermediate(unknown(false)), None);
}

#[test]
fn policies_say_nothing_about_clients() {
    // policyConstraints, inhibitAnyPolicy, certificatePolicies and policyMappings.
    for (id, content) in [
        (36, &[0x30, 3, 0x80, 1, 0][..]),
        (54, &[2, 1, 0]),
        (32, &[0x30, 6, 0x30, 4, 6, 2, 0x2A, 3]),
        (33, &[0x30, 10, 0x30, 8, 6, 2, 0x2A, 3, 6, 2, 0x2A, 4]),
    ] {
        let policy = |it: &mut CertificateParams| {
            it.custom_extensions = vec![extension(&[2, 5, 29, id], content, true)];
        };
        assert_eq!(below_intermediate(policy), None, "{id}");
        assert_eq!(below_root(policy, policy), None, "{id}");
    }
}

#[test]
fn malformed_and_repeated_extensions_are_refused() {
    // Basic constraints, key usage, extended key usage, name constraints and subject alternative names.
    for id in [19, 15, 37, 30, 17] {
        let malformed = |it: &mut CertificateParams| {
            it.custom_extensions = vec![extension(&[2, 5, 29, id], &[5, 1, 2, 3], false)];
        };
        assert_eq!(below_root(|_| (), malformed), Some((Rule::Readable, 0)), "{id}");
    }
    let twice = |it: &mut CertificateParams| {
        it.custom_extensions = vec![extension(&[2, 5, 29, 15], &[3, 2, 7, 0x80], true); 2];
    };
    assert_eq!(below_root(|_| (), twice), Some((Rule::Readable, 0)));
}

/// Verifies a client with these names below an intermediate authority with these constraints.
fn constrained(
    constraints: NameConstraints,
    change: impl FnOnce(&mut CertificateParams),
) -> Option<(Rule, usize)> {
    let root = root();
    let middle = authority("middle", Some(&root), |it| it.name_constraints = Some(constraints));
    broken(&[&root], &client(&middle, change), &[&middle])
}

fn permit(subtree: GeneralSubtree) -> NameConstraints {
    NameConstraints { permitted_subtrees: vec![subtree], excluded_subtrees: Vec::new() }
}

fn exclude(subtree: GeneralSubtree) -> NameConstraints {
    NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees: vec![subtree] }
}

#[test]
fn names_obey_the_constraints_of_their_kind() {
    let dns = |name: &'static str| {
        move |it: &mut CertificateParams| {
            it.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        }
    };
    let email = |name: &'static str| {
        move |it: &mut CertificateParams| {
            it.subject_alt_names = vec![SanType::Rfc822Name(name.try_into().unwrap())];
        }
    };
    let host = || GeneralSubtree::DnsName("example.com".into());
    let mail = || GeneralSubtree::Rfc822Name("example.com".into());
    let outside = |name: &str| Some((Rule::PermittedName(name.into()), 0));
    let inside = |name: &str| Some((Rule::NotExcludedName(name.into()), 0));
    assert_eq!(constrained(permit(host()), dns("a.example.com")), None);
    assert_eq!(constrained(permit(host()), dns("a.example.org")), outside("a.example.org"));
    assert_eq!(constrained(exclude(host()), dns("a.example.com")), inside("a.example.com"));
    assert_eq!(constrained(exclude(host()), dns("a.example.org")), None);
    assert_eq!(constrained(permit(mail()), email("john@example.com")), None);
    assert_eq!(constrained(permit(mail()), email("john@example.org")), outside("john@example.org"));
    assert_eq!(constrained(permit(mail()), email("john")), Some((Rule::NameSyntax("rfc822Name"), 0)));
    // A constraint applies to no other kind, and to a common name only if that looks like a host.
    assert_eq!(constrained(permit(host()), email("john@example.org")), None);
    let named = |name: &'static str| {
        move |it: &mut CertificateParams| {
            it.distinguished_name.push(DnType::CommonName, name);
        }
    };
    assert_eq!(constrained(permit(host()), named("John Doe")), None);
    assert_eq!(constrained(permit(host()), named("john.doe")), outside("john.doe"));
    assert_eq!(constrained(permit(host()), named("john.example.com")), None);
}

#[test]
fn the_subject_obeys_constraints_of_directory_names_and_of_e_mail_addresses() {
    let mut base = DistinguishedName::new();
    base.push(DnType::OrganizationName, "Org");
    let organization = |name: &'static str| {
        move |it: &mut CertificateParams| {
            it.distinguished_name = DistinguishedName::new();
            it.distinguished_name.push(DnType::OrganizationName, name);
            it.distinguished_name.push(DnType::CommonName, "client");
        }
    };
    let subtree = || GeneralSubtree::DirectoryName(base.clone());
    assert_eq!(constrained(permit(subtree()), organization("ORG")), None);
    let refused = constrained(permit(subtree()), organization("Other"));
    assert_eq!(refused, Some((Rule::PermittedName("CN=client,O=Other".into()), 0)));
    let refused = constrained(exclude(subtree()), organization("Org"));
    assert_eq!(refused, Some((Rule::NotExcludedName("CN=client,O=Org".into()), 0)));
    let email = |it: &mut CertificateParams| {
        let id = DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
        it.distinguished_name.push(id, rcgen::DnValue::Ia5String("john@example.org".try_into().unwrap()));
    };
    let mail = GeneralSubtree::Rfc822Name("example.com".into());
    assert_eq!(constrained(permit(mail), email), Some((Rule::PermittedName("john@example.org".into()), 0)));
}

#[test]
fn constraints_that_cannot_be_checked_refuse_the_names_to_which_they_apply() {
    // A permitted registeredID, and a permitted dNSName with a minimum of one.
    let registered = [0x30, 7, 0xA0, 5, 0x30, 3, 0x88, 1, 0x2A];
    let minimum = [0x30, 10, 0xA0, 8, 0x30, 6, 0x82, 1, b'a', 0x80, 1, 1];
    let verify = |content: &[u8], names: &'static [u8]| {
        let root = root();
        let middle = authority("middle", Some(&root), |it| {
            it.custom_extensions = vec![extension(&[2, 5, 29, 30], content, true)];
        });
        let leaf = client(&middle, |it| {
            if !names.is_empty() {
                it.custom_extensions = vec![extension(&[2, 5, 29, 17], names, false)];
            }
        });
        broken(&[&root], &leaf, &[&middle])
    };
    let kind = "x400Address, ediPartyName or registeredID";
    assert_eq!(verify(&registered, &[]), None);
    assert_eq!(verify(&registered, &[0x30, 3, 0x88, 1, 0x2B]), Some((Rule::NameConstraint(kind), 0)));
    assert_eq!(verify(&minimum, &[]), Some((Rule::NameConstraint("dNSName"), 0)));
    // A permitted URI; a name is a URI with a host.
    let uri = [&[0x30, 8, 0xA0, 6, 0x30, 4, 0x86, 2][..], b".x"].concat();
    assert_eq!(
        verify(&uri, b"\x30\x0B\x86\x09https://a"),
        Some((Rule::PermittedName("https://a".into()), 0))
    );
    assert_eq!(verify(&uri, b"\x30\x0D\x86\x0Bhttps://a.x"), None);
    assert_eq!(
        verify(&uri, b"\x30\x0B\x86\x09urn:a:b:c"),
        Some((Rule::NameSyntax("uniformResourceIdentifier"), 0))
    );
}

#[test]
fn the_number_of_names_and_constraints_has_a_bound() {
    let constraints = |count| NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".into()); count],
        excluded_subtrees: Vec::new(),
    };
    let names = |it: &mut CertificateParams| {
        it.subject_alt_names = vec![SanType::DnsName("a.example.com".try_into().unwrap()); 255];
    };
    // The subject is a name, too.
    assert_eq!(constrained(constraints(256), names), None);
    assert_eq!(constrained(constraints(257), names), Some((Rule::NumberOfNames, 0)));
}

#[test]
fn names_of_intermediate_certificates_obey_the_constraints_above_too() {
    let mut base = DistinguishedName::new();
    base.push(DnType::OrganizationName, "Org");
    let root = authority("root", None, |it| {
        it.name_constraints = Some(permit(GeneralSubtree::DirectoryName(base.clone())));
    });
    let middle = authority("middle", Some(&root), |_| ());
    let leaf = client(&middle, |it| {
        it.distinguished_name = base.clone();
        it.distinguished_name.push(DnType::CommonName, "client");
    });
    assert_eq!(broken(&[&root], &leaf, &[&middle]), Some((Rule::PermittedName("CN=middle".into()), 1)));
    assert_eq!(
        broken(&[&root], &client(&root, |_| ()), &[]),
        Some((Rule::PermittedName("CN=client".into()), 0))
    );
}

#[test]
fn no_changed_byte_leaves_a_chain_valid() {
    let root = root();
    let leaf = client(&root, |it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    for at in 0..leaf.len() {
        let mut changed = leaf.clone();
        changed[at] ^= 1;
        assert!(trusting(&[&root]).verify(&changed, &[], PURPOSE).is_err(), "{at}");
    }
}

#[test]
fn certificates_that_a_client_makes_up_cost_a_bounded_number_of_verifications() {
    let root = root();
    // Each pair of a level is signed by the key of the level above: the number of chains doubles at each level.
    let mut levels: Vec<Signer> = vec![authority("0", None, |_| ())];
    let mut sent = Vec::new();
    for level in 1..=MAX_INTERMEDIATES {
        let above = levels.last().unwrap();
        let key = KeyPair::generate().unwrap();
        for serial in 0..8 {
            let mut params = params(&level.to_string());
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.serial_number = Some(SerialNumber::from_slice(&[serial + 1]));
            let key = KeyPair::from_pem(&key.serialize_pem()).unwrap();
            sent.push(sign(params, key, Some(above)));
        }
        let params = params(&level.to_string());
        levels.push(Signer { der: Vec::new(), issuer: Issuer::new(params, key) });
    }
    let leaf = client(levels.last().unwrap(), |_| ());
    let sent: Vec<_> = sent.iter().chain([&levels[0]]).collect();
    let begin = std::time::Instant::now();
    let (rule, _) = broken(&[&root], &leaf, &sent).unwrap();
    assert_eq!(rule, Rule::Effort(MAX_VERIFICATIONS));
    assert!(begin.elapsed() < std::time::Duration::from_secs(2), "{:?}", begin.elapsed());
    // Many certificates of the issuer's name.
    let impostors: Vec<_> = (0..100).map(|_| authority("issuer", None, |_| ())).collect();
    let issuer = authority("issuer", None, |_| ());
    let impostors: Vec<_> = impostors.iter().collect();
    let refused = broken(&[&root], &client(&issuer, |_| ()), &impostors);
    assert_eq!(refused, Some((Rule::Effort(MAX_VERIFICATIONS), 0)));
}
