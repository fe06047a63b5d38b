//! How JSON is read: stricter than a derive where runc is, and without copies.
//!
//! - Keys match exactly, or else whatever their case: Go's decoder does that, and with it runc. Members that nobody knows
//!   are skipped, `null` is the same as absent (Go writes it for empty lists).
//! - A known member that comes twice is an error: which one counts would be a guess.
//! - An object is `{...}` only. (A derived `Deserialize` would also take `[...]`, member by member.)
//! - Strings hold no NUL byte: every one of them ends in a system call or in a file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A JSON object with known members, all of them optional: what is required is checked where the plan is made, in the
/// field's own words.
pub(super) trait Object<'de>: Default {
    /// Reads the member `key` if it is one of ours; `seen` has a bit for each member.
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        seen: &mut u64,
        from: &mut A,
    ) -> Result<bool, A::Error>;

    /// The member that `key` is but for its case.
    fn spelled(key: &str) -> Option<&'static str>;
}

/// Declares an [`Object`]: `field: Type = "key"`; each field becomes an `Option`.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident<$lt:lifetime> { $($field:ident: $ty:ty = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name<$lt> { $(pub(super) $field: Option<$ty>,)* }
        crate::spec::json::object!(@impl $lt, $name<$lt>, $($field = $key,)*);
    };
    ($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name { $(pub(super) $field: Option<$ty>,)* }
        crate::spec::json::object!(@impl 'de, $name, $($field = $key,)*);
    };
    (@impl $lt:lifetime, $name:ty, $($field:ident = $key:literal,)*) => {
        impl<$lt> crate::spec::json::Object<$lt> for $name {
            fn member<A: serde::de::MapAccess<$lt>>(
                &mut self,
                key: &str,
                seen: &mut u64,
                from: &mut A,
            ) -> Result<bool, A::Error> {
                #[allow(non_camel_case_types)]
                enum Bit { $($field),* }
                match key {
                    $($key => {
                        crate::spec::json::once::<A::Error>(seen, Bit::$field as u32, $key)?;
                        self.$field = from.next_value()?;
                    })*
                    _ => return Ok(false),
                }
                Ok(true)
            }

            fn spelled(key: &str) -> Option<&'static str> {
                $(if key.eq_ignore_ascii_case($key) {
                    return Some($key);
                })*
                None
            }
        }
        impl<$lt> serde::Deserialize<$lt> for $name {
            fn deserialize<D: serde::Deserializer<$lt>>(from: D) -> Result<Self, D::Error> {
                crate::spec::json::read(from)
            }
        }
    };
}
pub(super) use object;

/// Fails when this member was seen before.
pub(super) fn once<E: de::Error>(seen: &mut u64, bit: u32, key: &'static str) -> Result<(), E> {
    if *seen & (1 << bit) != 0 {
        return Err(E::duplicate_field(key));
    }
    *seen |= 1 << bit;
    Ok(())
}

/// Reads an [`Object`].
pub(super) fn read<'de, T: Object<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct V<T>(PhantomData<T>);
    impl<'de, T: Object<'de>> Visitor<'de> for V<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
            let mut value = T::default();
            let mut seen = 0;
            while let Some(Key(key)) = map.next_key()? {
                if value.member(&key, &mut seen, &mut map)? {
                    continue;
                }
                // To skip what runc obeys would be a container with less than its config asks for.
                match T::spelled(&key) {
                    Some(key) => {
                        value.member(key, &mut seen, &mut map)?;
                    }
                    None => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
            Ok(value)
        }
    }
    from.deserialize_map(V(PhantomData))
}

/// Any string; borrowed from the text unless it has escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(v.to_owned())))
            }
        }
        from.deserialize_str(V)
    }
}

/// A string without NUL bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Str<'de>(Cow<'de, str>);

impl Str<'_> {
    /// The plan's own copy.
    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

/// Of a command line, where there can be no NUL byte.
impl<'de> From<&'de str> for Str<'de> {
    fn from(text: &'de str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl Deref for Str<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Str<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // The check is the visitor's, not done after it: so the error gets the position of this string.
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Str<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, v: &'de str) -> Result<Str<'de>, E> {
                // JSON text cannot hold a NUL byte itself, only its escape, and then the string is not borrowed.
                Ok(Str(Cow::Borrowed(v)))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Str<'de>, E> {
                if v.as_bytes().contains(&0) {
                    return Err(E::custom("the string contains a NUL byte"));
                }
                Ok(Str(Cow::Owned(v.to_owned())))
            }
        }
        from.deserialize_str(V)
    }
}

/// An object with free keys; a key that comes twice is an error.
#[derive(Debug)]
pub(super) struct Map<'de, T>(pub(super) BTreeMap<Str<'de>, T>);

impl<T> Default for Map<'_, T> {
    fn default() -> Self {
        Map(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Map<'de, T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct V<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for V<T> {
            type Value = Map<'de, T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map<'de, T>, A::Error> {
                let mut members = BTreeMap::new();
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    if members.contains_key(&key) {
                        return Err(de::Error::custom(format_args!("duplicate key `{}`", &*key)));
                    }
                    let value = map.next_value()?;
                    members.insert(key, value);
                }
                Ok(Map(members))
            }
        }
        from.deserialize_map(V(PhantomData))
    }
}

/// Does a JSON value ask for anything? `null`, `""`, `[]` do not, nor does an object without a member that does.
/// A list is of the wanted type only where a list is wanted, so it says so.
struct Asks(&'static str);

impl<'de> Visitor<'de> for Asks {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let mut asks = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            asks = true;
        }
        Ok(asks)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut asks = false;
        while map.next_key::<IgnoredAny>()?.is_some() {
            asks |= map.next_value::<AnyAsks>()?.0;
        }
        Ok(asks)
    }
}

/// [`Asks`] for a value of any type.
struct AnyAsks(bool);

impl<'de> Deserialize<'de> for AnyAsks {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = bool;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<bool, E> {
                Ok(false)
            }
            fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
                Ok(true)
            }
            fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
                Ok(true)
            }
            fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
                Ok(true)
            }
            fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
                Ok(true)
            }
            fn visit_str<E>(self, v: &str) -> Result<bool, E> {
                Ok(!v.is_empty())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<bool, A::Error> {
                Asks("").visit_seq(seq)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
                Asks("").visit_map(map)
            }
        }
        from.deserialize_any(V).map(AnyAsks)
    }
}

/// Any object at all, even `{}`.
#[derive(Debug)]
pub(super) struct Present;

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Asks("an object")).map(|_| Present)
    }
}
