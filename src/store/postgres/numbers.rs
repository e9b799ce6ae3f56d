//! The numbers of new objects. A server reserves a block of numbers in the database, so that its numbers ascend and no other
//! server assigns them.

use std::cell::{Cell, RefCell};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::connection::{CALL, Connection, Failure, Step};
use super::pool::Pool;
use crate::lock::IgnorePoison;
use crate::store::Error;

/// The numbers of a block. The rest of a block is lost when the server stops.
const BLOCK: i64 = 64;

const RESERVE: &str = "UPDATE counter SET last_id = last_id + $1 RETURNING last_id";

/// The least time that is left for a reservation after the wait for another one; with less, it fails.
const LEAST: Duration = Duration::from_millis(200);

/// The numbers that this server has reserved.
#[derive(Default)]
pub(super) struct Numbers(Mutex<Block>);

#[derive(Default)]
struct Block {
    next: u64,
    /// The number behind the last one.
    end: u64,
    /// A connection of its own, because a transaction that needs a number holds one of the pool.
    connection: Option<Connection>,
}

impl Block {
    /// Returns the next number for a transaction that waits from `begun` on.
    fn take(&mut self, pool: &Pool, begun: Instant) -> Result<u64, Error> {
        if self.next >= self.end {
            let last = self.reserve(pool, begun)?;
            (self.next, self.end) = (last + 1 - BLOCK.unsigned_abs(), last + 1);
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    /// Reserves a block and returns its last number.
    fn reserve(&mut self, pool: &Pool, begun: Instant) -> Result<u64, Error> {
        // Transactions wait here one behind the other, each for as long as the database does not answer.
        if begun.elapsed() + LEAST > CALL {
            let late = Failure::local("the database did not reserve numbers in time", false);
            return Err(pool.failed("reserve numbers", late));
        }
        let idle = self.connection.take().and_then(|mut idle| idle.check().then_some(idle));
        let mut connection = idle.map_or_else(|| pool.connect_since(begun), Ok)?;
        connection.waiting_since(begun);
        let rows = connection.query(CALL, &Step::new(RESERVE, vec![Box::new(BLOCK)]));
        let rows = rows.map_err(|why| pool.failed("reserve numbers", why))?;
        self.connection = Some(connection);
        let last = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok());
        Ok(last.ok_or(Error::NotInitialized)?.unsigned_abs())
    }
}

impl Numbers {
    /// Lets later numbers be higher than `chosen`, the number of an imported object.
    pub(super) fn raise(&self, chosen: u64) {
        let mut block = self.block();
        block.next = block.next.max(chosen.saturating_add(1));
    }

    fn block(&self) -> MutexGuard<'_, Block> {
        self.0.lock().ignore_poison()
    }
}

/// The numbers that one transaction has taken. Its unused numbers become free again if no other transaction has taken
/// a higher one.
pub(super) struct Reservation<'s> {
    numbers: &'s Numbers,
    pool: &'s Pool,
    /// In ascending order.
    taken: RefCell<Vec<u64>>,
    /// The highest number that an object got.
    used: Cell<u64>,
}

impl<'s> Reservation<'s> {
    pub(super) fn new(numbers: &'s Numbers, pool: &'s Pool) -> Self {
        Self { numbers, pool, taken: RefCell::default(), used: Cell::new(0) }
    }

    /// Returns the lowest taken number above `last`; takes one if there is none.
    pub(super) fn after(&self, last: u64) -> Result<u64, Error> {
        let mut taken = self.taken.borrow_mut();
        let next = taken.partition_point(|number| *number <= last);
        if let Some(number) = taken.get(next) {
            return Ok(*number);
        }
        let begun = Instant::now();
        let number = self.numbers.block().take(self.pool, begun)?;
        taken.push(number);
        Ok(number)
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.taken.borrow().contains(&number)
    }

    /// Removes a number that an object has, which an import has chosen.
    pub(super) fn remove(&self, number: u64) {
        self.taken.borrow_mut().retain(|taken| *taken != number);
    }

    /// Records that objects have these numbers up to `last`.
    pub(super) fn keep(&self, last: u64) {
        self.used.set(last);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut block = self.numbers.block();
        let (taken, used) = (self.taken.get_mut(), self.used.get());
        while block.next > used + 1 && taken.pop_if(|number| *number + 1 == block.next).is_some() {
            block.next -= 1;
        }
    }
}
