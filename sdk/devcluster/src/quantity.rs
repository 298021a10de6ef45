//! Quantities: amounts with a unit, read exactly and written in their canonical form.

use std::cmp::Ordering;

/// An amount: a whole number of billionths, and the family of units that it was written in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quantity {
    nanos: i128,
    family: Family,
}

/// The units that a quantity goes on to be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Decimal,
    Binary,
    Exponent,
}

const NANO: i128 = 1_000_000_000;
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.nanos.partial_cmp(&other.nanos)
    }
}

impl Quantity {
    /// Reads a quantity; none where it is not one. What is finer than a billionth is rounded up.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (multiply, divide, family) = scale(unit)?;
        let negative = number.starts_with('-');
        let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fine = |part: &str| part.chars().all(|c| c.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !fine(whole) || !fine(fraction) || fraction.len() > 18 {
            return None;
        }
        let units: i128 = format!("0{whole}{fraction}").parse().ok()?;
        let below = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?.checked_mul(divide)?;
        let above = units.checked_mul(multiply)?.checked_mul(NANO)?;
        let nanos = above / below + i128::from(above % below != 0);
        Some(Self { nanos: if negative { -nanos } else { nanos }, family })
    }

    /// True for nothing.
    pub(crate) fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// True for less than nothing.
    pub(crate) fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// A whole number.
    pub(crate) fn whole(number: i64) -> Self {
        Self { nanos: i128::from(number) * NANO, family: Family::Decimal }
    }

    /// The sum; none where it is too large.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        Some(Self { nanos: self.nanos.checked_add(other.nanos)?, family: self.family })
    }

    /// The same below nothing.
    pub(crate) fn negated(self) -> Self {
        Self { nanos: -self.nanos, family: self.family }
    }

    /// -1, 0 or 1.
    pub(crate) fn sign(self) -> i8 {
        self.nanos.signum() as i8
    }

    /// The number, if it is whole and of 64 bits.
    pub(crate) fn as_integer(self) -> Option<i64> {
        if self.is_whole() { i64::try_from(self.nanos / NANO).ok() } else { None }
    }

    /// The number, as near as a float comes to it.
    pub(crate) fn as_float(self) -> f64 {
        self.nanos as f64 / NANO as f64
    }

    /// True for a number without a fraction.
    pub(crate) fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }

    /// True if it is so many times another.
    pub(crate) fn is_multiple_of(self, other: Self) -> bool {
        other.nanos != 0 && self.nanos % other.nanos == 0
    }

    /// The amount as a number, as near as that comes.
    pub(crate) fn as_f64(self) -> f64 {
        self.nanos as f64 / NANO as f64
    }

    /// The canonical form: no fraction, the largest unit that allows for that.
    pub(crate) fn canonical(self) -> String {
        let (sign, nanos) = (if self.nanos < 0 { "-" } else { "" }, self.nanos.abs());
        if nanos == 0 {
            return "0".into();
        }
        if self.family == Family::Binary && nanos % NANO == 0 && nanos / NANO >= 1024 {
            let whole = nanos / NANO;
            let unit = BINARY.iter().rev().find(|(_, bits)| whole % (1i128 << bits) == 0);
            return match unit {
                Some((unit, bits)) => format!("{sign}{}{unit}", whole >> bits),
                None => format!("{sign}{whole}"),
            };
        }
        let (mut exponent, mut number) = (-9, nanos);
        while number % 1000 == 0 && exponent < 18 {
            (number, exponent) = (number / 1000, exponent + 3);
        }
        let unit = match self.family {
            Family::Exponent if exponent != 0 => format!("e{exponent}"),
            _ => DECIMAL.iter().find(|(_, e)| *e == exponent).map(|(u, _)| (*u).to_owned()).unwrap_or_default(),
        };
        format!("{sign}{number}{unit}")
    }
}

/// What a unit multiplies and divides by.
fn scale(unit: &str) -> Option<(i128, i128, Family)> {
    let power = |exponent: i32, family| {
        let size = 10i128.checked_pow(exponent.unsigned_abs())?;
        Some(if exponent < 0 { (1, size, family) } else { (size, 1, family) })
    };
    if let Some((_, exponent)) = DECIMAL.iter().find(|(u, _)| *u == unit) {
        return power(*exponent, Family::Decimal);
    }
    if let Some((_, bits)) = BINARY.iter().find(|(u, _)| *u == unit) {
        return Some((1i128 << bits, 1, Family::Binary));
    }
    let exponent: i32 = unit.strip_prefix(['e', 'E'])?.parse().ok()?;
    power(exponent, Family::Exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_as_kubernetes_does() {
        let written = [
            ("1", "1"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("1Gi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1000", "1k"),
            ("1e3", "1e3"),
            ("1000000", "1M"),
            ("0", "0"),
            ("100m", "100m"),
            ("1.0", "1"),
            ("0Gi", "0"),
        ];
        for (text, expected) in written {
            assert_eq!(Quantity::parse(text).map(Quantity::canonical).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "lots", "1Gb", "1 Gi", "-", "1..2"] {
            assert!(Quantity::parse(text).is_none(), "{text}");
        }
        assert!(Quantity::parse("1Gi") > Quantity::parse("1G"));
    }
}
