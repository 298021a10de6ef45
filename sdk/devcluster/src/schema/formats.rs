//! The text formats that definitions can ask for, as kube-apiserver's registry has them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use base64::Engine;
use regex::Regex;

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|_| unreachable!("a constant pattern"))
}

static HOSTNAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$",
    )
});
static UUID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?([0-9a-f])[0-9a-f]{3}-?([0-9a-f])[0-9a-f]{3}-?[0-9a-f]{12}$")
});
static MAC: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(?i)([0-9a-f]{2}([:-])[0-9a-f]{2}([:-][0-9a-f]{2}){4}|[0-9a-f]{4}(\.[0-9a-f]{4}){2})$")
});
static DURATION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$"));
static WORDED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\d+\s*(ns|nano|us|µs|micro|ms|milli|s|sec|second|m|min|minute|h|hr|hour|d|day|w|wk|week)")
});
static DATE_TIME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?$"));
static EMAIL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^([^<>@\s]+@[^<>@\s]+|[^<>@]*<[^<>@\s]+@[^<>@\s]+>)$"));
static COLOR: LazyLock<Regex> = LazyLock::new(|| pattern(r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"));
static SSN: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"));
static SHORT_NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"));
static LONG_NAME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"));

const KNOWN: [&str; 24] = [
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "date-time",
    "hexcolor",
    "ssn",
    "k8s-short-name",
    "k8s-long-name",
    "int32",
    "int64",
    "float",
];

/// Formats that a kube-apiserver has heard of and checks, besides those that are checked here too.
const HEARD_OF: [&str; 7] = ["bsonobjectid", "isbn", "isbn10", "isbn13", "creditcard", "rgbcolor", "k8s-short-name"];

/// True for a format that a kube-apiserver knows for a type; others say nothing.
pub(crate) fn known(format: &str, kind: &str) -> bool {
    let plain = format.replace('-', "");
    match kind {
        "" | "string" => {
            let number = matches!(format, "int32" | "int64" | "float");
            !number
                && (KNOWN.contains(&format) || KNOWN.contains(&plain.as_str()) || HEARD_OF.contains(&plain.as_str()))
        }
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    }
}

/// The format, if it is one that is checked for these types.
pub(crate) fn checked(format: Option<&str>, types: &[Box<str>]) -> Option<Box<str>> {
    let format = format.filter(|f| KNOWN.contains(f))?;
    let number = matches!(format, "int32" | "int64" | "float");
    let fits = match types {
        [] => !number,
        [one] if **one == *"string" => !number,
        [one] if **one == *"integer" => matches!(format, "int32" | "int64"),
        _ => false,
    };
    fits.then(|| format.into())
}

/// True if a text is of that format.
pub(crate) fn fits(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => is_date_time(text),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "uri" => text.starts_with('/') || is_url(text),
        "email" => EMAIL.is_match(text),
        "hostname" => HOSTNAME.is_match(text) && text.len() <= 255 && text.split('.').all(|part| part.len() <= 63),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => MAC.is_match(text),
        "uuid" => UUID.is_match(text),
        "uuid3" | "uuid4" | "uuid5" => is_uuid_of(text, &format[4..]),
        "byte" => base64::engine::general_purpose::STANDARD.decode(text).is_ok(),
        "duration" => DURATION.is_match(text) || WORDED.is_match(text),
        "hexcolor" => COLOR.is_match(text),
        "ssn" => SSN.is_match(text),
        "k8s-short-name" => text.len() <= 63 && SHORT_NAME.is_match(text),
        "k8s-long-name" => text.len() <= 253 && LONG_NAME.is_match(text),
        _ => true,
    }
}

fn is_date_time(text: &str) -> bool {
    text.is_empty()
        || DATE_TIME.is_match(text)
            && (text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::DateTime>().is_ok())
}

fn is_url(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        let letters = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(letters) && !rest.contains(' ')
    })
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let most = match (address.parse::<Ipv4Addr>(), address.parse::<Ipv6Addr>()) {
        (Ok(_), _) => 32,
        (_, Ok(_)) => 128,
        _ => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= most)
}

fn is_uuid_of(text: &str, version: &str) -> bool {
    UUID.captures(text).is_some_and(|found| {
        let variant = version == "3" || "89abAB".contains(&found[2]);
        found[1] == *version && variant
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_tell_good_from_bad() {
        let good = [
            ("date-time", "2020-01-01T00:00:00Z"),
            ("hostname", "a.bc"),
            ("cidr", "::/0"),
            ("duration", "1h5m"),
            ("uuid4", "123e4567-e89b-42d3-a456-426614174000"),
        ];
        good.iter().for_each(|(format, text)| assert!(fits(format, text), "{format} {text}"));
        let bad = [
            ("date-time", "2020-01-01"),
            ("hostname", "a.b"),
            ("cidr", "10.0.0.0/33"),
            ("duration", "soon"),
            ("uuid4", "123e4567-e89b-12d3-a456-426614174000"),
        ];
        bad.iter().for_each(|(format, text)| assert!(!fits(format, text), "{format} {text}"));
    }
}
