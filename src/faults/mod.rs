//! Faults on purpose: a table of rules by which the server fails, delays or loses answers, so that a test sees how its
//! client copes. Only test control changes the table.
//!
//! `dispatch` asks it before it executes a request, and the connection before a handshake. The rule for an answer travels
//! with the reply to the connection, which sends it.

mod rule;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use rule::{Action, AnswerFault, MAX_TEXT, MAX_TIME, Rule, RuleError};

use crate::kmip::enums::Operation;
use crate::lock::IgnorePoison;

/// The maximum number of rules: far more than a test needs.
pub const MAX_RULES: usize = 256;

/// The state of the random numbers of a new table.
const SEED: u64 = 0x6B6D_6970;

/// A batch item of a request, as a rule matches it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The user with whose rights the item executes.
    pub user: &'a str,
    /// The operation.
    pub operation: Operation,
    /// The Unique Identifier in the payload, if there is one.
    pub object: Option<&'a str>,
}

/// A rule in the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// The number of the rule.
    pub id: u64,
    /// The rule.
    pub rule: Rule,
    /// How often it matched.
    pub matches: u64,
    /// How often it acted.
    pub hits: u64,
}

impl Status {
    /// Counts a match. Returns the action if the rule acts.
    fn acts(&mut self, random: &mut u64) -> Option<Action> {
        self.matches += 1;
        let is_due = self.matches >= self.rule.nth && self.rule.count.is_none_or(|count| self.hits < count);
        if !is_due || self.rule.probability.is_some_and(|probability| fraction(random) >= probability) {
            return None;
        }
        self.hits += 1;
        Some(self.rule.action.clone())
    }
}

/// The rules of a server.
#[derive(Debug, Default)]
pub struct Faults {
    /// Whether there are rules. A request reads only this if there are none.
    is_armed: AtomicBool,
    table: Mutex<Table>,
    hit: Condvar,
}

#[derive(Debug)]
struct Table {
    rules: VecDeque<Status>,
    last_id: u64,
    random: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self { rules: VecDeque::new(), last_id: 0, random: SEED }
    }
}

impl Faults {
    /// Returns whether there are rules.
    pub fn is_armed(&self) -> bool {
        self.is_armed.load(Ordering::Relaxed)
    }

    /// Adds a rule and returns its number, or `None` if there are [`MAX_RULES`].
    pub fn add(&self, rule: Rule) -> Option<u64> {
        let mut table = self.table();
        if table.rules.len() >= MAX_RULES {
            return None;
        }
        table.last_id += 1;
        let id = table.last_id;
        table.rules.push_back(Status { id, rule, matches: 0, hits: 0 });
        self.is_armed.store(true, Ordering::Relaxed);
        Some(id)
    }

    /// Removes a rule. Returns false if there is none with this number.
    pub fn remove(&self, id: u64) -> bool {
        let mut table = self.table();
        let before = table.rules.len();
        table.rules.retain(|status| status.id != id);
        self.is_armed.store(!table.rules.is_empty(), Ordering::Relaxed);
        self.hit.notify_all();
        table.rules.len() < before
    }

    /// Removes all rules, and lets the random numbers begin anew.
    pub fn clear(&self) {
        let mut table = self.table();
        table.rules.clear();
        table.random = SEED;
        self.is_armed.store(false, Ordering::Relaxed);
        self.hit.notify_all();
    }

    /// Lets the random numbers of the probabilities begin with `seed`.
    pub fn seed(&self, seed: u64) {
        self.table().random = seed;
    }

    /// Returns the rules in the order in which they were added.
    pub fn list(&self) -> Vec<Status> {
        self.table().rules.iter().cloned().collect()
    }

    /// Returns the actions of the rules that match the item and act, in the order of the rules. A rule for handshakes matches
    /// no item.
    pub fn on_item(&self, subject: Subject<'_>) -> Vec<Action> {
        self.act(|rule| rule.action != Action::RefuseHandshake && rule.matches(subject))
    }

    /// Returns whether a rule refuses the handshake that begins.
    pub fn refuses_handshake(&self) -> bool {
        self.is_armed() && !self.act(|rule| rule.action == Action::RefuseHandshake).is_empty()
    }

    fn act(&self, matches: impl Fn(&Rule) -> bool) -> Vec<Action> {
        let mut table = self.table();
        let Table { rules, random, .. } = &mut *table;
        let matching = rules.iter_mut().filter(|status| matches(&status.rule));
        let actions: Vec<_> = matching.filter_map(|status| status.acts(random)).collect();
        drop(table);
        if !actions.is_empty() {
            self.hit.notify_all();
        }
        actions
    }

    /// Waits until the rule has acted `hits` times, at most for `patience`. Returns how often it acted, or `None` if there is
    /// no such rule.
    pub fn wait(&self, id: u64, hits: u64, patience: Duration) -> Option<u64> {
        let end = Instant::now() + patience.min(MAX_TIME);
        let mut table = self.table();
        loop {
            let now = table.rules.iter().find(|status| status.id == id)?.hits;
            let left = end.saturating_duration_since(Instant::now());
            if now >= hits || left.is_zero() {
                return Some(now);
            }
            table = self.hit.wait_timeout(table, left).ignore_poison().0;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().ignore_poison()
    }
}

/// Returns the next number of the sequence (`SplitMix64`), from 0 to below 1. The numbers decide which requests of a test fail,
/// and must be the same for the same seed.
fn fraction(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    let [high, low] = [mixed >> 32, mixed & 0xFFFF_FFFF].map(|half| u32::try_from(half).unwrap_or(u32::MAX));
    (f64::from(high) * 4_294_967_296.0 + f64::from(low)) / 18_446_744_073_709_551_616.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(rule: &serde_json::Value) -> Rule {
        Rule::parse(rule).unwrap()
    }

    fn create(user: &str) -> Subject<'_> {
        Subject { user, operation: Operation::Create, object: None }
    }

    #[test]
    fn a_rule_acts_from_its_nth_match_on_and_at_most_so_often() {
        let faults = Faults::default();
        assert!(!faults.is_armed());
        let id = faults
            .add(rule(&json!({"operation": "Create", "nth": 2, "count": 2, "action": "lose"})))
            .unwrap();
        assert!(faults.is_armed());
        let acted: Vec<_> = (0..5).map(|_| faults.on_item(create("ann")).len()).collect();
        assert_eq!(acted, [0, 1, 1, 0, 0]);
        let get = Subject { operation: Operation::Get, ..create("ann") };
        assert_eq!(faults.on_item(get), []);
        let [status] = &faults.list()[..] else { panic!("{:?}", faults.list()) };
        assert_eq!((status.id, status.matches, status.hits), (id, 5, 2));
        assert!(faults.remove(id) && !faults.remove(id) && !faults.is_armed());
    }

    #[test]
    fn a_rule_matches_user_operation_and_object() {
        let faults = Faults::default();
        let fault = json!({"user": "ann", "operation": "get", "object": "7", "action": "close"});
        faults.add(rule(&fault)).unwrap();
        let subject = |user, object| Subject { user, operation: Operation::Get, object };
        assert_eq!(faults.on_item(subject("ann", Some("7"))).len(), 1);
        for other in [subject("bob", Some("7")), subject("ann", Some("8")), subject("ann", None)] {
            assert_eq!(faults.on_item(other), [], "{other:?}");
        }
        assert!(!faults.refuses_handshake());
        faults.add(rule(&json!({"action": "refuse_handshake", "count": 1}))).unwrap();
        assert!(faults.refuses_handshake() && !faults.refuses_handshake());
    }

    #[test]
    fn the_same_seed_makes_the_same_requests_fail() {
        let faults = Faults::default();
        let draw = |seed| {
            faults.clear();
            faults.seed(seed);
            faults.add(rule(&json!({"probability": 0.3, "action": "lose"}))).unwrap();
            (0..200).map(|_| faults.on_item(create("ann")).len()).collect::<Vec<_>>()
        };
        let first = draw(1);
        assert_eq!(draw(1), first);
        assert_ne!(draw(2), first);
        let hits: usize = first.iter().sum();
        assert!((30..90).contains(&hits), "{hits}");
    }

    #[test]
    fn a_test_waits_for_a_hit() {
        let faults = std::sync::Arc::new(Faults::default());
        let id = faults.add(rule(&json!({"action": "lose"}))).unwrap();
        assert_eq!(faults.wait(id, 1, Duration::from_millis(1)), Some(0));
        assert_eq!(faults.wait(id + 1, 1, Duration::from_secs(60)), None);
        let other = std::sync::Arc::clone(&faults);
        let thread = std::thread::spawn(move || other.wait(id, 1, Duration::from_secs(60)));
        faults.on_item(create("ann"));
        assert_eq!(thread.join().unwrap(), Some(1));
    }

    #[test]
    fn the_number_of_rules_is_bounded() {
        let faults = Faults::default();
        let lose = rule(&json!({"action": "lose"}));
        assert!((0..MAX_RULES).all(|_| faults.add(lose.clone()).is_some()));
        assert_eq!(faults.add(lose), None);
    }
}
