//! The injected clock: the only source of time for requests and for what the server keeps between them.
//!
//! Deadlines of sockets read the machine's clock themselves: the operating system enforces them in real time.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::lock::IgnorePoison;
use crate::ttlv::DateTime;

/// The latest time that a clock can be set to: the last second of the year 9999, the latest date that clients can write.
const LATEST: u64 = 253_402_300_799;

/// A source of wall-clock and monotonic time. Clones share their time.
#[derive(Clone, Default)]
pub struct Clock {
    /// The time of a clock that can be moved, or `None` for the machine's clock.
    moved: Option<Arc<Mutex<Movement>>>,
}

/// One reading of both kinds of time.
#[derive(Clone, Copy, Debug)]
struct Reading {
    wall: SystemTime,
    monotonic: Instant,
}

impl Reading {
    fn of_machine() -> Self {
        Self { wall: SystemTime::now(), monotonic: Instant::now() }
    }

    /// Returns the reading after this time, or `None` if it is later than [`LATEST`].
    fn after(self, time: Duration) -> Option<Self> {
        let wall = self.wall.checked_add(time).filter(|wall| seconds(*wall) <= LATEST)?;
        Some(Self { wall, monotonic: self.monotonic.checked_add(time)? })
    }
}

/// The time of a clock that can be moved.
#[derive(Clone, Copy, Debug)]
struct Movement {
    /// The time at the last movement.
    base: Reading,
    /// The machine's monotonic time at the last movement, or `None` while the clock stands still.
    since: Option<Instant>,
}

impl Movement {
    fn reading(&self) -> Reading {
        let passed = self.since.map(|since| since.elapsed()).unwrap_or_default();
        self.base.after(passed).unwrap_or(self.base)
    }

    /// Replaces the time by `reading`.
    fn restart(&mut self, reading: Reading) {
        *self = Self { base: reading, since: self.since.map(|_| Instant::now()) };
    }
}

/// The reason why a clock cannot be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockError {
    /// The clock is the machine's clock.
    System,
    /// The time would be before 1970 or after 9999.
    OutOfRange,
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "the clock of the machine cannot be moved",
            Self::OutOfRange => "the time would be before the year 1970 or after the year 9999",
        })
    }
}

impl Clock {
    /// Returns the machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// Returns a clock that stands still at the machine's time of this call until [`Clock::advance`] moves it.
    pub fn manual() -> Self {
        let clock = Self::movable();
        let _ = clock.freeze();
        clock
    }

    /// Returns a clock that runs like the machine's clock, and that can be moved and stopped.
    pub fn movable() -> Self {
        let base = Reading::of_machine();
        Self { moved: Some(Arc::new(Mutex::new(Movement { base, since: Some(base.monotonic) }))) }
    }

    /// Moves the clock and all its clones forward.
    ///
    /// # Errors
    /// Returns an error for the machine's clock and for a time that is out of range.
    pub fn advance(&self, by: Duration) -> Result<(), ClockError> {
        self.change(|movement| {
            movement.restart(movement.reading().after(by).ok_or(ClockError::OutOfRange)?);
            Ok(())
        })
    }

    /// Sets the wall-clock time. If the new time is later, lifetimes pass as after [`Clock::advance`]; monotonic time does
    /// not go back.
    ///
    /// # Errors
    /// As [`Clock::advance`].
    pub fn set(&self, wall: SystemTime) -> Result<(), ClockError> {
        self.change(|movement| {
            let now = movement.reading();
            let reading = match wall.duration_since(now.wall) {
                Ok(later) => now.after(later),
                Err(_) => Some(Reading { wall, ..now }).filter(|_| wall >= UNIX_EPOCH),
            };
            movement.restart(reading.ok_or(ClockError::OutOfRange)?);
            Ok(())
        })
    }

    /// Stops the clock at its time.
    ///
    /// # Errors
    /// Returns an error for the machine's clock.
    pub fn freeze(&self) -> Result<(), ClockError> {
        self.change(|movement| {
            *movement = Movement { base: movement.reading(), since: None };
            Ok(())
        })
    }

    /// Lets a stopped clock run.
    ///
    /// # Errors
    /// Returns an error for the machine's clock.
    pub fn resume(&self) -> Result<(), ClockError> {
        self.change(|movement| {
            *movement = Movement { base: movement.reading(), since: Some(Instant::now()) };
            Ok(())
        })
    }

    /// Makes the clock run with the machine's wall-clock time. Monotonic time does not go back.
    ///
    /// # Errors
    /// Returns an error for the machine's clock.
    pub fn reset(&self) -> Result<(), ClockError> {
        self.resume()?;
        self.set(SystemTime::now())
    }

    /// Returns whether the clock stands still.
    pub fn is_frozen(&self) -> bool {
        self.moved.as_ref().is_some_and(|moved| moved.lock().ignore_poison().since.is_none())
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
        self.moved.as_ref().map(|moved| moved.lock().ignore_poison().reading())
    }

    fn change(&self, change: impl FnOnce(&mut Movement) -> Result<(), ClockError>) -> Result<(), ClockError> {
        let moved = self.moved.as_ref().ok_or(ClockError::System)?;
        change(&mut moved.lock().ignore_poison())
    }
}

/// Returns the seconds since 1970, or 0 before.
fn seconds(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reading() {
            Some(reading) => write!(f, "Clock(movable, {:?})", reading.wall),
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
        clock.advance(Duration::from_secs(90)).unwrap();
        assert_eq!(clone.now(), DateTime(wall.0 + 90));
        assert_eq!(clone.instant(), monotonic + Duration::from_secs(90));
    }

    #[test]
    fn system_clock_refuses_to_move() {
        let clock = Clock::system();
        assert_eq!(clock.advance(Duration::from_secs(1 << 30)), Err(ClockError::System));
        assert_eq!(clock.set(UNIX_EPOCH), Err(ClockError::System));
        assert_eq!(clock.freeze(), Err(ClockError::System));
        assert!(clock.system_time() < SystemTime::now() + Duration::from_secs(3_600));
        assert!(clock.instant() <= Instant::now());
    }

    #[test]
    fn movable_clock_runs_and_stops_and_keeps_its_offset() {
        let clock = Clock::movable();
        let hour = Duration::from_secs(3_600);
        clock.advance(hour).unwrap();
        let (wall, monotonic) = (clock.system_time(), clock.instant());
        assert!(wall > SystemTime::now() + hour - Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.system_time() > wall && clock.instant() > monotonic);
        clock.freeze().unwrap();
        let stopped = (clock.system_time(), clock.instant());
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!((clock.system_time(), clock.instant()), stopped);
        assert!(clock.is_frozen());
        clock.resume().unwrap();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.system_time() > stopped.0);
        clock.reset().unwrap();
        assert!(clock.system_time() < SystemTime::now() + hour / 2);
    }

    #[test]
    fn setting_the_clock_back_does_not_move_monotonic_time_back() {
        let clock = Clock::manual();
        let monotonic = clock.instant();
        clock.set(UNIX_EPOCH + Duration::from_secs(1_000)).unwrap();
        assert_eq!((clock.now(), clock.instant()), (DateTime(1_000), monotonic));
        clock.set(UNIX_EPOCH + Duration::from_secs(1_060)).unwrap();
        assert_eq!(clock.instant(), monotonic + Duration::from_secs(60));
    }

    #[test]
    fn time_outside_of_the_years_1970_to_9999_is_refused() {
        let clock = Clock::manual();
        let before = clock.now();
        assert_eq!(clock.advance(Duration::MAX), Err(ClockError::OutOfRange));
        assert_eq!(clock.set(UNIX_EPOCH + Duration::from_secs(LATEST + 1)), Err(ClockError::OutOfRange));
        assert_eq!(clock.set(UNIX_EPOCH - Duration::from_secs(1)), Err(ClockError::OutOfRange));
        assert_eq!(clock.now(), before);
        clock.set(UNIX_EPOCH + Duration::from_secs(LATEST)).unwrap();
        assert_eq!(clock.now(), DateTime(253_402_300_799));
    }
}
