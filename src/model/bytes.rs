//! Sizes in bytes, as people read and write them. One unit system everywhere: powers of 1024, written KiB, MiB, GiB, TiB.

use humansize::{BINARY, FormatSizeOptions, format_size};

/// A size for a column: at most 8 characters, `512 B`, `1.5 GiB`.
pub fn human(bytes: u64) -> String {
    let decimals = usize::from(!(bytes.is_multiple_of(1024) && bytes / 1024 < 1024));
    let text = format_size(bytes, FormatSizeOptions::from(BINARY).decimal_places(decimals).decimal_zeroes(0));
    // One decimal is enough for the eye; whole hundreds need none.
    match text.split_once(' ') {
        Some((number, unit)) if number.len() > 4 => format!("{} {unit}", number.split('.').next().unwrap_or(number)),
        _ => text,
    }
}

/// A size that may be unknown: unknown is `?`, never 0.
pub fn human_or_unknown(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "?".to_owned(), human)
}

/// A size with the exact number behind it, for detail views: `2.0 GiB (2147484672 bytes)`.
pub fn exact(bytes: u64) -> String {
    format!("{} ({bytes} bytes)", human(bytes))
}

/// A size as a person writes it: `20G`, `512M`, `1.5TiB`, `4096`. Units are powers of 1024, in either case, with or without `B` and `iB`.
///
/// # Errors
/// A sentence that says what to write instead.
pub fn parse(text: &str) -> Result<u64, String> {
    const MILLION: u128 = 1_000_000;
    let wrong = || format!("`{}` is no size; write it as 20G, 512M, 1.5T or in bytes", super::shown::text(text));
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (text.get(..unit_at).unwrap_or_default(), text.get(unit_at..).unwrap_or_default().trim().to_ascii_lowercase());
    let shift = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit) {
        "" if unit != "ib" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        "e" => 60,
        _ => return Err(wrong()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 6 || (number.contains('.') && (fraction.is_empty() || shift == 0)) {
        return Err(wrong());
    }
    let millionths: u128 = if fraction.is_empty() { 0 } else { format!("{fraction:0<6}").parse().map_err(|_| wrong())? };
    let whole: u128 = whole.parse().map_err(|_| wrong())?;
    let bytes = whole.checked_mul(MILLION).and_then(|n| n.checked_add(millionths)).and_then(|n| n.checked_mul(1 << shift));
    let bytes = bytes.map(|bytes| bytes / MILLION).and_then(|bytes| u64::try_from(bytes).ok());
    bytes.ok_or_else(|| format!("`{}` is larger than any disk", super::shown::text(text)))
}

/// Share of a whole in percent, or nothing when the whole is empty or the part unknown.
pub fn percent(part: Option<u64>, whole: Option<u64>) -> Option<f64> {
    match (part, whole) {
        (Some(part), Some(whole)) if whole > 0 => Some(part as f64 * 100.0 / whole as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_as_it_is_meant() {
        for (text, bytes) in
            [("20G", 20 << 30), ("512m", 512 << 20), ("1.5TiB", 3 << 39), ("4096", 4096), ("1 GiB", 1 << 30), ("2kb", 2048), ("0.5K", 512)]
        {
            assert_eq!(parse(text), Ok(bytes), "a disk of {text} would get another size");
        }
        for text in
            ["", "G", "-1", "1.G", ".5G", "1.5", "10X", "1e9", "20 000", "1.2.3G", "ib", "99999999999999999999G", "18446744073709551616"]
        {
            assert!(parse(text).is_err(), "{text:?} was taken for {:?}", parse(text));
        }
    }

    #[test]
    fn sizes_fit_a_column_and_unknown_is_not_zero() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(512), "512 B");
        assert_eq!(human(96 << 20), "96 MiB");
        assert_eq!(human(1_610_612_736), "1.5 GiB");
        assert_eq!(human_or_unknown(None), "?", "an unknown size shown as 0 makes a full disk look empty");
        for size in [1, 1023, 1025, 1_048_575, u64::MAX / 3, u64::MAX] {
            assert!(human(size).len() <= 8, "{} is too wide for its column", human(size));
        }
    }
}
