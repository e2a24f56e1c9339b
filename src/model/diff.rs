//! What an edit changes, line by line: `-` goes, `+` comes, three lines around it stay for the eye.

/// A line of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    Same(&'a str),
    Goes(&'a str),
    Comes(&'a str),
    /// So many lines that stay as they are.
    Skipped(usize),
}

const AROUND: usize = 3;
/// Lines that differ are matched up to this many pairs; beyond it all old ones go and all new ones come, which is true as well.
const PAIRS: usize = 1_000_000;

pub fn diff<'a>(before: &'a str, after: &'a str) -> Vec<Change<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let longest = old.len().min(new.len()).saturating_sub(head);
    let tail = old.iter().rev().zip(new.iter().rev()).take(longest).take_while(|(a, b)| a == b).count();
    let middle = |lines: &[&'a str]| lines.get(head..lines.len().saturating_sub(tail)).unwrap_or_default().to_vec();
    let mut all: Vec<Change> = old.iter().take(head).map(|line| Change::Same(line)).collect();
    all.extend(matched(&middle(&old), &middle(&new)));
    all.extend(old.iter().skip(old.len().saturating_sub(tail)).map(|line| Change::Same(line)));
    folded(all)
}

/// The longest common lines of the two, and around them what goes and comes.
fn matched<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Change<'a>> {
    if old.len().saturating_mul(new.len()) > PAIRS {
        return old.iter().map(|line| Change::Goes(line)).chain(new.iter().map(|line| Change::Comes(line))).collect();
    }
    let width = new.len().saturating_add(1);
    // Length of the longest common part of what follows a pair of places.
    let mut common = vec![0usize; old.len().saturating_add(1).saturating_mul(width)];
    let at = |row: usize, column: usize| row.saturating_mul(width).saturating_add(column);
    for (row, a) in old.iter().enumerate().rev() {
        for (column, b) in new.iter().enumerate().rev() {
            let get = |place: usize| common.get(place).copied().unwrap_or(0);
            let longest = if a == b {
                get(at(row + 1, column + 1)).saturating_add(1)
            } else {
                get(at(row + 1, column)).max(get(at(row, column + 1)))
            };
            if let Some(place) = common.get_mut(at(row, column)) {
                *place = longest;
            }
        }
    }
    let get = |row: usize, column: usize| common.get(at(row, column)).copied().unwrap_or(0);
    let (mut row, mut column, mut out) = (0, 0, Vec::new());
    loop {
        match (old.get(row), new.get(column)) {
            (Some(a), Some(b)) if a == b => {
                out.push(Change::Same(a));
                (row, column) = (row + 1, column + 1);
            }
            (Some(a), other) if other.is_none() || get(row + 1, column) >= get(row, column + 1) => {
                out.push(Change::Goes(a));
                row += 1;
            }
            (_, Some(b)) => {
                out.push(Change::Comes(b));
                column += 1;
            }
            _ => return out,
        }
    }
}

/// Long runs of lines that stay are left out.
fn folded(all: Vec<Change>) -> Vec<Change> {
    let changed: Vec<usize> = all.iter().enumerate().filter(|(_, change)| !matches!(change, Change::Same(_))).map(|(at, _)| at).collect();
    let near = |at: usize| {
        let next = changed.partition_point(|place| *place < at);
        let close = |place: Option<&usize>| place.is_some_and(|place| place.abs_diff(at) <= AROUND);
        close(changed.get(next)) || close(next.checked_sub(1).and_then(|before| changed.get(before)))
    };
    let mut out = Vec::new();
    for (at, change) in all.into_iter().enumerate() {
        if near(at) {
            out.push(change);
        } else if let Some(Change::Skipped(lines)) = out.last_mut() {
            *lines = lines.saturating_add(1);
        } else {
            out.push(Change::Skipped(1));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Change::*;
    use super::*;

    #[test]
    fn only_what_changes_is_shown_with_a_little_around_it() {
        let before = "a\nb\nc\nd\ndisk = [ 'one' ]\ne\n";
        let after = "a\nb\nc\nd\ndisk = [ 'one', 'two' ]\nroot = x\ne\n";
        assert_eq!(
            diff(before, after),
            [
                Skipped(1),
                Same("b"),
                Same("c"),
                Same("d"),
                Goes("disk = [ 'one' ]"),
                Comes("disk = [ 'one', 'two' ]"),
                Comes("root = x"),
                Same("e")
            ]
        );
        assert_eq!(diff("", "a\nb\n"), [Comes("a"), Comes("b")], "a new file is shown as if it had been there");
        assert_eq!(diff("a\nb\n", "b\n"), [Goes("a"), Same("b")]);
        assert_eq!(diff("a\n", "a\n"), [Skipped(1)]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_changes_is_ever_hidden(before in "([abc]\n){0,12}", after in "([abc]\n){0,12}") {
            let changes = diff(&before, &after);
            let count = |wanted: fn(&Change) -> bool| changes.iter().filter(|change| wanted(change)).count();
            let kept: usize = changes.iter().map(|change| match change { Change::Same(_) => 1, Change::Skipped(lines) => *lines, _ => 0 }).sum();
            proptest::prop_assert_eq!(kept + count(|change| matches!(change, Change::Goes(_))), before.lines().count());
            proptest::prop_assert_eq!(kept + count(|change| matches!(change, Change::Comes(_))), after.lines().count());
        }
    }
}
