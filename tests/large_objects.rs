//! An object with as many attributes as possible: the cost of a change, and the requests of others meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kmip_server::kmip::attributes::{Attribute, AttributeDefinition};
use kmip_server::kmip::enums::{ObjectType, Operation};
use kmip_server::kmip::structures::{Raw, VendorAttribute};
use kmip_server::ttlv::{Field, Tag, V1_4, Writer};

use crate::corpus::{algorithm, id, length, template, usage};
use crate::dialogue::Caller;
use crate::harness::{Pki, Running};

/// The number of custom attributes of a large object; the other attributes fill it up to the maximum.
const MANY: usize = 9_970;
/// The time for which the answers to another user are timed.
const TIME: Duration = Duration::from_millis(1_500);
/// The maximum median and 99th percentile of the times, in a debug build on a machine that other processes use too.
const MEDIAN: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_millis(500);
/// The maximum time of a request for all attributes, likewise.
const READ: Duration = Duration::from_secs(5);

fn custom(name: usize, value: &str) -> Attribute {
    let value = VendorAttribute {
        vendor_identification: "x".to_owned(),
        attribute_name: format!("a-{name}"),
        attribute_value: Raw::of(&value.to_owned()),
    };
    Attribute::of(AttributeDefinition::of(Tag::Attribute).unwrap(), &value)
}

fn create(customs: usize) -> impl Fn(&mut Writer) {
    move |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        let mut attributes = vec![algorithm(), length(128), usage(0xC)];
        attributes.extend((0..customs).map(|name| custom(name, "value")));
        template(Tag::Attributes, &attributes, writer);
    }
}

/// Changes the value of an attribute of the object.
fn change(caller: &mut Caller, object: &str, value: &str) {
    let changed = caller.ask(V1_4, Operation::ModifyAttribute, |writer| {
        id(object, writer);
        custom(0, value).write(Tag::NewAttribute, writer);
    });
    assert!(!changed.done().is_empty());
}

/// Returns the median and the 99th percentile.
fn summary(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn timed(act: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    act();
    begun.elapsed()
}

#[test]
fn changes_of_an_object_with_many_attributes_do_not_delay_other_users() {
    let pki = Pki::new();
    let mut options = pki.options();
    options.extend(["-d".to_owned(), pki.folder.path("database").display().to_string()]);
    let server = Running::start(&options);
    let connect = |user| Caller::new(pki.connect(server.port, user));
    let (mallory, mut john) = (pki.ca.client("Mallory"), connect(&pki.client));
    let mut owner = connect(&mallory);
    let creates = |john: &mut Caller| {
        let begun = Instant::now();
        let mut times = Vec::new();
        while begun.elapsed() < TIME {
            times.push(timed(|| drop(john.ask(V1_4, Operation::Create, create(0)).id())));
            std::thread::sleep(Duration::from_millis(5));
        }
        summary(times)
    };
    println!("Create {:?} alone", creates(&mut john));
    for customs in [10, MANY] {
        let object = owner.ask(V1_4, Operation::Create, create(customs)).id();
        let times = (0..20).map(|number| timed(|| change(&mut owner, &object, &number.to_string())));
        println!("a change of {customs} attributes {:?}", summary(times.collect()));
        let over = AtomicBool::new(false);
        let found = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    number += 1;
                    change(&mut owner, &object, &format!("value {number}"));
                }
            });
            let found = creates(&mut john);
            over.store(true, Ordering::Relaxed);
            found
        });
        println!("Create {found:?} beside changes of {customs} attributes");
        assert!(found.0 < MEDIAN && found.1 < SLOW, "{found:?}");
    }
}

/// An operation, its payload, and a lower bound of the length of the response, in units of 16 bytes.
type Request<'a> = (Operation, &'a dyn Fn(&mut Writer), usize);

#[test]
fn the_attributes_of_a_large_object_are_read_in_time() {
    let pki = Pki::new();
    let server = Running::start(pki.options());
    let mut john = Caller::new(pki.connect(server.port, &pki.client));
    let object = john.ask(V1_4, Operation::Create, create(MANY)).id();
    let names = |writer: &mut Writer| {
        id(&object, writer);
        (0..MANY).for_each(|name| format!("x-a-{name}").write(Tag::AttributeName, writer));
    };
    let alone = |writer: &mut Writer| id(&object, writer);
    let requests: [Request<'_>; 3] = [
        (Operation::GetAttributes, &names, MANY),
        (Operation::GetAttributeList, &alone, 1),
        (Operation::Export, &alone, MANY),
    ];
    for (operation, payload, least) in requests {
        let mut count = 0;
        let time = timed(|| {
            let answer = john.ask(V1_4, operation, payload);
            count = answer.done().len() / 16;
        });
        println!("{operation} {time:?}");
        assert!(count > least && time < READ, "{operation} took {time:?}");
    }
    // PyKMIP returns the values of a name as often as the request names it.
    let again = |writer: &mut Writer| {
        id(&object, writer);
        (0..MANY).for_each(|_| "x-a-7".to_owned().write(Tag::AttributeName, writer));
    };
    let time = timed(|| assert!(!john.ask(V1_4, Operation::GetAttributes, again).done().is_empty()));
    assert!(time < READ, "{time:?}");
}
