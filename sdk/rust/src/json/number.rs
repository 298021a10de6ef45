//! Reads numbers.

use super::Error;

/// A number that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
}

/// Reads the number that `bytes` start with; also says how long it is.
pub(super) fn read(bytes: &[u8]) -> Result<(Number, usize), Error> {
    let mut digits = Digits::default();
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut at = digits.take(bytes, start, false);
    if at == start || (bytes.get(start) == Some(&b'0') && at > start + 1) {
        return Err(malformed());
    }
    let mut whole = digits.exponent == 0;
    if bytes.get(at) == Some(&b'.') {
        whole = false;
        let fraction = at + 1;
        at = digits.take(bytes, fraction, true);
        if at == fraction {
            return Err(malformed());
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        whole = false;
        at = digits.scale(bytes, at + 1)?;
    }
    let number = match (whole, negative) {
        (true, false) => Number::Unsigned(digits.value),
        // Zero below zero exists only as a float.
        (true, true) if digits.value != 0 && digits.value <= 1 << 63 => {
            Number::Negative(0_i64.wrapping_sub_unsigned(digits.value))
        }
        _ => {
            let value = float(digits.value, digits.exponent);
            if value.is_infinite() {
                return Err(Error::new("a number is out of range"));
            }
            Number::Float(if negative { -value } else { value })
        }
    };
    Ok((number, at))
}

#[cold]
fn malformed() -> Error {
    Error::new("a number is malformed")
}

/// `value` times ten to the power of `exponent`.
#[derive(Default)]
struct Digits {
    value: u64,
    exponent: i32,
    full: bool,
}

impl Digits {
    /// Takes the digits from `at` on; returns where they end. Beyond the nineteenth only their number counts.
    fn take(&mut self, bytes: &[u8], mut at: usize, fraction: bool) -> usize {
        while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
            at += 1;
            match self.value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0'))) {
                Some(next) if !self.full => {
                    self.value = next;
                    self.exponent -= i32::from(fraction);
                }
                _ => {
                    self.full = true;
                    self.exponent = self.exponent.saturating_add(i32::from(!fraction));
                }
            }
        }
        at
    }

    /// Reads what follows an `e`; returns where it ends.
    fn scale(&mut self, bytes: &[u8], mut at: usize) -> Result<usize, Error> {
        let down = bytes.get(at) == Some(&b'-');
        if let Some(b'-' | b'+') = bytes.get(at) {
            at += 1;
        }
        let start = at;
        let mut power: i32 = 0;
        while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
            power = power.saturating_mul(10).saturating_add(i32::from(digit - b'0'));
            at += 1;
        }
        if at == start {
            return Err(malformed());
        }
        self.exponent = self.exponent.saturating_add(if down { -power } else { power });
        Ok(at)
    }
}

/// The largest power of ten in 64 bits.
const POWER: u32 = 19;

/// Rounded once, to the nearest, for powers up to ±19; beyond them the last digits may differ.
fn float(value: u64, exponent: i32) -> f64 {
    let power = exponent.unsigned_abs();
    if value == 0 {
        0.0
    } else if power > POWER {
        scaled(value, exponent)
    } else if exponent >= 0 {
        (u128::from(value) * u128::from(10_u64.pow(power))) as f64
    } else {
        // At least 64 bits of quotient, the last one telling whether there would be more: rounding it once is exact.
        let shift = value.leading_zeros();
        let (dividend, divisor) = (u128::from(value << shift) << 64, u128::from(10_u64.pow(power)));
        let quotient = dividend / divisor;
        let inexact = u128::from(quotient * divisor != dividend);
        (quotient | inexact) as f64 * f64::from_bits(u64::from(1023 - 64 - shift) << 52)
    }
}

fn scaled(value: u64, exponent: i32) -> f64 {
    let mut scaled = value as f64;
    let mut left = exponent.unsigned_abs().min(400);
    while left > 0 {
        let step = left.min(POWER);
        let factor = 10_u64.pow(step) as f64;
        scaled = if exponent < 0 { scaled / factor } else { scaled * factor };
        left -= step;
    }
    scaled
}
