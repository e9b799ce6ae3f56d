//! The TTLV reader: an item that it accepts is written with the same bytes, and no input causes a panic.

#![no_main]

use kmip_server::encoding::{Tree, mask};
use kmip_server::ttlv::{Item, ItemType, Reader, V1_0, Writer, read_frame};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut frame = Vec::new();
    let framed = read_frame(&mut &*bytes, &mut frame, 1 << 20);
    if framed.is_ok() {
        assert!(bytes.starts_with(&frame));
    }
    drop(Tree::of(bytes).to_string());
    mask(&mut bytes.to_vec());
    let mut writer = Writer::new(V1_0);
    if copy(&mut Reader::new(bytes, V1_0), &mut writer).is_ok() {
        assert_eq!(writer.into_bytes(), bytes);
    }
});

fn copy(reader: &mut Reader<'_>, writer: &mut Writer) -> Result<(), kmip_server::ttlv::Error> {
    while let Some(item) = reader.next()? {
        copy_item(&item, writer)?;
    }
    Ok(())
}

fn copy_item(item: &Item<'_>, writer: &mut Writer) -> Result<(), kmip_server::ttlv::Error> {
    if item.kind != ItemType::Structure {
        writer.item(item.tag, item.kind, item.bytes);
        return Ok(());
    }
    let mut outcome = Ok(());
    writer.structure(item.tag, |writer| {
        outcome = item.structure().and_then(|mut rows| copy(&mut rows, writer));
    });
    outcome
}
