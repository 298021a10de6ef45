//! The reader: a `serde` deserializer over text. What does not depend on the type read is not generic, so that it is there once.

use std::borrow::Cow;

use serde::de::{self, Deserialize, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{Error, key::Key, mismatch, number, number::Number, scan};

/// How deep arrays and objects may be nested: far deeper than any object is, far less than the stack allows.
const DEPTH: u8 = 128;

/// Where in the text reading is.
pub(super) struct Reader<'de> {
    text: &'de str,
    at: usize,
    depth: u8,
}

type Result<T> = std::result::Result<T, Error>;

impl<'de> Reader<'de> {
    pub(super) fn new(text: &'de str) -> Self {
        Self { text, at: 0, depth: DEPTH }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Nothing but spaces may follow.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Error::new("more follows than one value")),
        }
    }

    /// The next byte that is no space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        match self.text.as_bytes().get(self.at) {
            Some(&byte) if byte > b' ' => Some(byte),
            _ => self.pass_spaces(),
        }
    }

    // What a host sends has none.
    #[cold]
    fn pass_spaces(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                next => return next.copied(),
            }
        }
    }

    fn expect(&mut self, byte: u8, message: &str) -> Result<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.ended_or(message))
    }

    #[cold]
    fn ended_or(&self, message: &str) -> Error {
        Error::new(if self.at >= self.text.len() { "the text ends too early" } else { message })
    }

    fn literal(&mut self, literal: &str) -> Result<()> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(literal)) {
            self.at += literal.len();
            return Ok(());
        }
        Err(self.ended_or("null, true or false is misspelt"))
    }

    fn number(&mut self) -> Result<Number> {
        let (number, length) = number::read(self.text.as_bytes().get(self.at..).unwrap_or_default())?;
        self.at += length;
        Ok(number)
    }

    fn open(&mut self) -> Result<()> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| Error::new("it is nested too deeply"))?;
        self.at += 1;
        Ok(())
    }

    fn close(&mut self, byte: u8) -> Result<()> {
        self.depth += 1;
        self.expect(byte, "a comma or the end of an array or object is missing")
    }

    /// Whether another element follows, `end` being what closes them.
    fn more(&mut self, first: &mut bool, end: u8) -> Result<bool> {
        match self.peek() {
            Some(byte) if byte == end => return Ok(false),
            Some(_) if std::mem::take(first) => return Ok(true),
            Some(b',') => self.at += 1,
            _ => return Err(self.ended_or("a comma or the end of an array or object is missing")),
        }
        if self.peek() == Some(end) {
            return Err(Error::new("a comma has nothing after it"));
        }
        Ok(true)
    }

    /// Reads a string, borrowed from the text unless it has escapes.
    pub(super) fn string(&mut self) -> Result<Cow<'de, str>> {
        self.expect(b'"', "a string was expected")?;
        let plain = self.plain()?;
        if self.text.as_bytes().get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = String::with_capacity(plain.len() + 16);
        text.push_str(plain);
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.at += 1;
                    let c = self.escape()?;
                    text.push(c);
                    text.push_str(self.plain()?);
                }
                Some(_) => return Err(Error::new("a string has a control character")),
                None => return Err(self.ended_or("")),
            }
        }
    }

    fn plain(&mut self) -> Result<&'de str> {
        let start = self.at;
        self.at += scan::plain(self.text.as_bytes().get(start..).unwrap_or_default());
        self.text.get(start..self.at).ok_or_else(|| self.ended_or("a string is malformed"))
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char> {
        let letter = self.text.as_bytes().get(self.at).copied().unwrap_or_default();
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return Err(self.ended_or("an escape is unknown")),
        })
    }

    /// The four digits after `\u`, and the second half where they are one half of a surrogate pair.
    fn code_point(&mut self) -> Result<char> {
        let mut code = self.hex()?;
        if let (0xd800..0xdc00, Some("\\u")) = (code, self.text.get(self.at..self.at + 2)) {
            self.at += 2;
            let low = self.hex()?.wrapping_sub(0xdc00);
            code = if low < 0x400 { 0x1_0000 + ((code - 0xd800) << 10) + low } else { u32::MAX };
        }
        char::from_u32(code).ok_or_else(|| Error::new("an escape is half a character"))
    }

    fn hex(&mut self) -> Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.text.as_bytes().get(self.at).and_then(|b| char::from(*b).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.ended_or("an escape is malformed"))?;
            self.at += 1;
        }
        Ok(code)
    }

    /// Passes over one value, which must be well formed all the same.
    fn skip(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => {
                self.open()?;
                let mut first = true;
                while self.more(&mut first, b'}')? {
                    self.string()?;
                    self.colon()?;
                    self.skip()?;
                }
                self.close(b'}')
            }
            Some(b'[') => {
                self.open()?;
                let mut first = true;
                while self.more(&mut first, b']')? {
                    self.skip()?;
                }
                self.close(b']')
            }
            Some(b'n') => self.literal("null"),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            _ => self.number().map(drop).map_err(|e| self.no_value(e)),
        }
    }

    fn colon(&mut self) -> Result<()> {
        self.expect(b':', "a colon is missing")
    }

    /// The error where a value should start; `number` is what reading one said.
    #[cold]
    fn no_value(&mut self, number: Error) -> Error {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => number,
            _ => self.ended_or("a value is missing"),
        }
    }

    /// The error where a value of another type is.
    #[cold]
    fn unexpected(&mut self, expected: &dyn de::Expected) -> Error {
        use de::Unexpected::{Bool, Float, Map, Seq, Signed, Str, Unit, Unsigned};
        let read = match self.peek() {
            Some(b'"') => return self.string().map_or_else(|e| e, |s| mismatch(Str(&s), expected)),
            Some(b'{') => Ok(Map),
            Some(b'[') => Ok(Seq),
            Some(b'n') => self.literal("null").map(|()| Unit),
            Some(b't') => self.literal("true").map(|()| Bool(true)),
            Some(b'f') => self.literal("false").map(|()| Bool(false)),
            _ => self.number().map_err(|e| self.no_value(e)).map(|n| match n {
                Number::Unsigned(n) => Unsigned(n),
                Number::Negative(n) => Signed(n),
                Number::Float(n) => Float(n),
            }),
        };
        read.map_or_else(|e| e, |found| mismatch(found, expected))
    }

    /// Whether `byte` opens what is next; if not, the error that says what is there.
    fn opens(&mut self, byte: u8, expected: &dyn de::Expected) -> Result<()> {
        if self.peek() == Some(byte) { self.open() } else { Err(self.unexpected(expected)) }
    }

    /// A string for a visitor that wants one.
    fn wanted_string(&mut self, expected: &dyn de::Expected) -> Result<Cow<'de, str>> {
        if self.peek() == Some(b'"') { self.string() } else { Err(self.unexpected(expected)) }
    }

    fn wanted_number(&mut self, expected: &dyn de::Expected) -> Result<Number> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected(expected)),
        }
    }

    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let value = visitor.visit_map(Entries { reader: self, first: true })?;
        self.close(b'}')?;
        Ok(value)
    }

    fn seq<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let value = visitor.visit_seq(Elements { reader: self, first: true })?;
        self.close(b']')?;
        Ok(value)
    }
}

fn visit_number<'de, V: Visitor<'de>>(number: Number, visitor: V) -> Result<V::Value> {
    match number {
        Number::Unsigned(n) => visitor.visit_u64(n),
        Number::Negative(n) => visitor.visit_i64(n),
        Number::Float(n) => visitor.visit_f64(n),
    }
}

/// For visitors that may insist on borrowing. The others get one call only, lest their code be there twice.
pub(super) fn visit_borrowed<'de, V: Visitor<'de>>(text: Cow<'de, str>, visitor: V) -> Result<V::Value> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let number = self.wanted_number(&visitor)?;
            visit_number(number, visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visit_borrowed(self.wanted_string(&visitor)?, visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let text = self.wanted_string(&visitor)?;
        visitor.visit_string(text.into_owned())
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let text = self.wanted_string(&visitor)?;
        visitor.visit_str(&text)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let text = self.wanted_string(&visitor)?;
        visitor.visit_str(&text)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(b'"') => visitor.visit_string(self.string()?.into_owned()),
            Some(b'{') => {
                self.open()?;
                self.map(visitor)
            }
            Some(b'[') => {
                self.open()?;
                self.seq(visitor)
            }
            Some(b'n') => {
                self.literal("null")?;
                visitor.visit_unit()
            }
            Some(b't') => {
                self.literal("true")?;
                visitor.visit_bool(true)
            }
            Some(b'f') => {
                self.literal("false")?;
                visitor.visit_bool(false)
            }
            _ => visit_number(self.wanted_number(&visitor)?, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let value = match self.peek() {
            Some(b't') => self.literal("true").map(|()| true),
            Some(b'f') => self.literal("false").map(|()| false),
            _ => Err(self.unexpected(&visitor)),
        };
        visitor.visit_bool(value?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek() != Some(b'n') {
            return visitor.visit_some(self);
        }
        self.literal("null")?;
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.peek() != Some(b'n') {
            return Err(self.unexpected(&visitor));
        }
        self.literal("null")?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.opens(b'[', &visitor)?;
        self.seq(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.opens(b'{', &visitor)?;
        self.map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        if self.peek() == Some(b'"') {
            return visitor.visit_enum(Key(self.string()?));
        }
        self.opens(b'{', &visitor)?;
        let value = visitor.visit_enum(Variant { reader: self })?;
        self.close(b'}')?;
        Ok(value)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.skip()?;
        visitor.visit_unit()
    }
}

/// The entries of an object.
struct Entries<'a, 'de> {
    reader: &'a mut Reader<'de>,
    first: bool,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if !self.reader.more(&mut self.first, b'}')? {
            return Ok(None);
        }
        seed.deserialize(Key(self.reader.string()?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        self.reader.colon()?;
        seed.deserialize(&mut *self.reader)
    }
}

/// The elements of an array.
struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    first: bool,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if !self.reader.more(&mut self.first, b']')? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

/// An enum's variant with what it holds, as the one entry of an object.
struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        self.reader.peek();
        let variant = seed.deserialize(Key(self.reader.string()?))?;
        self.reader.colon()?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        <()>::deserialize(self.reader)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_seq(self.reader, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_map(self.reader, visitor)
    }
}
