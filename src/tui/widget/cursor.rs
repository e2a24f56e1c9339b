//! Where a person stands in a list. The selection is the identity of a thing, not its row: a refresh must not move it onto another machine.

/// A selection and the first row that is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub key: Option<String>,
    /// Row of the selection when it was last seen: where to go when its thing is gone.
    row: usize,
    pub offset: usize,
}

/// Rows by their identity; `None` for headings and text that nobody selects.
pub type Keys<'a> = &'a [Option<&'a str>];

impl Cursor {
    pub fn on(key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// Fits the selection and the scroll to these rows in `height` lines.
    pub fn settle(&mut self, keys: Keys, height: usize) {
        let found = self.key.as_deref().and_then(|key| keys.iter().position(|k| *k == Some(key)));
        let row = found.or_else(|| nearest(keys, self.row));
        self.offset = self.offset.min(keys.len().saturating_sub(height));
        let Some(row) = row else {
            self.key = None;
            return;
        };
        self.row = row;
        self.key = keys.get(row).copied().flatten().map(str::to_owned);
        // Headings above the first thing are shown with it.
        let top = if keys.iter().take(row).all(Option::is_none) { 0 } else { row };
        if row >= self.offset.saturating_add(height) {
            self.offset = row.saturating_add(1).saturating_sub(height);
        }
        if top < self.offset && row.saturating_sub(top) < height {
            self.offset = top;
        }
        if row < self.offset {
            self.offset = row;
        }
    }

    /// Moves by `by` selectable rows; where nothing can be selected, scrolls.
    pub fn step(&mut self, keys: Keys, by: isize, height: usize) {
        let rows: Vec<usize> = keys.iter().enumerate().filter(|(_, key)| key.is_some()).map(|(row, _)| row).collect();
        if rows.is_empty() {
            self.offset = self.offset.saturating_add_signed(by);
        } else {
            let at = rows.partition_point(|row| *row < self.row);
            let to = at.saturating_add_signed(by).min(rows.len().saturating_sub(1));
            self.select_row(rows.get(to).copied(), keys);
        }
        self.settle(keys, height);
    }

    pub fn first(&mut self, keys: Keys, height: usize) {
        self.offset = 0;
        self.select_row(keys.iter().position(Option::is_some), keys);
        self.settle(keys, height);
    }

    pub fn last(&mut self, keys: Keys, height: usize) {
        self.offset = keys.len();
        self.select_row(keys.iter().rposition(Option::is_some), keys);
        self.settle(keys, height);
    }

    /// Selects what stands in this row, if it can be selected.
    pub fn point(&mut self, keys: Keys, row: usize) {
        if keys.get(row).copied().flatten().is_some() {
            self.select_row(Some(row), keys);
        }
    }

    fn select_row(&mut self, row: Option<usize>, keys: Keys) {
        if let Some(row) = row {
            self.row = row;
            self.key = keys.get(row).copied().flatten().map(str::to_owned);
        }
    }
}

/// The selectable row at or after `row`, else the last before it.
fn nearest(keys: Keys, row: usize) -> Option<usize> {
    keys.iter()
        .enumerate()
        .skip(row)
        .find(|(_, key)| key.is_some())
        .or_else(|| keys.iter().enumerate().take(row).rfind(|(_, key)| key.is_some()))
        .map(|(row, _)| row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_does_not_move_the_cursor_onto_another_machine() {
        let mut cursor = Cursor::default();
        cursor.settle(&[Some("a"), Some("b"), Some("c")], 10);
        cursor.step(&[Some("a"), Some("b"), Some("c")], 1, 10);
        assert_eq!(cursor.key.as_deref(), Some("b"));
        cursor.settle(&[Some("0"), Some("a"), Some("b"), Some("c")], 10);
        assert_eq!(cursor.key.as_deref(), Some("b"), "a new domain above moved the selection");
        cursor.settle(&[Some("0"), Some("a"), Some("c")], 10);
        assert_eq!(cursor.key.as_deref(), Some("c"), "when the thing is gone its neighbour is next");
        cursor.settle(&[], 10);
        assert_eq!(cursor.key, None);
    }

    #[test]
    fn headings_are_stepped_over_and_still_shown() {
        let keys = [None, None, Some("a"), None, Some("b"), None, Some("c")];
        let mut cursor = Cursor::default();
        cursor.settle(&keys, 3);
        assert_eq!((cursor.key.as_deref(), cursor.offset), (Some("a"), 0));
        cursor.step(&keys, 2, 3);
        assert_eq!((cursor.key.as_deref(), cursor.offset), (Some("c"), 4));
        cursor.step(&keys, -5, 3);
        assert_eq!((cursor.key.as_deref(), cursor.offset), (Some("a"), 0), "the heading above the first line could never be seen again");
    }

    #[test]
    fn text_without_anything_to_select_scrolls_to_its_end_and_no_further() {
        let keys = [None; 10];
        let mut cursor = Cursor::default();
        cursor.step(&keys, 100, 4);
        assert_eq!(cursor.offset, 6);
        cursor.first(&keys, 4);
        assert_eq!(cursor.offset, 0);
    }
}
