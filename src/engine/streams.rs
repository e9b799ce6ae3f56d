//! Cryptographic operations that go on over several requests (KMIP 1.4 §4 "Multi-part operations" and §2.1.15
//! to §2.1.17, 2.1 §6.1): what an operation wants to go on with, kept in memory between them.
//!
//! A correlation value is random and of a length that nobody guesses, and belongs to the user who began. What is
//! kept is bounded in number and in time; how large one of them can grow is left to the operation. It does not
//! outlive the server, and a batch that is undone does not bring it back.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::crypto::random;
use crate::kmip::enums::ResultReason;
use crate::kmip::{Error, Principal};
use crate::lock::IgnorePoison;

use super::error::failed;

/// How long nothing may be sent before an operation under way is forgotten. Long enough for a client that waits
/// for a slow disk, short enough for what a crashed one leaves behind.
const IDLE: Duration = Duration::from_secs(600);

/// How many operations a user may have under way. One more costs the one that has been idle longest: a client
/// that crashes again and again does not lock itself out.
const MOST_OF_A_USER: usize = 64;

/// How many operations all users together may have under way.
const MOST: usize = 1024;

/// The length of a correlation value, in bytes: 128 bits that are random.
const CORRELATION: usize = 16;

/// The operations that are under way.
#[derive(Default)]
pub struct Streams(Mutex<HashMap<[u8; CORRELATION], Kept>>);

struct Kept {
    owner: Principal,
    touched: Instant,
    work: Box<dyn Any + Send>,
}

impl Streams {
    /// Keeps `work` for `asker` and gives the correlation value that brings it back.
    ///
    /// # Errors
    /// Server Limit Exceeded (before 2.0 General Failure) where there are too many, Cryptographic Failure
    /// without random bytes.
    pub(super) fn begin<T: Any + Send>(
        &self,
        asker: &Principal,
        work: T,
        now: Instant,
    ) -> Result<Vec<u8>, Error> {
        let mut correlation = [0; CORRELATION];
        random::fill(&mut correlation)?;
        let mut kept = self.lock();
        kept.retain(|_, kept| now.saturating_duration_since(kept.touched) < IDLE);
        let own = kept.iter().filter(|(_, kept)| kept.owner.user == asker.user);
        if own.clone().count() >= MOST_OF_A_USER
            && let Some(oldest) =
                own.min_by_key(|(_, kept)| kept.touched).map(|(correlation, _)| *correlation)
        {
            kept.remove(&oldest);
        }
        if kept.len() >= MOST {
            return Err(failed(
                ResultReason::ServerLimitExceeded,
                format!("There are {MOST} multi-part operations under way, and there can be no more."),
            ));
        }
        kept.insert(correlation, Kept { owner: asker.clone(), touched: now, work: Box::new(work) });
        Ok(correlation.to_vec())
    }

    /// Takes back what `asker` began, if it is of the kind `T`. Nobody else has it until [`Streams::go_on`].
    ///
    /// # Errors
    /// Invalid Correlation Value (before 2.0 Item Not Found), without telling an unknown one from one of
    /// somebody else or of another operation.
    pub(super) fn resume<T: Any + Send>(
        &self,
        asker: &Principal,
        correlation: &[u8],
        now: Instant,
    ) -> Result<T, Error> {
        let mut kept = self.lock();
        let key = <[u8; CORRELATION]>::try_from(correlation).ok();
        let found = key.filter(|key| {
            kept.get(key).is_some_and(|kept| {
                let idle = now.saturating_duration_since(kept.touched);
                asker.is_same_owner_as(&kept.owner) && idle < IDLE && kept.work.is::<T>()
            })
        });
        let work = found.and_then(|key| kept.remove(&key)).map(|kept| kept.work.downcast::<T>());
        match work {
            Some(Ok(work)) => Ok(*work),
            _ => Err(unknown()),
        }
    }

    /// Keeps what was taken back, under the same correlation value.
    ///
    /// # Errors
    /// As [`Streams::resume`], for a value that never was one.
    pub(super) fn go_on<T: Any + Send>(
        &self,
        asker: &Principal,
        correlation: &[u8],
        work: T,
        now: Instant,
    ) -> Result<(), Error> {
        let key = <[u8; CORRELATION]>::try_from(correlation).map_err(|_| unknown())?;
        self.lock().insert(key, Kept { owner: asker.clone(), touched: now, work: Box::new(work) });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; CORRELATION], Kept>> {
        // Nothing here leaves the map half changed.
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
    fn what_was_begun_comes_back_once_and_goes_on_under_its_value() {
        let (streams, now) = (Streams::default(), Instant::now());
        let correlation = streams.begin(&"john".into(), 7u32, now).unwrap();
        assert_eq!(correlation.len(), CORRELATION);
        assert_ne!(streams.begin(&"john".into(), 7u32, now).unwrap(), correlation);
        assert_eq!(streams.resume::<u32>(&"john".into(), &correlation, now), Ok(7));
        assert_eq!(streams.resume::<u32>(&"john".into(), &correlation, now), Err(unknown()));
        streams.go_on(&"john".into(), &correlation, 8u32, now).unwrap();
        assert_eq!(streams.resume::<u32>(&"john".into(), &correlation, now), Ok(8));
    }

    #[test]
    fn nobody_else_and_no_other_operation_gets_it_and_a_try_does_not_end_it() {
        let (streams, now) = (Streams::default(), Instant::now());
        let correlation = streams.begin(&"john".into(), 7u32, now).unwrap();
        assert_eq!(streams.resume::<u32>(&"jane".into(), &correlation, now), Err(unknown()));
        assert_eq!(streams.resume::<u64>(&"john".into(), &correlation, now), Err(unknown()));
        assert_eq!(streams.resume::<u32>(&"john".into(), &correlation[1..], now), Err(unknown()));
        assert_eq!(streams.resume::<u32>(&"john".into(), &correlation, now), Ok(7));
    }

    #[test]
    fn what_is_idle_for_too_long_is_forgotten() {
        let (streams, now) = (Streams::default(), Instant::now());
        let correlation = streams.begin(&"john".into(), 7u32, now).unwrap();
        let late = now + IDLE;
        assert_eq!(streams.resume::<u32>(&"john".into(), &correlation, late), Err(unknown()));
        streams.begin(&"john".into(), 8u32, late).unwrap();
        assert_eq!(streams.lock().len(), 1);
    }

    #[test]
    fn a_user_loses_the_oldest_and_all_users_together_have_a_bound() {
        let (streams, now) = (Streams::default(), Instant::now());
        let at = |number| now + Duration::from_millis(number);
        let first = streams.begin(&"john".into(), 0u32, at(0)).unwrap();
        let second = streams.begin(&"john".into(), 1u32, at(1)).unwrap();
        for number in 2..=64 {
            streams.begin(&"john".into(), 2u32, at(number)).unwrap();
        }
        assert_eq!(streams.lock().len(), MOST_OF_A_USER);
        assert_eq!(streams.resume::<u32>(&"john".into(), &first, at(70)), Err(unknown()));
        assert_eq!(streams.resume::<u32>(&"john".into(), &second, at(70)), Ok(1));
        let mut refused = None;
        for user in 0..=MOST {
            refused = streams.begin(&user.to_string().into(), 3u32, at(70)).err().or(refused);
        }
        assert_eq!(refused.unwrap().reason, ResultReason::ServerLimitExceeded);
        assert_eq!(streams.lock().len(), MOST);
    }
}
