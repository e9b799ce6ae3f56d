//! Macros that declare enumerations, bit masks and structures, and generate their encoding: `wire_enum!`,
//! `wire_mask!` and `structure!`.

/// Declares an enumeration: each entry with its number, its name in the standard and its first version.
/// Decoding an undeclared number returns an error.
macro_rules! wire_enum {
    ($(#[$meta:meta])* pub enum $Name:ident { $($Entry:ident = $value:literal $text:literal $since:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $Name { $(#[doc = $text] $Entry = $value,)* }

        impl $Name {
            /// Every entry, in ascending order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$Entry,)*];

            /// Returns the entry with the number `value`, or `None` if the standard defines none.
            pub const fn from_wire(value: u32) -> Option<Self> {
                match value { $($value => Some(Self::$Entry),)* _ => None }
            }

            /// Returns the number of the entry.
            pub const fn to_wire(self) -> u32 {
                self as u32
            }

            /// Returns the name of the entry in the standard.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$Entry => $text,)* }
            }

            /// Returns the first version that defines the entry.
            pub const fn since(self) -> $crate::ttlv::Version {
                match self { $(Self::$Entry => $crate::ttlv::$since,)* }
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl $crate::ttlv::Value for $Name {
            fn decode(item: &$crate::ttlv::Item<'_>) -> Result<Self, $crate::ttlv::Error> {
                let value = $crate::kmip::macros::enumeration(item)?;
                Self::from_wire(value).ok_or($crate::ttlv::Error::UnknownValue { tag: item.tag, value })
            }

            fn encode(&self, tag: $crate::ttlv::Tag, writer: &mut $crate::ttlv::Writer) {
                writer.item(tag, $crate::ttlv::ItemType::Enumeration, &self.to_wire().to_be_bytes());
            }
        }
    };
}

/// Declares a bit mask: an Integer whose bits have names and first versions. Undeclared bits are preserved.
macro_rules! wire_mask {
    ($(#[$meta:meta])* pub struct $Name:ident { $($ENTRY:ident = $value:literal $text:literal $since:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(pub i32);

        impl $Name {
            $(#[doc = $text] pub const $ENTRY: Self = Self($value);)*

            /// Every bit, with its name in the standard and its first version.
            pub const ALL: &'static [(Self, &'static str, $crate::ttlv::Version)] =
                &[$((Self::$ENTRY, $text, $crate::ttlv::$since),)*];

            /// Returns whether every bit of `other` is set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl std::ops::BitOr for $Name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl $crate::ttlv::Value for $Name {
            fn decode(item: &$crate::ttlv::Item<'_>) -> Result<Self, $crate::ttlv::Error> {
                i32::decode(item).map(Self)
            }

            fn encode(&self, tag: $crate::ttlv::Tag, writer: &mut $crate::ttlv::Writer) {
                self.0.encode(tag, writer);
            }
        }
    };
}

/// Declares a structure: one row `Tag => field: Type` per item, in the order of the encoding. A row
/// `Tag[V1_3..] => …` is read and written only in these versions; in others, the field has its default. A row
/// `Tag[V1_3.., lenient] => …` is written only in these versions and read in all, because some clients send
/// it in every version.
///
/// `pub rows` instead of `pub struct` declares consecutive rows that several structures share. Such a structure
/// includes them as one row with the tag of the first of them: `CorrelationValue => part: PartIndicators`.
macro_rules! structure {
    ($(#[$meta:meta])* pub rows $Name:ident { $($(#[$row:meta])* $Tag:ident $([$versions:expr $(, $lenient:ident)?])? => $field:ident: $Type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Name {
            $($(#[$row])* #[doc = concat!("`", stringify!($Tag), "`")] pub $field: $Type,)*
        }

        impl $crate::ttlv::Field for $Name {
            fn read(_: $crate::ttlv::Tag, mut rows: &mut $crate::ttlv::Reader<'_>) -> Result<Self, $crate::ttlv::Error> {
                Ok(Self { $($field: structure!(@read rows $Tag $([$versions $(, $lenient)?])?),)* })
            }

            fn write(&self, _: $crate::ttlv::Tag, writer: &mut $crate::ttlv::Writer) {
                $(structure!(@write writer $Tag $([$versions])? self.$field);)*
            }
        }
    };
    ($(#[$meta:meta])* pub struct $Name:ident { $($(#[$row:meta])* $Tag:ident $([$versions:expr $(, $lenient:ident)?])? => $field:ident: $Type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Name {
            $($(#[$row])* #[doc = concat!("`", stringify!($Tag), "`")] pub $field: $Type,)*
        }

        impl $crate::ttlv::Value for $Name {
            #[allow(unused_mut, unused_variables, reason = "a structure can have no rows")]
            fn decode(item: &$crate::ttlv::Item<'_>) -> Result<Self, $crate::ttlv::Error> {
                let mut rows = item.structure()?;
                let value = Self {
                    $($field: structure!(@read rows $Tag $([$versions $(, $lenient)?])?),)*
                };
                rows.finish()?;
                Ok(value)
            }

            #[allow(unused_variables, reason = "a structure can have no rows")]
            fn encode(&self, tag: $crate::ttlv::Tag, writer: &mut $crate::ttlv::Writer) {
                writer.structure(tag, |writer| {
                    $(structure!(@write writer $Tag $([$versions])? self.$field);)*
                });
            }
        }
    };
    (@read $rows:ident $Tag:ident) => {
        $crate::ttlv::Field::read($crate::ttlv::Tag::$Tag, &mut $rows)?
    };
    (@read $rows:ident $Tag:ident [$versions:expr, lenient]) => {
        structure!(@read $rows $Tag)
    };
    (@read $rows:ident $Tag:ident [$versions:expr]) => {
        if ($versions).contains(&$rows.version()) { structure!(@read $rows $Tag) } else { Default::default() }
    };
    (@write $writer:ident $Tag:ident $value:expr) => {
        $crate::ttlv::Field::write(&$value, $crate::ttlv::Tag::$Tag, $writer)
    };
    (@write $writer:ident $Tag:ident [$versions:expr] $value:expr) => {
        if ($versions).contains(&$writer.version()) { structure!(@write $writer $Tag $value) }
    };
}

pub(crate) use {structure, wire_enum, wire_mask};

/// Returns the number of an Enumeration item.
pub(crate) fn enumeration(item: &crate::ttlv::Item<'_>) -> Result<u32, crate::ttlv::Error> {
    use crate::ttlv::{Error, ItemType};
    let bytes = item.expect(ItemType::Enumeration)?;
    let length = Error::WrongLength { tag: item.tag, kind: ItemType::Enumeration, length: bytes.len() };
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| length)
}
