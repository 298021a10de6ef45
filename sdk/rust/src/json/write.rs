//! The writer: a `serde` serializer into bytes, without spaces, fields in the order in which they come.

use serde::ser::{self, Serialize};

use super::{Error, scan};

type Result<T = (), E = Error> = std::result::Result<T, E>;

/// What was written so far.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn text(&mut self, text: &str) -> Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result {
        self.0.push(byte);
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result {
        self.byte(b'"')?;
        let mut rest = text.as_bytes();
        loop {
            let (plain, special) = rest.split_at_checked(scan::plain(rest)).unwrap_or((rest, &[]));
            self.0.extend_from_slice(plain);
            let Some((byte, after)) = special.split_first() else { break };
            self.escape(*byte);
            rest = after;
        }
        self.byte(b'"')
    }

    fn escape(&mut self, byte: u8) {
        let letter = match byte {
            b'"' | b'\\' => byte,
            8 => b'b',
            9 => b't',
            10 => b'n',
            12 => b'f',
            13 => b'r',
            _ => {
                let hex = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' - 10 + digit };
                self.0.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
                return;
            }
        };
        self.0.extend_from_slice(&[b'\\', letter]);
    }

    fn integer(&mut self, mut value: u64, negative: bool) -> Result {
        let mut digits = [0; 20];
        let mut start = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
            start -= 1;
            if value == 0 {
                break;
            }
        }
        if negative {
            self.0.push(b'-');
        }
        self.0.extend_from_slice(digits.get(start..).unwrap_or_default());
        Ok(())
    }

    /// A comma before all but the first.
    fn separate(&mut self, first: &mut bool) -> Result {
        if std::mem::take(first) { Ok(()) } else { self.byte(b',') }
    }

    /// `{"name":`, for a variant that holds something.
    fn variant(&mut self, name: &str) -> Result {
        self.byte(b'{')?;
        self.string(name)?;
        self.byte(b':')
    }

    fn open(&mut self, byte: u8, close: &'static str) -> Result<Compound<'_>> {
        self.byte(byte)?;
        Ok(Compound { writer: self, first: true, close })
    }
}

macro_rules! integers {
    ($($method:ident $type:ident)*) => {$(
        fn $method(self, value: $type) -> Result {
            #[allow(unused_comparisons, clippy::cast_lossless, reason = "for signed and unsigned ones alike")]
            self.integer((value as i64).unsigned_abs(), value < 0)
        }
    )*};
}

impl<'a> ser::Serializer for &'a mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    integers! {
        serialize_i8 i8 serialize_i16 i16 serialize_i32 i32 serialize_i64 i64 serialize_u8 u8 serialize_u16 u16
        serialize_u32 u32
    }

    fn serialize_u64(self, value: u64) -> Result {
        self.integer(value, false)
    }

    fn serialize_bool(self, value: bool) -> Result {
        self.text(if value { "true" } else { "false" })
    }

    fn serialize_f32(self, value: f32) -> Result {
        if value.is_finite() { self.text(zmij::Buffer::new().format_finite(value)) } else { self.serialize_unit() }
    }

    fn serialize_f64(self, value: f64) -> Result {
        if value.is_finite() { self.text(zmij::Buffer::new().format_finite(value)) } else { self.serialize_unit() }
    }

    fn serialize_char(self, value: char) -> Result {
        self.string(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result {
        self.string(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        self.text("null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.string(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.byte(b'}')
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'a>> {
        self.open(b'[', "]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'a>> {
        self.open(b'[', "]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>> {
        self.open(b'[', "]")
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Compound<'a>> {
        self.variant(variant)?;
        self.open(b'[', "]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a>> {
        self.open(b'{', "}")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>> {
        self.open(b'{', "}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>> {
        self.variant(variant)?;
        self.open(b'{', "}}")
    }
}

/// An array or object whose end is still to come.
pub(super) struct Compound<'a> {
    writer: &'a mut Writer,
    first: bool,
    close: &'static str,
}

impl Compound<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.writer.separate(&mut self.first)?;
        value.serialize(&mut *self.writer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result {
        self.name(name)?;
        value.serialize(&mut *self.writer)
    }

    fn name(&mut self, name: &'static str) -> Result {
        self.writer.separate(&mut self.first)?;
        self.writer.string(name)?;
        self.writer.byte(b':')
    }

    fn finish(self) -> Result {
        self.writer.text(self.close)
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident)*) => {$(
        impl ser::$trait for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
                self.element(value)
            }

            fn end(self) -> Result {
                self.finish()
            }
        }
    )*};
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result {
                self.field(name, value)
            }

            fn end(self) -> Result {
                self.finish()
            }
        }
    )*};
}

elements! {
    SerializeSeq serialize_element SerializeTuple serialize_element
    SerializeTupleStruct serialize_field SerializeTupleVariant serialize_field
}

fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.writer.separate(&mut self.first)?;
        let start = self.writer.0.len();
        key.serialize(&mut *self.writer)?;
        self.writer.quote(start)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.writer.byte(b':')?;
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result {
        self.finish()
    }
}

impl Writer {
    /// Makes a key of what was written from `start` on: a string stays, a number or boolean becomes one, the rest cannot be one.
    fn quote(&mut self, start: usize) -> Result {
        match self.0.get(start) {
            Some(b'"') => return Ok(()),
            Some(b'-' | b'0'..=b'9' | b't' | b'f') => {}
            _ => return Err(Error::new("a key must be a string, a number or a boolean")),
        }
        self.0.insert(start, b'"');
        self.byte(b'"')
    }
}
