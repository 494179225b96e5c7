//! Quantities of Kubernetes, such as `10Gi`, in bytes.

/// The least whole number of bytes that is not less; none for what is no quantity, is negative, or
/// is more than 2^64 bytes.
///
/// The form is that of `resource.Quantity` in Kubernetes' API: digits with at most one point, and a
/// suffix of powers of 1024 (`Ki` to `Ei`), of 1000 (`n` to `E`), or an exponent (`e3`, `E3`).
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    let places = u32::try_from(fraction.len()).ok()?;
    // More digits than these are no size of anything.
    if digits.is_empty() || digits.len() > 30 || fraction.contains('.') {
        return None;
    }
    let digits: u128 = digits.parse().ok()?;
    let (times, tens) = unit(suffix)?;
    let tens = tens - i32::try_from(places).ok()?;
    let size = digits.checked_mul(times)?;
    let power = 10_u128.checked_pow(tens.unsigned_abs());
    let size = if tens >= 0 { size.checked_mul(power?)? } else { size.div_ceil(power?) };
    u64::try_from(size).ok()
}

/// What stands for what: a factor, and a power of ten.
fn unit(suffix: &str) -> Option<(u128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        exponent => (1, exponent.strip_prefix(['e', 'E'])?.parse::<i8>().ok()?.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_of_claims() {
        for (text, size) in [
            ("1Gi", 1 << 30),
            ("1.5Gi", 3 << 29),
            ("1500Mi", 1500 << 20),
            ("5G", 5_000_000_000),
            ("1073741824", 1 << 30),
            ("+2Ki", 2048),
            ("1e9", 1_000_000_000),
            ("1E", 1_000_000_000_000_000_000),
            ("12E2", 1200),
            ("1500m", 2),
            (".5k", 500),
            ("0", 0),
            ("1n", 1),
        ] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        let long = "9".repeat(31);
        for wrong in
            ["", ".", "Gi", "-1Gi", "1.2.3", "1 Gi", "1gi", "16Ei", "1e999", "1e", "١Gi", &long]
        {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
