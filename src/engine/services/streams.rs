//! State of multi-part cryptographic operations between their requests (KMIP 1.4 §4 "Multi-part operations" and
//! §2.1.15 to §2.1.17, 2.1 §6.1).
//!
//! A Correlation Value is random and belongs to the user whose request started the operation. The state is bounded
//! in number and lifetime; the operation bounds its size. The state does not survive a restart of the server, and
//! Undo of a batch does not restore it.

use std::any::Any;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::bounded_map::{BoundedMap, Bounds, WhenFull};
use crate::crypto::random;
use crate::kmip::enums::ResultReason;
use crate::kmip::{Error, Principal};
use crate::lock::IgnorePoison;

use super::super::error::failed;

/// The lifetime of the state after a part: long enough for a client that reads from a slow disk, and short enough
/// that the state of a crashed client does not stay for long.
const IDLE: Duration = Duration::from_secs(600);

/// One more operation of a user evicts the user's oldest one, so that a client that crashes again and again does not
/// lock itself out.
const BOUNDS: Bounds =
    Bounds { capacity: 1024, when_full: WhenFull::Refuse, share: 64, when_share_used: WhenFull::EvictOldest };

/// The length of a Correlation Value: 16 random bytes.
const CORRELATION: usize = 16;

/// The multi-part operations that have started and not ended.
pub struct Streams(Mutex<Table>);

type Table = BoundedMap<[u8; CORRELATION], Stream>;

struct Stream {
    owner: Principal,
    state: Box<dyn Any + Send>,
}

impl Default for Streams {
    fn default() -> Self {
        Self(Mutex::new(BoundedMap::new(BOUNDS)))
    }
}

impl Streams {
    /// Stores the state of a new operation of `owner` and returns its Correlation Value.
    ///
    /// # Errors
    /// Returns Server Limit Exceeded (before 2.0 General Failure) if all users together have too many operations,
    /// and Cryptographic Failure if no random bytes are available.
    pub(crate) fn begin<T: Any + Send>(
        &self,
        owner: &Principal,
        state: T,
        now: Instant,
    ) -> Result<Vec<u8>, Error> {
        let mut correlation = [0; CORRELATION];
        random::fill(&mut correlation)?;
        let stream = Stream { owner: owner.clone(), state: Box::new(state) };
        self.table().insert(correlation, &owner.user, stream, Some(IDLE), now).map_err(|_| {
            failed(
                ResultReason::ServerLimitExceeded,
                format!(
                    "The limit of {} multi-part operations under way is reached; end some of them.",
                    BOUNDS.capacity
                ),
            )
        })?;
        Ok(correlation.to_vec())
    }

    /// Removes and returns the state of an operation of `owner` if it is of type `T`. Other requests cannot use the
    /// Correlation Value until [`Streams::put_back`] stores the state again.
    ///
    /// # Errors
    /// Returns Invalid Correlation Value (before 2.0 Item Not Found), also for the value of another user or of
    /// another operation.
    pub(crate) fn take<T: Any + Send>(
        &self,
        owner: &Principal,
        correlation: &[u8],
        now: Instant,
    ) -> Result<T, Error> {
        let key = <[u8; CORRELATION]>::try_from(correlation).map_err(|_| unknown())?;
        let mut table = self.table();
        let stream = table.live_mut(&key, now);
        if !stream.is_some_and(|stream| owner.is_same_owner_as(&stream.owner) && stream.state.is::<T>()) {
            return Err(unknown());
        }
        let state = table.remove(&key).map(|stream| stream.state.downcast::<T>());
        match state {
            Some(Ok(state)) => Ok(*state),
            _ => Err(unknown()),
        }
    }

    /// Stores the state that [`Streams::take`] returned, under the same Correlation Value.
    ///
    /// # Errors
    /// Returns Invalid Correlation Value if the value does not have the length of a Correlation Value.
    pub(crate) fn put_back<T: Any + Send>(
        &self,
        owner: &Principal,
        correlation: &[u8],
        state: T,
        now: Instant,
    ) -> Result<(), Error> {
        let key = <[u8; CORRELATION]>::try_from(correlation).map_err(|_| unknown())?;
        let stream = Stream { owner: owner.clone(), state: Box::new(state) };
        self.table().put_back(key, &owner.user, stream, Some(IDLE), now);
        Ok(())
    }

    /// Forgets all operations.
    pub(super) fn clear(&self) {
        *self.table() = BoundedMap::new(BOUNDS);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().ignore_poison()
    }
}

fn unknown() -> Error {
    failed(
        ResultReason::InvalidCorrelationValue,
        "No multi-part operation of that kind is under way with this Correlation Value.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_state_once_until_it_is_stored_again_under_the_same_value() {
        let (streams, now) = (Streams::default(), Instant::now());
        let correlation = streams.begin(&"john".into(), 7u32, now).unwrap();
        assert_eq!(correlation.len(), CORRELATION);
        assert_ne!(streams.begin(&"john".into(), 7u32, now).unwrap(), correlation);
        assert_eq!(streams.take::<u32>(&"john".into(), &correlation, now), Ok(7));
        assert_eq!(streams.take::<u32>(&"john".into(), &correlation, now), Err(unknown()));
        streams.put_back(&"john".into(), &correlation, 8u32, now).unwrap();
        assert_eq!(streams.take::<u32>(&"john".into(), &correlation, now), Ok(8));
    }

    #[test]
    fn refuses_other_users_and_other_operations_and_keeps_the_state() {
        let (streams, now) = (Streams::default(), Instant::now());
        let correlation = streams.begin(&"john".into(), 7u32, now).unwrap();
        assert_eq!(streams.take::<u32>(&"jane".into(), &correlation, now), Err(unknown()));
        assert_eq!(streams.take::<u64>(&"john".into(), &correlation, now), Err(unknown()));
        assert_eq!(streams.take::<u32>(&"john".into(), &correlation[1..], now), Err(unknown()));
        assert_eq!(streams.take::<u32>(&"john".into(), &correlation, now), Ok(7));
    }

    #[test]
    fn state_expires_if_no_part_follows() {
        let (streams, now) = (Streams::default(), Instant::now());
        let correlation = streams.begin(&"john".into(), 7u32, now).unwrap();
        let late = now + IDLE;
        assert_eq!(streams.take::<u32>(&"john".into(), &correlation, late), Err(unknown()));
        streams.begin(&"john".into(), 8u32, late).unwrap();
        assert_eq!(streams.table().len(), 1);
    }

    #[test]
    fn evicts_the_oldest_stream_of_a_user_and_refuses_streams_past_the_capacity() {
        let (streams, now) = (Streams::default(), Instant::now());
        let at = |number| now + Duration::from_millis(number);
        let first = streams.begin(&"john".into(), 0u32, at(0)).unwrap();
        let second = streams.begin(&"john".into(), 1u32, at(1)).unwrap();
        for number in 2..=64 {
            streams.begin(&"john".into(), 2u32, at(number)).unwrap();
        }
        assert_eq!(streams.table().len(), 64);
        assert_eq!(streams.take::<u32>(&"john".into(), &first, at(70)), Err(unknown()));
        assert_eq!(streams.take::<u32>(&"john".into(), &second, at(70)), Ok(1));
        let mut refused = None;
        for user in 0..=1024 {
            refused = streams.begin(&user.to_string().into(), 3u32, at(70)).err().or(refused);
        }
        assert_eq!(refused.unwrap().reason, ResultReason::ServerLimitExceeded);
        assert_eq!(streams.table().len(), 1024);
    }
}
