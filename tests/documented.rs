//! Statements of PyKMIP's page about its server that neither another test nor a comparison case checks
//! (`tests/statements.txt`).

use std::fs;

use kmip_server::internals::compatibility::Compatibility;
use kmip_server::kmip::enums::{
    CryptographicAlgorithm, CryptographicUsageMask, KeyFormatType, ObjectType, Operation, ResultReason, State,
};
use kmip_server::kmip::structures::Name;
use kmip_server::kmip::{Key, Object};
use kmip_server::ttlv::{DateTime, Field, Tag, V1_2, V2_0, Value, Writer};

use crate::corpus::{algorithm, attribute, id, length, named, template, usage};
use crate::dialogue::{Caller, Live};
use crate::harness::Pki;

/// Returns an attribute of an object that the client requests by its name.
fn value<T: Value>(john: &mut Caller, key: &str, tag: Tag) -> T {
    john.attribute(V1_2, key, tag).unwrap_or_else(|| panic!("no {tag}"))
}

#[test]
fn key_pairs_have_common_attributes_and_those_of_each_key() {
    let pki = Pki::new();
    let mut config = pki.config();
    config.compatibility = Compatibility::PyKmip;
    let live = Live::start(&config);
    let mut john = live.caller(&pki, &pki.client);
    for version in [V1_2, V2_0] {
        let answer = john.ask(version, Operation::CreateKeyPair, |writer| {
            let algorithm = attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa);
            template(Tag::CommonAttributes, &[algorithm, length(1024)], writer);
            template(Tag::PrivateKeyAttributes, &[named("signs"), usage(0x1)], writer);
            template(Tag::PublicKeyAttributes, &[named("verifies"), usage(0x2)], writer);
        });
        let [private]: [String; 1] = answer.all(Tag::PrivateKeyUniqueIdentifier).try_into().unwrap();
        let [public]: [String; 1] = answer.all(Tag::PublicKeyUniqueIdentifier).try_into().unwrap();
        assert_ne!(private, public);

        let mut dates = Vec::new();
        for (key, kind, format, mask, name) in [
            (&private, ObjectType::PrivateKey, KeyFormatType::Pkcs8, CryptographicUsageMask::SIGN, "signs"),
            (
                &public,
                ObjectType::PublicKey,
                KeyFormatType::Pkcs1,
                CryptographicUsageMask::VERIFY,
                "verifies",
            ),
        ] {
            let algorithm: CryptographicAlgorithm = value(&mut john, key, Tag::CryptographicAlgorithm);
            assert_eq!(algorithm, CryptographicAlgorithm::Rsa);
            assert_eq!(value::<i32>(&mut john, key, Tag::CryptographicLength), 1024);
            assert_eq!(value::<String>(&mut john, key, Tag::OperationPolicyName), "default");
            assert_eq!(value::<State>(&mut john, key, Tag::State), State::PreActive);
            dates.push(value::<DateTime>(&mut john, key, Tag::InitialDate));

            assert_eq!(value::<CryptographicUsageMask>(&mut john, key, Tag::CryptographicUsageMask), mask);
            assert_eq!(value::<Name>(&mut john, key, Tag::Name).name_value, name);
            assert_eq!(value::<ObjectType>(&mut john, key, Tag::ObjectType), kind);
            assert_eq!(value::<String>(&mut john, key, Tag::UniqueIdentifier), **key);
            let object = john.ask(version, Operation::Get, |writer| id(key, writer)).object();
            let (Object::PrivateKey(Key { key_block }) | Object::PublicKey(Key { key_block })) = object
            else {
                panic!("{kind} {key}")
            };
            assert_eq!(key_block.key_format_type, format);
        }
        assert_eq!(dates[0], dates[1]);
    }
}

#[test]
fn objects_last_as_long_as_the_database_file() {
    let pki = Pki::new();
    let mut config = pki.config();
    config.database_path = pki.folder.path("pykmip.database");
    let ask = |payload: &dyn Fn(&mut Writer), operation| {
        let live = Live::start(&config);
        live.caller(&pki, &pki.client).ask(V1_2, operation, payload)
    };
    let created = ask(
        &|writer| {
            ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
            template(Tag::Attributes, &[algorithm(), length(128), usage(0xC)], writer);
        },
        Operation::Create,
    );
    let key = created.id();
    assert_eq!(ask(&|writer| id(&key, writer), Operation::Get).ids(), [&*key]);

    fs::remove_file(&config.database_path).unwrap();
    for ending in ["-wal", "-shm"] {
        // A server that stops in good order leaves none.
        let _ = fs::remove_file(pki.folder.path(&format!("pykmip.database{ending}")));
    }
    let lost = ask(&|writer| id(&key, writer), Operation::Get);
    assert_eq!(lost.refused(), ResultReason::ItemNotFound);
}
