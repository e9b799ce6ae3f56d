//! The injected clock: the only source of time for requests and for what the server keeps between them.
//!
//! Deadlines of sockets read the machine's clock themselves: the operating system enforces them in real time.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::lock::IgnorePoison;
use crate::ttlv::DateTime;

/// A source of wall-clock and monotonic time. Clones share their time.
#[derive(Clone, Default)]
pub struct Clock {
    /// The time of a manual clock, or `None` for the machine's clock.
    manual: Option<Arc<Mutex<Reading>>>,
}

/// One reading of both kinds of time.
#[derive(Clone, Copy, Debug)]
struct Reading {
    wall: SystemTime,
    monotonic: Instant,
}

impl Clock {
    /// Returns the machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// Returns a clock that stands still at the machine's time of this call until [`Clock::advance`] moves it.
    pub fn manual() -> Self {
        let reading = Reading { wall: SystemTime::now(), monotonic: Instant::now() };
        Self { manual: Some(Arc::new(Mutex::new(reading))) }
    }

    /// Moves a manual clock and all its clones forward; does nothing to the machine's clock.
    pub fn advance(&self, by: Duration) {
        if let Some(manual) = &self.manual {
            let mut reading = manual.lock().ignore_poison();
            reading.wall += by;
            reading.monotonic += by;
        }
    }

    /// Returns the wall-clock time as KMIP writes it, in seconds.
    pub fn now(&self) -> DateTime {
        self.system_time().into()
    }

    /// Returns the wall-clock time.
    pub fn system_time(&self) -> SystemTime {
        self.reading().map_or_else(SystemTime::now, |reading| reading.wall)
    }

    /// Returns the monotonic time, which lifetimes are measured by.
    pub fn instant(&self) -> Instant {
        self.reading().map_or_else(Instant::now, |reading| reading.monotonic)
    }

    fn reading(&self) -> Option<Reading> {
        self.manual.as_ref().map(|manual| *manual.lock().ignore_poison())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reading() {
            Some(reading) => write!(f, "Clock(manual, {:?})", reading.wall),
            None => f.write_str("Clock(system)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_only_when_advanced_and_takes_its_clones_along() {
        let clock = Clock::manual();
        let (wall, monotonic) = (clock.now(), clock.instant());
        let clone = clock.clone();
        assert_eq!((clone.now(), clone.instant()), (wall, monotonic));
        clock.advance(Duration::from_secs(90));
        assert_eq!(clone.now(), DateTime(wall.0 + 90));
        assert_eq!(clone.instant(), monotonic + Duration::from_secs(90));
    }

    #[test]
    fn system_clock_ignores_advance() {
        let clock = Clock::system();
        clock.advance(Duration::from_secs(1 << 30));
        assert!(clock.system_time() < SystemTime::now() + Duration::from_secs(3_600));
        assert!(clock.instant() <= Instant::now());
    }
}
