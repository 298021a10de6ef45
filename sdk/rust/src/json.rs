//! JSON as objects cross the boundary: read into and written from any `serde` type, in little code.
//!
//! `serde_json` is what authors see (`Value`, `json!`), but its reader and its errors bring the formatting of floats and more than
//! forty kilobytes into every plugin. What is read and written here means the same; two exceptions: a struct is not read from
//! an array, and the types of `serde_json`'s features `raw_value` and `arbitrary_precision` are not known.

mod key;
mod number;
mod read;
mod scan;
mod write;

use std::fmt;

use serde::{Serialize, de, de::DeserializeOwned, ser};

/// What was wrong, for people.
#[derive(Debug)]
pub(crate) struct Error(Box<str>);

impl Error {
    fn new(message: &str) -> Self {
        Self(message.into())
    }

    /// For the one place of the public interface that names `serde_json`'s error.
    pub(crate) fn into_serde_json(self) -> serde_json::Error {
        <serde_json::Error as de::Error>::custom(&self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string().into())
    }

    // The default prints the value, and with it the code that prints floats.
    #[cold]
    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        mismatch(found, expected)
    }

    #[cold]
    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        mismatch(found, expected)
    }
}

impl ser::Error for Error {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string().into())
    }
}

#[cold]
fn mismatch(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Error {
    use de::Unexpected::{Bool, Enum, Float, Map, NewtypeStruct, Other, Seq, Signed, Str, Unit, Unsigned};
    let number;
    let (what, detail) = match found {
        Bool(true) => ("true", ""),
        Bool(false) => ("false", ""),
        Unsigned(n) => {
            number = n.to_string();
            ("the number ", number.as_str())
        }
        Signed(n) => {
            number = n.to_string();
            ("the number ", number.as_str())
        }
        Float(_) => ("a number with a fraction or an exponent", ""),
        Str(text) => ("the string ", text),
        Unit => ("null", ""),
        Seq => ("an array", ""),
        Map | NewtypeStruct => ("an object", ""),
        Enum => ("an enum", ""),
        Other(what) => (what, ""),
        _ => ("another variant", ""),
    };
    Error(format!("found {what}{detail}, expected {expected}").into())
}

/// Reads one value, and nothing after it.
pub(crate) fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    let mut reader = read::Reader::new(std::str::from_utf8(json).map_err(|_| Error::new("it is not UTF-8"))?);
    T::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)).map_err(|e| located(e, reader.at()))
}

#[cold]
fn located(error: Error, at: usize) -> Error {
    Error(format!("{} at byte {at}", error.0).into())
}

/// Writes one value without spaces.
pub(crate) fn to_vec(value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, Error> {
    let mut writer = write::Writer::default();
    value.serialize(&mut writer)?;
    Ok(writer.into_bytes())
}

#[cfg(test)]
mod tests;
