//! What every store has to do for what the server keeps for itself.

use super::testing::Folder;
use super::{Keep, Memory, Sqlite, Store, Transaction};
use crate::ttlv::Secret;

#[test]
fn what_the_server_keeps_for_itself_is_kept_with_its_change() {
    let folder = Folder::new();
    let stores: [Box<dyn Store>; 2] =
        [Box::new(Memory::new()), Box::new(Sqlite::open(&folder.path("store")).unwrap())];
    for store in stores {
        for (value, keep) in [(1, Keep::Rollback), (2, Keep::Commit), (3, Keep::Rollback), (4, Keep::Commit)]
        {
            let (before, new) = (store.own("name").unwrap(), Secret::new(vec![value]));
            let job = &mut |transaction: &mut dyn Transaction| {
                transaction.set_own("name", &new).unwrap();
                assert_eq!(transaction.own("name").unwrap().as_ref(), Some(&new));
                keep
            };
            store.change(job).unwrap();
            assert_eq!(store.own("name").unwrap(), if keep == Keep::Commit { Some(new) } else { before });
        }
    }
}
