//! Reads the elements of DER.
//!
//! The package `der` refuses what certificates of the field contain, such as UniversalString and dates before 1970.

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet, with class and form.
    pub tag: u8,
    /// The contents.
    pub value: &'a [u8],
    /// The whole element.
    pub der: &'a [u8],
}

/// Identifier octets (X.690 §8.1.2).
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING.
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// OBJECT IDENTIFIER.
    pub const OBJECT_IDENTIFIER: u8 = 0x06;
    /// UTF8String.
    pub const UTF8_STRING: u8 = 0x0C;
    /// NumericString.
    pub const NUMERIC_STRING: u8 = 0x12;
    /// PrintableString.
    pub const PRINTABLE_STRING: u8 = 0x13;
    /// TeletexString.
    pub const TELETEX_STRING: u8 = 0x14;
    /// IA5String.
    pub const IA5_STRING: u8 = 0x16;
    /// UTCTime.
    pub const UTC_TIME: u8 = 0x17;
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// VisibleString.
    pub const VISIBLE_STRING: u8 = 0x1A;
    /// UniversalString.
    pub const UNIVERSAL_STRING: u8 = 0x1C;
    /// BMPString.
    pub const BMP_STRING: u8 = 0x1E;
    /// SEQUENCE.
    pub const SEQUENCE: u8 = 0x30;
    /// SET.
    pub const SET: u8 = 0x31;

    /// Returns the identifier octet of an implicitly tagged primitive type.
    pub const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// Returns the identifier octet of an explicitly tagged, or a constructed, type.
    pub const fn constructed(number: u8) -> u8 {
        0xA0 | number
    }
}

/// Reads elements one after another.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// Reads the elements of `bytes`.
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Reads the elements in `der`, which is one element with the identifier octet `tag`.
    pub fn within(tag: u8, der: &'a [u8]) -> Option<Self> {
        let mut outer = Self(der);
        let element = outer.take(tag)?;
        outer.0.is_empty().then_some(Self(element.value))
    }

    /// Returns the contents of `der`, which is one element with the identifier octet `tag`.
    pub fn contents(tag: u8, der: &'a [u8]) -> Option<&'a [u8]> {
        Self::within(tag, der).map(|elements| elements.0)
    }

    /// Returns whether all elements have been read.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the next element without reading it.
    pub fn peek(&self) -> Option<Element<'a>> {
        Self(self.0).read()
    }

    /// Reads the next element. Returns `None` at the end, and if it is malformed.
    pub fn read(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        // No certificate uses tag numbers from 31 on.
        if tag & 0x1F == 0x1F {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7F => (usize::from(first), rest),
            // Four bytes are more than any message contains.
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
                let length = digits.iter().fold(0, |length: usize, &byte| length << 8 | usize::from(byte));
                // The shortest form is the only one (X.690 §10.1).
                let is_shortest = length > 0x7F && *digits.first()? != 0;
                (is_shortest.then_some(length)?, rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        let (der, _) = self.0.split_at_checked(self.0.len() - rest.len())?;
        self.0 = rest;
        Some(Element { tag, value, der })
    }

    /// Reads the next element, which has this identifier octet.
    pub fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        self.read().filter(|element| element.tag == tag)
    }

    /// Reads the next element if it has this identifier octet.
    pub fn take_if(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.peek()?.tag == tag { self.read() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_elements_of_a_sequence() {
        let der = [tag::SEQUENCE, 6, tag::BOOLEAN, 1, 0xFF, tag::INTEGER, 1, 7];
        let mut elements = Elements::within(tag::SEQUENCE, &der).unwrap();
        assert_eq!(elements.take_if(tag::INTEGER), None);
        assert_eq!(elements.take_if(tag::BOOLEAN).unwrap().value, [0xFF]);
        assert_eq!(elements.take(tag::INTEGER).unwrap().der, [tag::INTEGER, 1, 7]);
        assert!(elements.is_empty() && elements.read().is_none());
        assert!(Elements::within(tag::SET, &der).is_none());
        assert!(Elements::within(tag::SEQUENCE, &[&der[..], &[0]].concat()).is_none(), "a byte behind it");
    }

    #[test]
    fn reads_each_length_in_its_shortest_form_only() {
        for (length, header) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (256, &[4, 0x82, 1, 0]),
            (65_536, &[4, 0x83, 1, 0, 0]),
        ] {
            let der = [header, &vec![9; length]].concat();
            assert_eq!(Elements::of(&der).read().unwrap().value.len(), length);
            assert!(Elements::of(&der[..der.len() - 1]).read().is_none(), "cut");
        }
        for wrong in [
            &[4, 0x81, 1, 9][..],
            &[4, 0x82, 0, 1, 9],
            &[4, 0x80, 0, 0],
            &[4, 0x85, 0, 0, 0, 0, 1, 9],
            &[0x1F, 0],
            &[4],
        ] {
            assert!(Elements::of(wrong).read().is_none(), "{wrong:?}");
        }
    }
}
