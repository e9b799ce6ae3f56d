//! Tests of connections after a failure: what one request leaves behind does not reach the next one.

use std::path::Path;
use std::time::Instant;

use super::connection::{COMMIT, Connection, LONG_CALL, Step};
use super::*;
use crate::store::request_time::{as_one_request, waiting};
use crate::store::testing::{add, change, everybody, key, postgres};

fn open(url: &Path) -> Postgres {
    Postgres::open(url, None, Duration::from_secs(30)).unwrap()
}

/// Runs `work` on a connection of the pool, which gets it back.
fn on_a_connection<T>(store: &Postgres, work: impl FnOnce(&mut Connection) -> T) -> T {
    work(&mut store.0.pool.get(Use::Read).unwrap())
}

fn plain(text: &str) -> Step {
    Step::new(text, Vec::new())
}

#[test]
fn connection_with_an_open_transaction_is_not_used_again() {
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    on_a_connection(&store, |it| {
        it.pipeline(CALL, Some("BEGIN"), &[plain("SELECT 1 / 0")], None).unwrap_err();
    });
    assert!(store.read(Id(1)).unwrap().is_none());
    add(&store, key("after a failure"));
}

#[test]
fn commit_is_not_sent_behind_a_statement_that_could_not_be_sent() {
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    let insert = "INSERT INTO own (name, version, value, checksum) VALUES ($1, 1, $1, $1)";
    let parameters: [connection::Parameter; 2] = [Box::new(b"first".to_vec()), Box::new("no bytes")];
    let steps = parameters.map(|parameter| Step::new(insert, vec![parameter]));
    on_a_connection(&store, |it| it.pipeline(CALL, Some("BEGIN"), &steps, Some(COMMIT)).unwrap_err());
    assert!(store.server_state("first").unwrap().is_none(), "half of a transaction is stored");
}

#[test]
fn statements_are_prepared_again_after_the_session_was_reset() {
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    let made = add(&store, key("made"));
    let reset = || on_a_connection(&store, |it| it.batch("DEALLOCATE ALL").unwrap());
    store.read(made.id).unwrap();
    reset();
    assert!(store.read(made.id).unwrap().is_some());
    change(&store, |it| drop(it.read(made.id).unwrap()));
    reset();
    change(&store, |it| {
        if it.read(made.id).is_ok() {
            it.update(Record { id: made.id, ..key("changed") }).unwrap();
        }
    });
    assert_eq!(store.read(made.id).unwrap().unwrap().attributes.name, key("changed").attributes.name);
    reset();
    add(&store, key("new"));
}

#[test]
fn error_of_another_session_says_what_a_pooler_needs() {
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    for statements in ["PREPARE twice AS SELECT 1; PREPARE twice AS SELECT 1", "EXECUTE never_prepared"] {
        let failed = on_a_connection(&store, |it| it.batch(statements).unwrap_err());
        assert!(failed.text.ends_with("(PgBouncer: pool_mode = session)"), "{failed}");
    }
}

#[test]
fn statement_ends_soon_after_its_client_has_gone() {
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    let rows = on_a_connection(&store, |it| {
        it.query(CALL, &plain("SELECT current_setting('server_version_num')::bigint")).unwrap()
    });
    if rows::get::<i64>(&rows[0], 0).unwrap() < 140_000 {
        return;
    }
    let limit = Duration::from_millis(300);
    let late = on_a_connection(&store, |it| it.query(limit, &plain("SELECT pg_sleep(9)")).unwrap_err());
    assert!(late.has_timed_out, "{late}");
    let begun = Instant::now();
    let running = plain(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(9)'",
    );
    while !on_a_connection(&store, |it| it.query(CALL, &running).unwrap()).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(5), "the statement still runs");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn commit_with_a_warning_of_the_database_is_not_acknowledged() {
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    // As when an administrator ends the wait for the synchronous standby.
    assert!(database.execute(
        "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE WARNING 'canceling wait for synchronous replication'; RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER warns AFTER INSERT ON own DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION warn()"
    ));
    let set = |it: &mut dyn Transaction| {
        it.set_server_state("state", &Secret::new(vec![1])).unwrap();
        Outcome::Commit
    };
    let failed = store.change(&mut |it| set(it)).unwrap_err();
    assert!(matches!(&failed, Error::Uncertain { .. }), "{failed}");
}

#[test]
fn transactions_that_wait_for_numbers_fail_in_time() {
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    on_a_connection(&store, |it| {
        it.pipeline(CALL, Some("BEGIN"), &[plain("SELECT last_id FROM counter FOR UPDATE")], None).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let begun = Instant::now();
                    store
                        .change(&mut |it| {
                            it.next_id().unwrap_err();
                            Outcome::Rollback
                        })
                        .unwrap();
                    assert!(begun.elapsed() < Duration::from_millis(2300), "{:?}", begun.elapsed());
                });
            }
        });
    });
    add(&store, key("afterwards"));
}

#[test]
fn wait_for_a_connection_shortens_the_first_call_on_it() {
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    let sleep = |limit, text| {
        let begun = Instant::now();
        let purpose = if limit == CALL { Use::Read } else { Use::Search };
        let slept = store.0.pool.get(purpose).unwrap().query(limit, &plain(text)).map(drop);
        (slept.is_ok(), begun.elapsed())
    };
    as_one_request(|| {
        waiting(|| thread::sleep(Duration::from_secs(1)));
        assert!(sleep(CALL, "SELECT pg_sleep(0.4)").0, "0.8 s are left");
        let (is_done, time) = sleep(CALL, "SELECT pg_sleep(20)");
        assert!(!is_done && time < Duration::from_millis(600), "{time:?}");
        let (is_done, time) = sleep(LONG_CALL, "SELECT pg_sleep(20)");
        assert!(!is_done && time < Duration::from_millis(8800), "{time:?}");
    });
    assert!(as_one_request(|| sleep(CALL, "SELECT pg_sleep(1)")).0, "another request");
}

#[test]
fn request_can_use_a_connection_that_it_has_waited_for() {
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    let held: Vec<_> = (0..8).map(|_| store.0.pool.get(Use::Read).unwrap()).collect();
    thread::scope(|scope| {
        let read = scope.spawn(|| as_one_request(|| store.read(Id(1))));
        thread::sleep(Duration::from_millis(1100));
        drop(held);
        assert!(read.join().unwrap().unwrap().is_none());
    });
}

#[test]
fn searches_and_transactions_leave_a_connection_for_reads() {
    let Some(database) = postgres() else { return };
    let store = open(&database.url());
    let pool = &store.0.pool;
    let searches: Vec<_> = (0..2).map(|_| pool.get(Use::Search).unwrap()).collect();
    let transactions: Vec<_> = (0..5).map(|_| pool.get(Use::Transaction).unwrap()).collect();
    assert!(matches!(pool.get(Use::Transaction), Err(Error::NoReader { .. })));
    drop(transactions);
    let is_found = std::sync::atomic::AtomicBool::new(false);
    let found = || is_found.load(std::sync::atomic::Ordering::SeqCst);
    thread::scope(|scope| {
        scope.spawn(|| {
            store.locate(&everybody()).unwrap();
            is_found.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        thread::sleep(Duration::from_millis(300));
        assert!(!found(), "a third search runs beside two others");
        assert!(store.read(Id(1)).unwrap().is_none());
        drop(searches);
    });
    assert!(found());
}
