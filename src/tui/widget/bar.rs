//! Bars of plain characters: they look the same on every console.

/// A fill in `columns` columns, brackets included. An unknown fill is `[?   ]`, never an empty bar.
pub fn bar(percent: Option<f64>, columns: usize) -> String {
    let room = columns.saturating_sub(2);
    let Some(percent) = percent.filter(|percent| percent.is_finite()) else {
        return format!("[{}]", super::text::left("?", room, ""));
    };
    let full = share(percent, room);
    format!("[{}{}]", "#".repeat(full), ".".repeat(room.saturating_sub(full)))
}

/// Columns of `room` for a share in percent. What is not nothing shows, what is not full has room left.
fn share(percent: f64, room: usize) -> usize {
    let exact = percent.clamp(0.0, 100.0) * room as f64 / 100.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=room above")]
    let rounded = exact.round() as usize;
    let least = usize::from(percent > 0.0);
    let most = if percent < 100.0 { room.saturating_sub(1).max(least) } else { room };
    rounded.clamp(least.min(room), most.min(room).max(least.min(room)))
}

/// `40 %`, or `? %`.
pub fn percent_word(percent: Option<f64>) -> String {
    match percent.filter(|percent| percent.is_finite()) {
        // Rounded up at the top: a store at 99.6 % is not yet full, but nobody should read 99.
        Some(percent) if (99.0..100.0).contains(&percent) => format!("{percent:.1} %"),
        Some(percent) => format!("{percent:.0} %"),
        None => "? %".to_owned(),
    }
}

/// A picture of parts of one whole: each part a letter, as many columns as its share; the rest dots.
pub fn picture(parts: &[(char, u64)], whole: u64, columns: usize) -> String {
    let room = columns.saturating_sub(2);
    let mut out = String::with_capacity(columns);
    let mut used = 0usize;
    let mut bytes = 0u64;
    for (letter, size) in parts {
        bytes = bytes.saturating_add(*size);
        let percent = if whole == 0 { 0.0 } else { bytes as f64 * 100.0 / whole as f64 };
        let end = if *size == 0 { used } else { share(percent, room).max(used.saturating_add(1)).min(room) };
        out.extend(std::iter::repeat_n(*letter, end.saturating_sub(used)));
        used = used.max(end);
    }
    format!("[{out}{}]", ".".repeat(room.saturating_sub(used)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_never_says_full_or_empty_of_what_is_not() {
        assert_eq!(bar(Some(0.0), 12), "[..........]");
        assert_eq!(bar(Some(0.1), 12), "[#.........]", "a snapshot that fills would look untouched");
        assert_eq!(bar(Some(99.9), 12), "[#########.]");
        assert_eq!(bar(Some(100.0), 12), "[##########]");
        assert_eq!(bar(None, 12), "[?         ]", "an unknown fill would look like an empty store");
        assert_eq!(bar(Some(f64::NAN), 4), "[? ]");
        assert_eq!(bar(Some(50.0), 0), "[]");
    }

    #[test]
    fn every_part_of_a_group_is_in_its_picture() {
        assert_eq!(picture(&[('a', 50), ('b', 1), ('c', 9)], 100, 12), "[aaaaabc...]");
        assert_eq!(picture(&[], 0, 6), "[....]");
    }
}
