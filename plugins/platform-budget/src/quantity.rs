//! Kubernetes quantities, as far as CPU and memory need them.

/// Thousandths of the unit that a quantity counts (`100m` is 100, `1` is 1000, `1Ki` is 1,024,000), rounded up as the scheduler
/// does. `None` where it is no quantity.
pub(crate) fn thousandths(text: &str) -> Option<u128> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || number.len() > 24 {
        return None;
    }
    // As a fraction: digits × factor ÷ 10^places, in thousandths.
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let (factor, divisor) = scale(suffix)?;
    let places = u32::try_from(fraction.len()).ok()?;
    let divisor = divisor.checked_mul(10u128.checked_pow(places)?)?;
    Some(digits.checked_mul(factor)?.checked_mul(1000)?.div_ceil(divisor))
}

/// What a suffix multiplies by, as numerator and denominator.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    Some(match suffix {
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "" => (1, 1),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let ten = 10u128.checked_pow(power.unsigned_abs().min(24))?;
            if power < 0 { (1, ten) } else { (ten, 1) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("100m", 100),
            ("1", 1000),
            ("1.5", 1500),
            (".5", 500),
            ("0", 0),
            ("1u", 1),
            ("2k", 2_000_000),
            ("1e3", 1_000_000),
            ("15E-1", 1500),
            ("1E", 1_000_000_000_000_000_000_000),
            ("1Ki", 1_024_000),
            ("1.5Gi", 1_610_612_736_000),
        ] {
            assert_eq!(thousandths(text), Some(expected), "{text}");
        }
        for text in ["", ".", "m", "-1", "1.2.3", "1x", "1e", "99999999999999999999999999"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
