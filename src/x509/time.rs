//! Dates of certificates (RFC 5280 §4.1.2.5).

use super::der::{Element, tag};
use crate::ttlv::DateTime;

/// Reads a UTCTime, of the years 1950 to 2049, or a GeneralizedTime, of the years 0 to 9999, both in seconds and UTC.
pub fn date(element: Element<'_>) -> Option<DateTime> {
    let digits = element.value.strip_suffix(b"Z").filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let number = |[tens, ones]: &[u8; 2]| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    let (year, rest) = match (element.tag, pairs) {
        (tag::UTC_TIME, [year, rest @ ..]) => {
            let year = number(year);
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (tag::GENERALIZED_TIME, [century, year, rest @ ..]) => (number(century) * 100 + number(year), rest),
        _ => return None,
    };
    let [month, day, hour, minute, second] = rest else { return None };
    let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(number);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(DateTime(seconds))
}

/// Returns the number of days from 1970-01-01 to a date of the Gregorian calendar.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have the leap day at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tag: u8, text: &str) -> Option<i64> {
        date(Element { tag, value: text.as_bytes(), der: &[] }).map(|date| date.0)
    }

    #[test]
    fn reads_dates_of_both_types() {
        for (text, seconds) in [
            ("700101000000Z", 0),
            ("691231235959Z", -1),
            ("500101000000Z", -631_152_000),
            ("491231235959Z", 2_524_607_999),
            ("000229120000Z", 951_825_600),
        ] {
            assert_eq!(read(tag::UTC_TIME, text), Some(seconds), "{text}");
        }
        for (text, seconds) in [
            ("19700101000000Z", 0),
            ("20380119031408Z", 2_147_483_648),
            ("99991231235959Z", 253_402_300_799),
            ("16010101000000Z", -11_644_473_600),
            ("00000101000000Z", -62_167_219_200),
            ("24000229000000Z", 13_574_563_200),
        ] {
            assert_eq!(read(tag::GENERALIZED_TIME, text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "",
            "Z",
            "700101000000",
            "7001010000Z",
            "700132000000Z",
            "700229000000Z",
            "701301000000Z",
            "700100000000Z",
            "700101240000Z",
            "700101006000Z",
            "700101000060Z",
            "700101000000+0100",
            "70010100000aZ",
            "19700101000000Z",
        ] {
            assert_eq!(read(tag::UTC_TIME, text), None, "{text}");
        }
        assert_eq!(read(tag::GENERALIZED_TIME, "700101000000Z"), None);
        assert_eq!(read(tag::GENERALIZED_TIME, "19700101000000.5Z"), None);
        assert_eq!(read(tag::UTF8_STRING, "700101000000Z"), None);
    }
}
