//! Policy files, and the decisions of the policies in them.

#![no_main]

use std::path::Path;

use kmip_server::internals::policy::Policies;
use kmip_server::kmip::enums::{ObjectType, Operation};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(policies) = Policies::parse(Path::new("policy.json"), bytes) else { return };
    let groups = ["A".to_owned(), "B".to_owned()];
    let (john, jane) = ("john".into(), "jane".into());
    for groups in [None, Some(&groups[..])] {
        for (name, object_type, _) in policies.permissions(groups, Operation::Get) {
            policies.permits(name, &john, groups, Some(&jane), object_type, Operation::Get);
        }
        policies.permits("default", &john, groups, None, ObjectType::SymmetricKey, Operation::Destroy);
    }
});
