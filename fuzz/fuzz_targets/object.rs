//! Objects in the database, and their import from PyKMIP's database: an object that can be read is equal after it is
//! written and read again, and the import refuses it or completes its attributes. SQLite reads the columns of
//! PyKMIP's tables; their bytes become these objects.

#![no_main]

use kmip_server::internals::engine::pykmip_import;
use kmip_server::internals::store::{Found, Id};
use kmip_server::kmip::Object;
use kmip_server::kmip::attributes::Attributes;
use kmip_server::ttlv::{DateTime, Field, Reader, STORED, Tag, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(attributes) = read::<Attributes>(Tag::Attributes, bytes) {
        assert!(read::<Attributes>(Tag::Attributes, &written(Tag::Attributes, &attributes)).is_some());
    }
    let Some(object) = read::<Object>(Tag::default(), bytes) else { return };
    let again = read::<Object>(Tag::default(), &written(Tag::default(), &object));
    assert!(again.is_some_and(|again| again == object), "the stored object differs");
    let found = Found {
        id: Id(1),
        owner: None,
        object,
        initial_date: DateTime(1),
        operation_policy_name: None,
        names: Vec::new(),
        object_groups: Vec::new(),
        application_specific_information: Vec::new(),
        cryptographic_usage_mask: None,
        state: None,
        sensitive: false,
    };
    if let Ok(record) = pykmip_import::complete(found) {
        let attributes = written(Tag::Attributes, &record.attributes);
        assert!(
            read::<Attributes>(Tag::Attributes, &attributes).is_some(),
            "the stored attributes cannot be read"
        );
    }
});

fn read<T: Field>(tag: Tag, bytes: &[u8]) -> Option<T> {
    let mut reader = Reader::new(bytes, STORED);
    let value = T::read(tag, &mut reader).ok()?;
    reader.finish().is_ok().then_some(value)
}

fn written<T: Field>(tag: Tag, value: &T) -> Vec<u8> {
    let mut writer = Writer::new(STORED);
    value.write(tag, &mut writer);
    writer.into_bytes()
}
