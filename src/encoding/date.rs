//! Date-Times as xsd:dateTime, such as `2001-01-01T10:00:00+10:00` (Additional Message Encodings 1.0
//! §4.1.6.11 and §6.1.6.11), and as HTTP dates.

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The days in 400 years, the period of the Gregorian calendar.
const ERA: i64 = 146_097;

/// The days from 0000-03-01 to 1970-01-01. The calculations begin years in March, so that the leap day is the
/// last day.
const EPOCH: i64 = 719_468;

/// Parses an xsd:dateTime into seconds since 1970-01-01 00:00 UTC. The default time zone is UTC; fractions of
/// a second are discarded, because a Date-Time has none.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let (negative, date) = date.strip_prefix('-').map_or((false, date), |rest| (true, rest));
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    if parts.next().is_some() || year.len() < 4 {
        return None;
    }
    let year = digits(year)?;
    let year = if negative { -year } else { year };
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }

    let (time, offset) = split_zone(time)?;
    let (time, fraction) = time.split_once('.').map_or((time, "0"), |(time, fraction)| (time, fraction));
    digits(fraction.get(..1)?)?;
    let mut parts = time.split(':');
    let (hour, minute, second) =
        (two_digits(parts.next()?)?, two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i128::from(days_since_epoch(year, month, day)?) * i128::from(DAY);
    i64::try_from(seconds + i128::from(hour * HOUR + minute * MINUTE + second - offset)).ok()
}

/// Prints a Date-Time as xsd:dateTime in UTC.
pub(super) fn print(seconds: i64) -> String {
    let (year, month, day) = civil_date(seconds.div_euclid(DAY));
    let sign = if year < 0 { "-" } else { "" };
    format!("{sign}{:04}-{month:02}-{day:02}T{}+00:00", year.abs(), time_of_day(seconds))
}

/// Prints a Date-Time Extended, which counts microseconds, as xsd:dateTime in UTC.
pub(super) fn print_extended(microseconds: i64) -> String {
    let (seconds, fraction) = (microseconds.div_euclid(1_000_000), microseconds.rem_euclid(1_000_000));
    let whole = print(seconds);
    let (time, zone) = whole.split_at(whole.len().saturating_sub("+00:00".len()));
    format!("{time}.{fraction:06}{zone}")
}

/// Prints a time as RFC 3339 date-time in UTC with milliseconds, such as `2026-09-01T12:00:00.123Z`.
///
/// Each audit line contains one, so that this function does not use `format!`, which costs thousands of instructions.
pub(super) fn print_precise(seconds: i64, milliseconds: u32) -> String {
    let (year, month, day) = civil_date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let fields = [
        (0..4, year),
        (5..7, month),
        (8..10, day),
        (11..13, second / HOUR),
        (14..16, second % HOUR / MINUTE),
        (17..19, second % MINUTE),
        (20..23, i64::from(milliseconds)),
    ];
    for (place, number) in fields {
        let mut rest = number.unsigned_abs();
        for digit in text.get_mut(place).into_iter().flatten().rev() {
            // The remainder is one digit.
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Prints a Date-Time as an HTTP date, such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
pub(super) fn print_for_http(seconds: i64) -> String {
    const WEEK: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const YEAR: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name =
        |names: &[&'static str], at: i64| usize::try_from(at).ok().and_then(|at| names.get(at).copied());
    let days = seconds.div_euclid(DAY);
    let (year, month, day) = civil_date(days);
    let (weekday, month) = (name(&WEEK, days.rem_euclid(7)), name(&YEAR, month - 1));
    let (weekday, month) = (weekday.unwrap_or_default(), month.unwrap_or_default());
    format!("{weekday}, {day:02} {month} {year:04} {} GMT", time_of_day(seconds))
}

fn time_of_day(seconds: i64) -> String {
    let rest = seconds.rem_euclid(DAY);
    format!("{:02}:{:02}:{:02}", rest / HOUR, rest % HOUR / MINUTE, rest % MINUTE)
}

/// Returns year, month and day of the date `days` days after 1970-01-01.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days + EPOCH;
    let (era, day_of_era) = (shifted.div_euclid(ERA), shifted.rem_euclid(ERA));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Splits the time zone off, and returns the rest and the offset from UTC in seconds.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix('Z') {
        return Some((time, 0));
    }
    let Some(at) = time.find(['+', '-']) else {
        return Some((time, 0));
    };
    let (time, zone) = time.split_at(at);
    let (sign, zone) = zone.split_at(1);
    let (hours, minutes) = zone.split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    let offset = hours * HOUR + minutes * MINUTE;
    Some((time, if sign == "-" { -offset } else { offset }))
}

/// Returns the days from 1970-01-01 to a date.
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let year = year.checked_sub(i64::from(month <= 2))?;
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.checked_mul(ERA)?.checked_add(day_of_era - EPOCH)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

fn two_digits(text: &str) -> Option<i64> {
    if text.len() == 2 { digits(text) } else { None }
}

/// Parses a number without a sign.
fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|digit| digit.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_zones_and_discards_fractions() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2001-01-01T10:00:00+10:00", 0x3a4f_c880),
            ("2001-01-01T10:00:00", 978_343_200),
            ("1969-12-31T23:59:59.999-00:00", -1),
            ("2000-02-29T00:00:00-01:30", 951_787_800),
            ("0000-03-01T00:00:00Z", -719_468 * 86_400),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn rejects_invalid_dates() {
        for text in [
            "",
            "2001-01-01",
            "2001-02-29T00:00:00Z",
            "2001-13-01T00:00:00Z",
            "2001-01-01T24:00:00Z",
            "2001-01-01T00:00Z",
            "2001-1-01T00:00:00Z",
            "01-01-01T00:00:00Z",
            "2001-01-01T00:00:00+15:00",
            "2001-01-01T00:00:00.Z",
            "+2001-01-01T00:00:00Z",
            "99999999999999999999-01-01T00:00:00Z",
            "9223372036854775807-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn prints_milliseconds_with_all_digits() {
        assert_eq!(print_precise(1_788_264_000, 7), "2026-09-01T12:00:00.007Z");
        assert_eq!(print_precise(253_402_300_799, 999), "9999-12-31T23:59:59.999Z");
        assert_eq!(print_precise(0, 0), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn prints_http_dates() {
        assert_eq!(print_for_http(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(print_for_http(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn parses_printed_dates() {
        assert_eq!(print(0x4F9A_54E5), "2012-04-27T08:12:21+00:00");
        for seconds in
            [0, -1, 951_782_400, 1_709_164_799, i64::MAX, i64::MIN, -62_167_219_201, 253_402_300_800]
        {
            assert_eq!(parse(&print(seconds)), Some(seconds), "{}", print(seconds));
        }
    }
}
