//! Certify and Re-certify over TLS: certificates, links, access and restarts.

use kmip_server::internals::secret::Secret;
use kmip_server::internals::x509::{self, NameAttribute};
use kmip_server::kmip::attributes::Attribute;
use kmip_server::kmip::enums::{
    CertificateRequestType, CertificateType, CryptographicAlgorithm, KeyFormatType, LinkType, ObjectType,
    Operation, ResultReason, State,
};
use kmip_server::kmip::structures::{Link, Name};
use kmip_server::kmip::{CertificateRequest, Key, KeyBlock, KeyMaterial, KeyValue, Object};
use kmip_server::ttlv::{DateTime, Field, Interval, Tag, V1_0, V1_2, V1_4, V2_0, V2_1, Version, Writer};
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData, RsaKeySize};
use rustls::pki_types::CertificateDer;
use x509_cert::der::{Decode, Encode};

use crate::corpus::{attribute, id, named, template, usage};
use crate::dialogue::{Answer, Caller, Live};
use crate::harness::{Authority, Client, Credential, Pki, Running, within};

/// A key pair, its certificate request, and the identifier of its public key.
struct Subject {
    key: KeyPair,
    request: Vec<u8>,
    id: String,
}

fn request(key: &KeyPair) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["a.example.test".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "client");
    params.serialize_request(key).unwrap().der().to_vec()
}

fn public_key(key: &KeyPair) -> Object {
    Object::PublicKey(Key {
        key_block: KeyBlock {
            key_format_type: KeyFormatType::X509,
            key_compression_type: None,
            key_value: Some(KeyValue::of(KeyMaterial::Bytes(Secret::new(key.subject_public_key_info())))),
            cryptographic_algorithm: Some(CryptographicAlgorithm::Rsa),
            cryptographic_length: Some(2048),
            key_wrapping_data: None,
        },
    })
}

fn subject(caller: &mut Caller, version: Version) -> Subject {
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let object = public_key(&key);
    let id = put(caller, version, &object, &[usage(0x2), named("key")]);
    Subject { request: request(&key), key, id }
}

fn put(caller: &mut Caller, version: Version, object: &Object, attributes: &[Attribute]) -> String {
    let registered = caller.ask(version, Operation::Register, |writer| {
        object.object_type().write(Tag::ObjectType, writer);
        template(Tag::Attributes, attributes, writer);
        object.write(Tag::default(), writer);
    });
    registered.id()
}

fn write_request(kind: CertificateRequestType, request: &[u8], writer: &mut Writer) {
    kind.write(Tag::CertificateRequestType, writer);
    let tag = if writer.version() >= V2_0 { Tag::CertificateRequestValue } else { Tag::CertificateRequest };
    request.to_vec().write(tag, writer);
}

fn ask(
    caller: &mut Caller,
    version: Version,
    operation: Operation,
    of: &str,
    request: Option<(CertificateRequestType, &[u8])>,
    attributes: &[Attribute],
) -> Answer {
    caller.ask(version, operation, |writer| {
        id(of, writer);
        if let Some((kind, request)) = request {
            write_request(kind, request, writer);
        }
        template(Tag::Attributes, attributes, writer);
    })
}

fn certificate(caller: &mut Caller, version: Version, id: &str) -> Vec<u8> {
    match caller.get(version, id) {
        Object::Certificate(certificate) => certificate.certificate_value,
        other => panic!("{other:?}"),
    }
}

fn links(caller: &mut Caller, version: Version, id: &str) -> Vec<(LinkType, String)> {
    let attributes = caller.attributes(version, id);
    let links = attributes.iter().filter(|attribute| attribute.row.tag == Tag::Link);
    let links = links.map(|attribute| attribute.read::<Link>().unwrap());
    links.map(|link| (link.link_type, link.linked_object_identifier.to_string())).collect()
}

fn names(caller: &mut Caller, version: Version, id: &str) -> Vec<String> {
    let attributes = caller.attributes(version, id);
    let names = attributes.iter().filter(|attribute| attribute.row.tag == Tag::Name);
    names.map(|attribute| attribute.read::<Name>().unwrap().name_value).collect()
}

fn pkcs10(subject: &Subject) -> Option<(CertificateRequestType, &[u8])> {
    Some((CertificateRequestType::Pkcs10, &subject.request))
}

#[test]
fn certifies_a_request_and_links_the_certificate_with_its_key() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    for version in [V1_0, V1_2, V1_4, V2_0, V2_1] {
        let subject = subject(&mut john, version);
        let given = [usage(0x3), named("certificate")];
        let made = ask(&mut john, version, Operation::Certify, &subject.id, pkcs10(&subject), &given).id();
        let der = certificate(&mut john, version, &made);
        let read = x509::Certificate::read(&der);
        assert_eq!(read.public_key_info.unwrap(), subject.key.subject_public_key_info());
        assert!(read.subject.unwrap().texts(NameAttribute::CommonName).any(|name| name == "client"));
        assert_eq!(links(&mut john, version, &made), [(LinkType::PublicKeyLink, subject.id.clone())]);
        assert_eq!(links(&mut john, version, &subject.id), [(LinkType::CertificateLink, made.clone())]);
        assert_eq!(names(&mut john, version, &made), ["certificate"]);
        assert_eq!(john.attribute(version, &made, Tag::State), Some(State::PreActive));
        assert_eq!(john.attribute(version, &made, Tag::CertificateType), Some(CertificateType::X509));
        assert_eq!(john.attribute(version, &made, Tag::CryptographicLength), Some(2048));
        if version >= V1_4 {
            let name: Option<String> = john.attribute(version, &made, Tag::CertificateSubjectCn);
            assert!(name.is_some());
        }
    }
}

#[test]
fn certifies_a_public_key_without_a_request() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let subject = subject(&mut john, V1_4);
    let x509 = attribute(Tag::CertificateType, &CertificateType::X509);
    let mut name_of = |attributes: &[Attribute]| {
        let made = ask(&mut john, V1_4, Operation::Certify, &subject.id, None, attributes).id();
        x509::Certificate::read(&certificate(&mut john, V1_4, &made)).subject.unwrap().to_string()
    };
    assert_eq!(name_of(std::slice::from_ref(&x509)), "CN=key");
    assert_eq!(name_of(&[x509.clone(), named("certificate")]), "CN=certificate");
    let part = |tag, text: &str| attribute(tag, &text.to_owned());
    let parts = [
        x509.clone(),
        part(Tag::CertificateSubjectCn, "me"),
        part(Tag::CertificateSubjectO, "us"),
        part(Tag::CertificateSubjectC, "DE"),
    ];
    assert_eq!(name_of(&parts), "CN=me,O=us,C=DE");
    let dates = [
        x509,
        attribute(Tag::ActivationDate, &DateTime(2_000_000_000)),
        attribute(Tag::DeactivationDate, &DateTime(2_000_000_100)),
    ];
    let made = ask(&mut john, V1_4, Operation::Certify, &subject.id, None, &dates).id();
    let read = x509::Certificate::read(&certificate(&mut john, V1_4, &made));
    assert_eq!(read.validity, Some((DateTime(2_000_000_000), DateTime(2_000_000_100))));
}

#[test]
fn certifies_a_stored_request_and_a_request_without_a_stored_key() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let subject = subject(&mut john, V2_1);
    let object = Object::CertificateRequest(CertificateRequest {
        certificate_request_type: CertificateRequestType::Pkcs10,
        certificate_request_value: subject.request.clone(),
    });
    let kept = put(&mut john, V2_1, &object, &[]);
    let of_kept = ask(&mut john, V2_1, Operation::Certify, &kept, None, &[]).id();
    assert_eq!(links(&mut john, V2_1, &of_kept), []);
    let renewed = john.ask(V2_1, Operation::ReCertify, |writer| {
        id(&of_kept, writer);
        kmip_server::kmip::structures::UniqueIdentifier::Text(kept.clone())
            .write(Tag::CertificateRequestUniqueIdentifier, writer);
    });
    renewed.done();
    let alone = john.ask(V1_2, Operation::Certify, |writer| {
        write_request(CertificateRequestType::Pkcs10, &subject.request, writer);
    });
    let read = x509::Certificate::read(&certificate(&mut john, V1_2, &alone.id()));
    assert_eq!(read.public_key_info.unwrap(), subject.key.subject_public_key_info());
}

#[test]
fn re_certify_transfers_names_links_and_dates() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    for version in [V1_0, V1_2, V2_1] {
        let subject = subject(&mut john, version);
        let old = ask(
            &mut john,
            version,
            Operation::Certify,
            &subject.id,
            pkcs10(&subject),
            &[usage(0x3), named("old"), attribute(Tag::ObjectGroup, &"group".to_owned())],
        );
        let old = old.id();
        let new = john.ask(version, Operation::ReCertify, |writer| {
            id(&old, writer);
            Interval(60).write(Tag::Offset, writer);
            template(Tag::Attributes, &[named("new")], writer);
        });
        let new = new.id();
        let mut found = links(&mut john, version, &new);
        found.sort();
        let expected =
            [(LinkType::PublicKeyLink, subject.id.clone()), (LinkType::ReplacedObjectLink, old.clone())];
        assert_eq!(found, expected);
        let expected =
            [(LinkType::PublicKeyLink, subject.id.clone()), (LinkType::ReplacementObjectLink, new.clone())];
        assert_eq!(links(&mut john, version, &old), expected);
        assert_eq!(links(&mut john, version, &subject.id), [(LinkType::CertificateLink, new.clone())]);
        assert!(names(&mut john, version, &old).is_empty());
        let mut both = names(&mut john, version, &new);
        both.sort();
        assert_eq!(both, ["new", "old"]);
        assert_eq!(john.attribute(version, &new, Tag::ObjectGroup), Some("group".to_owned()));
        let begins: DateTime = john.attribute(version, &new, Tag::ActivationDate).unwrap();
        let made: DateTime = john.attribute(version, &new, Tag::InitialDate).unwrap();
        assert_eq!(begins.0 - made.0, 60);
        let (old, new) = (certificate(&mut john, version, &old), certificate(&mut john, version, &new));
        assert_ne!(old, new);
        let (old, new) = (x509::Certificate::read(&old), x509::Certificate::read(&new));
        assert_eq!((old.subject, old.public_key_info), (new.subject, new.public_key_info));
        assert_eq!(new.validity.unwrap().0, begins);
    }
}

#[test]
fn rejects_invalid_certification_requests() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let subject = subject(&mut john, V1_4);
    let mut refused = |version, of: &str, request, attributes: &[Attribute]| {
        ask(&mut john, version, Operation::Certify, of, request, attributes).refused()
    };
    let other = request(&KeyPair::generate().unwrap());
    let mut damaged = subject.request.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let kind = CertificateRequestType::Pkcs10;
    for bad in [&other[..], &damaged, b"request"] {
        assert_eq!(refused(V1_4, &subject.id, Some((kind, bad)), &[]), ResultReason::InvalidField);
        assert_eq!(refused(V2_1, &subject.id, Some((kind, bad)), &[]), ResultReason::InvalidCsr);
    }
    for kind in [CertificateRequestType::Crmf, CertificateRequestType::Pgp] {
        let reason = refused(V1_4, &subject.id, Some((kind, &subject.request)), &[]);
        assert_eq!(reason, ResultReason::FeatureNotSupported);
    }
    assert_eq!(refused(V1_4, &subject.id, None, &[]), ResultReason::InvalidField);
    let pgp = attribute(Tag::CertificateType, &CertificateType::Pgp);
    assert_eq!(refused(V1_4, &subject.id, None, &[pgp]), ResultReason::FeatureNotSupported);
    let x509 = attribute(Tag::CertificateType, &CertificateType::X509);
    assert_eq!(refused(V1_4, "999", None, std::slice::from_ref(&x509)), ResultReason::ItemNotFound);
    let backwards = [
        x509.clone(),
        attribute(Tag::ActivationDate, &DateTime(2_000_000_000)),
        attribute(Tag::DeactivationDate, &DateTime(1_000)),
    ];
    assert_eq!(refused(V1_4, &subject.id, None, &backwards), ResultReason::InvalidField);

    let key = john.ask(V1_4, Operation::Create, |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        let given = [crate::corpus::algorithm(), crate::corpus::length(128), usage(0xC)];
        template(Tag::Attributes, &given, writer);
    });
    let key = key.id();
    for operation in [Operation::Certify, Operation::ReCertify] {
        let given = std::slice::from_ref(&x509);
        let refused = ask(&mut john, V1_4, operation, &key, None, given).refused();
        assert_eq!(refused, ResultReason::PermissionDenied);
        let refused = ask(&mut john, V2_1, operation, &key, None, given).refused();
        assert_eq!(refused, ResultReason::InvalidObjectType);
    }
    let made = ask(&mut john, V1_4, Operation::Certify, &subject.id, None, &[x509]).id();
    let both = john.ask(V1_4, Operation::ReCertify, |writer| {
        id(&made, writer);
        Interval(60).write(Tag::Offset, writer);
        template(Tag::Attributes, &[attribute(Tag::ActivationDate, &DateTime(1_000))], writer);
    });
    assert_eq!(both.refused(), ResultReason::InvalidMessage);
}

#[test]
fn only_the_owner_of_a_key_can_certify_it() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let subject = subject(&mut john, V1_4);
    let request = pkcs10(&subject);
    let refused = ask(&mut jane, V1_4, Operation::Certify, &subject.id, request, &[]).refused();
    assert_eq!(refused, ResultReason::PermissionDenied);
    let made = ask(&mut john, V1_4, Operation::Certify, &subject.id, request, &[]).id();
    let refused = ask(&mut jane, V1_4, Operation::ReCertify, &made, None, &[]).refused();
    assert_eq!(refused, ResultReason::PermissionDenied);
    // Rejected requests changed nothing.
    assert_eq!(links(&mut john, V1_4, &made), [(LinkType::PublicKeyLink, subject.id.clone())]);
    // Every user can get certificates.
    assert!(!certificate(&mut jane, V1_4, &made).is_empty());
}

#[test]
fn the_authority_survives_a_restart_and_is_not_a_managed_object() {
    let pki = Pki::new();
    let mut config = pki.config();
    config.database_path = pki.folder.path("objects");
    let issuer = |der: &[u8]| {
        let certificate = x509_cert::Certificate::from_der(der).unwrap().tbs_certificate;
        let identifier = x509_cert::der::asn1::ObjectIdentifier::new_unwrap("2.5.29.35");
        let extensions = certificate.extensions.unwrap();
        let found = extensions.iter().find(|extension| extension.extn_id == identifier).unwrap().to_der();
        (certificate.issuer.to_string(), found.unwrap())
    };
    let mut issuers = Vec::new();
    for _ in 0..2 {
        let server = Live::start(&config);
        let mut john = server.caller(&pki, &pki.client);
        let subject = subject(&mut john, V1_4);
        for _ in 0..2 {
            let made = ask(&mut john, V1_4, Operation::Certify, &subject.id, pkcs10(&subject), &[]).id();
            issuers.push(issuer(&certificate(&mut john, V1_4, &made)));
        }
        let private = john.ask(V1_4, Operation::Locate, |writer| {
            let kind = attribute(Tag::ObjectType, &ObjectType::PrivateKey);
            kmip_server::kmip::attributes::AttributeList(vec![kind]).write(Tag::Attributes, writer);
        });
        assert!(private.ids().is_empty());
    }
    assert!(issuers.iter().all(|issuer| *issuer == issuers[0]), "{issuers:?}");
}

#[test]
fn the_authority_of_the_settings_signs_unless_clients_are_trusted_by_it() {
    let pki = Pki::new();
    let refusal = |config: &kmip_server::internals::config::Config| {
        kmip_server::internals::server::Server::bind(config).err().map(|error| error.to_string())
    };
    let own = Authority::new("Certify CA");
    let pem = format!("{}{}", own.pem(), own.credential.key_pem());
    let mut config = pki.config();
    config.certify_ca_certificate = Some(pki.folder.write("certify.pem", pem));
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    let subject = subject(&mut john, V1_4);
    let made = ask(&mut john, V1_4, Operation::Certify, &subject.id, pkcs10(&subject), &[]).id();
    let read = x509::Certificate::read(&certificate(&mut john, V1_4, &made));
    assert_eq!(read.issuer.unwrap().to_string(), "CN=Certify CA");

    // The authority of the clients, and an intermediate authority.
    for trusted in [&pki.ca, &pki.ca.intermediate("Below")] {
        config.certify_ca_certificate = Some(pki.folder.write("trusted.pem", trusted.pem()));
        config.certify_ca_key = Some(pki.folder.write("trusted.key", trusted.credential.key_pem()));
        assert!(refusal(&config).unwrap().contains("clients could make themselves certificates"));
    }
    config.certify_ca_certificate = Some(pki.folder.write("certify.pem", own.pem()));
    assert!(refusal(&config).unwrap().contains("do not belong together"));
    config.certify_ca_key = None;
    assert!(refusal(&config).unwrap().contains("holds no unencrypted private key"));
    config.certify_ca_key = Some(pki.folder.path("trusted.key"));
    config.certify_ca_certificate = None;
    assert!(refusal(&config).unwrap().contains("'certify_ca_certificate' is missing"));
}

/// Requests a certificate for `name` from the authority of a server, and returns it with its key.
fn certified(caller: &mut Caller, name: &str) -> Credential {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let request = params.serialize_request(&key).unwrap().der().to_vec();
    let made = caller.ask(V1_4, Operation::Certify, |writer| {
        write_request(CertificateRequestType::Pkcs10, &request, writer);
    });
    let der = certificate(caller, V1_4, &made.id());
    Credential::new(der.into(), key)
}

/// Returns whether the server answers a client that presents `credential` with the certificates `above` it.
fn is_served(pki: &Pki, port: u16, mut credential: Credential, above: &[&CertificateDer<'static>]) -> bool {
    credential.chain = above.iter().map(|&certificate| certificate.clone()).collect();
    let root = &pki.ca.credential.certificate;
    let versions = [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]];
    versions.into_iter().any(|versions| {
        let client = Client::connect(port, root, Some(&credential), versions);
        let answer = client
            .and_then(|client| Caller::new(client).try_ask(V1_4, Operation::Locate, |_: &mut Writer| ()));
        answer.is_ok()
    })
}

#[test]
fn a_certificate_of_certify_authenticates_no_client_at_any_depth_below_a_trusted_ca() {
    let pki = Pki::new();
    let first = pki.ca.intermediate("First");
    let second = first.intermediate("Second");
    let authority = second.intermediate("Certify CA");
    let pem = format!("{}{}", authority.pem(), authority.credential.key_pem());
    let path = pki.folder.write("certify.pem", pem).display().to_string();
    let mut arguments = pki.options();
    let settings = pki.settings(&format!("certify_ca_certificate={path}")).display().to_string();
    arguments.extend(["-f".to_owned(), settings]);
    // The server cannot know the intermediate authorities, which only the client presents.
    let server = Running::start(&arguments);
    let mut john = Caller::new(pki.connect(server.port, &pki.client));
    let below = [&first, &second].map(|ca| &ca.credential.certificate);
    assert!(is_served(&pki, server.port, second.client("Another"), &[below[1], below[0]]));
    for above in [
        vec![&authority.credential.certificate, below[1], below[0]],
        vec![below[0], below[1], &authority.credential.certificate],
    ] {
        let made = certified(&mut john, "Jane Doe");
        assert!(!is_served(&pki, server.port, made, &above), "John Doe has become Jane Doe");
    }
    let line = within(|| {
        let log = pki.log();
        log.lines().find(|line| line.contains(" - WARNING - ")).map(str::to_owned)
    });
    assert!(line.contains("the authority that signs for Certify") && line.contains("Jane Doe"), "{line}");

    // At its start, the server knows these certificates.
    let chain = [&authority, &second, &first].map(Authority::pem).concat();
    pki.folder.write("certify.pem", format!("{chain}{}", authority.credential.key_pem()));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_run_server"));
    let output = command.args(&arguments).stdin(std::process::Stdio::null()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("ca_path vouches for the authority CN=Certify CA in") && error.contains("CN=Root CA"),
        "{error}"
    );
}

#[test]
fn a_certificate_of_the_servers_own_authority_authenticates_no_client() {
    let pki = Pki::new();
    let mut arguments = pki.options();
    arguments.extend(["-d".to_owned(), pki.folder.path("database").display().to_string()]);
    let mut server = Running::start(&arguments);
    let mut john = Caller::new(pki.connect(server.port, &pki.client));
    let first = certified(&mut john, "Jane Doe");
    let second = certified(&mut john, "Jane Doe");
    let own = within(|| {
        let log = pki.log();
        let lines = log.lines().map(str::trim).skip_while(|line| *line != "-----BEGIN CERTIFICATE-----");
        let mut lines: Vec<_> = lines.collect();
        lines.truncate(1 + lines.iter().position(|line| *line == "-----END CERTIFICATE-----")?);
        Some(lines.join("\n"))
    });
    // A trusted CA signs the public key of the authority, while the server runs.
    let (_, der) = x509_cert::der::pem::decode_vec(own.as_bytes()).unwrap();
    let cross = pki.ca.cross_sign(&der);
    assert!(!is_served(&pki, server.port, first, &[&cross]), "John Doe has become Jane Doe");
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let mut server = Running::start(&arguments);
    assert!(!is_served(&pki, server.port, second, &[&cross]), "the server remembers its authority");
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));

    // The administrator adds the authority to the trusted certificates.
    pki.folder.write("ca.pem", format!("{}{own}\n", pki.ca.pem()));
    for check in [&[][..], &["--check-config"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_run_server"));
        let output =
            command.args(&arguments).args(check).stdin(std::process::Stdio::null()).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(
            text.contains("ca_path vouches for the authority CN=kmip-server Certify in"),
            "{check:?} {text}"
        );
        assert!(!output.status.success());
    }
}

#[test]
fn a_replaced_authority_signs_and_the_earlier_one_still_authenticates_no_client() {
    let pki = Pki::new();
    let between = pki.ca.intermediate("Between");
    let [old, new] = ["Old", "New"].map(|name| between.intermediate(name));
    let pem = |authority: &Authority| format!("{}{}", authority.pem(), authority.credential.key_pem());
    let path = pki.folder.write("certify.pem", pem(&old)).display().to_string();
    let settings = pki.settings(&format!("certify_ca_certificate={path}")).display().to_string();
    let mut arguments = pki.options();
    arguments.extend(["-f".to_owned(), settings]);
    let server = Running::start(&arguments);
    let mut john = Caller::new(pki.connect(server.port, &pki.client));
    let made_by = |authority: &Authority, made: &Credential| {
        let issuer = x509_cert::Certificate::from_der(&made.certificate).unwrap().tbs_certificate.issuer;
        let authority = x509_cert::Certificate::from_der(&authority.credential.certificate).unwrap();
        issuer == authority.tbs_certificate.subject
    };
    let by_old = certified(&mut john, "Jane Doe");
    assert!(made_by(&old, &by_old));
    pki.folder.write("certify.pem", pem(&new));
    within(|| pki.log().contains("The certificates were read again and are in use").then_some(()));
    let by_new = certified(&mut john, "Jane Doe");
    assert!(made_by(&new, &by_new));
    let above = |authority: &Authority| {
        vec![authority.credential.certificate.clone(), between.credential.certificate.clone()]
    };
    for (authority, made) in [(&old, by_old), (&new, by_new)] {
        let above = above(authority);
        assert!(!is_served(&pki, server.port, made, &above.iter().collect::<Vec<_>>()));
    }

    // A CA file that vouches for the authority is refused as a whole.
    let other = Authority::new("Other CA");
    pki.folder.write("ca.pem", [pki.ca.pem(), between.pem(), other.pem()].concat());
    within(|| pki.log().contains("ca_path vouches for the authority CN=New in").then_some(()));
    assert!(!is_served(&pki, server.port, other.client("Jane"), &[]));
    pki.folder.write("ca.pem", [pki.ca.pem(), other.pem()].concat());
    let jane = other.client("Jane");
    within(|| {
        let copy = Credential::new(jane.certificate.clone(), KeyPair::from_pem(&jane.key_pem()).unwrap());
        is_served(&pki, server.port, copy, &[]).then_some(())
    });
    assert!(is_served(&pki, server.port, pki.ca.client("Ann"), &[]));
}
