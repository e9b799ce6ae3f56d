//! The numbers of new objects. A server reserves a block of numbers in the database, so that its numbers ascend and no other
//! server assigns them.

use std::cell::{Cell, RefCell};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use super::connection::{CALL, Connection, Failure, Step};
use super::pool::Pool;
use crate::lock::IgnorePoison;
use crate::store::Error;
use crate::store::request_time::{left, waiting};

/// The numbers of a block. The rest of a block is lost when the server stops.
const BLOCK: i64 = 64;

const RESERVE: &str = "UPDATE counter SET last_id = last_id + $1 RETURNING last_id";

/// The numbers that this server has reserved.
#[derive(Default)]
pub(super) struct Numbers {
    block: Mutex<Block>,
    /// A reservation has ended.
    reserved: Condvar,
}

#[derive(Default)]
struct Block {
    next: u64,
    /// The number behind the last one.
    end: u64,
    /// Whether a thread reserves the next block.
    is_reserving: bool,
    /// A connection of its own, because a transaction that needs a number holds one of the pool.
    connection: Option<Connection>,
}

/// Reserves a block in the database and returns its last number.
fn reserve(pool: &Pool, idle: Option<Connection>) -> Result<(u64, Connection), Error> {
    let idle = idle.and_then(|mut idle| idle.check().then_some(idle));
    let mut connection = idle.map_or_else(|| pool.connect(), Ok)?;
    let rows = connection.query(CALL, &Step::new(RESERVE, vec![Box::new(BLOCK)]));
    let rows = rows.map_err(|why| pool.failed("reserve numbers", why))?;
    let last = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok());
    Ok((last.ok_or(Error::NotInitialized)?.unsigned_abs(), connection))
}

/// Lets another thread reserve a block after a panic of this one.
struct Reserving<'n>(&'n Numbers);

impl Drop for Reserving<'_> {
    fn drop(&mut self) {
        self.0.block().is_reserving = false;
        self.0.reserved.notify_all();
    }
}

impl Numbers {
    /// Returns the next number. One thread reserves a block if there is none; the others wait for it, for the time of a call.
    fn take(&self, pool: &Pool) -> Result<u64, Error> {
        let deadline = Instant::now() + left(CALL);
        let mut block = self.block();
        loop {
            if block.next < block.end {
                block.next += 1;
                return Ok(block.next - 1);
            }
            if block.is_reserving {
                let rest = deadline.saturating_duration_since(Instant::now());
                if rest.is_zero() {
                    let why = Failure::local("the database did not answer in time", false);
                    return Err(pool.failed("reserve numbers", why));
                }
                block = waiting(|| self.reserved.wait_timeout(block, rest)).ignore_poison().0;
                continue;
            }
            block.is_reserving = true;
            let idle = block.connection.take();
            drop(block);
            let panics = Reserving(self);
            let reserved = reserve(pool, idle);
            std::mem::forget(panics);
            block = self.block();
            block.is_reserving = false;
            self.reserved.notify_all();
            let (last, connection) = reserved?;
            (block.next, block.end) = (last + 1 - BLOCK.unsigned_abs(), last + 1);
            block.connection = Some(connection);
        }
    }

    /// Lets later numbers be higher than `chosen`, the number of an imported object.
    pub(super) fn raise(&self, chosen: u64) {
        let mut block = self.block();
        block.next = block.next.max(chosen.saturating_add(1));
    }

    fn block(&self) -> MutexGuard<'_, Block> {
        self.block.lock().ignore_poison()
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
        let number = self.numbers.take(self.pool)?;
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
