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
