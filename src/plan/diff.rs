//! What an edit changes, line by line.

use crate::model::{Edit, shown};

/// Lines around a change that are shown with it.
const AROUND: usize = 3;
/// Longer texts are shown as wholly replaced: the table of the comparison would grow without bounds.
const MOST_LINES: usize = 2000;

/// A unified diff, with every line safe to be shown. Empty when nothing changes.
pub fn unified(edit: &Edit) -> String {
    let before: Vec<&str> = edit.before.as_deref().unwrap_or_default().lines().collect();
    let after: Vec<&str> = edit.after.lines().collect();
    let changes = changes(&before, &after);
    if changes.iter().all(|change| matches!(change, Change::Same(_))) {
        return String::new();
    }
    let old = if edit.before.is_some() { edit.path.to_string() } else { "/dev/null".to_owned() };
    let mut out = format!("--- {old}\n+++ {}\n", edit.path);
    for (from, to) in hunks(&changes) {
        out.push_str(&hunk(&changes, from, to));
    }
    out
}

#[derive(Clone, Copy)]
enum Change<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// The shortest way from one text to the other (longest common subsequence), after what is equal at both ends was taken off.
fn changes<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<Change<'a>> {
    let head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let most = before.len().min(after.len()).saturating_sub(head);
    let tail = before.iter().rev().zip(after.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let old = before.get(head..before.len() - tail).unwrap_or_default();
    let new = after.get(head..after.len() - tail).unwrap_or_default();
    let mut out: Vec<Change> = before.iter().take(head).map(|line| Change::Same(line)).collect();
    if old.len() > MOST_LINES || new.len() > MOST_LINES {
        out.extend(old.iter().map(|line| Change::Gone(line)));
        out.extend(new.iter().map(|line| Change::New(line)));
    } else {
        out.extend(middle(old, new));
    }
    out.extend(before.iter().skip(before.len() - tail).map(|line| Change::Same(line)));
    out
}

fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Change<'a>> {
    // longest[i][j]: length of the longest common subsequence of old[i..] and new[j..].
    let mut longest = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    let at = |table: &[Vec<u32>], i: usize, j: usize| table.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let best = if a == b { at(&longest, i + 1, j + 1) + 1 } else { at(&longest, i + 1, j).max(at(&longest, i, j + 1)) };
            if let Some(cell) = longest.get_mut(i).and_then(|row| row.get_mut(j)) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                out.push(Change::Same(a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), next) if next.is_none() || at(&longest, i + 1, j) >= at(&longest, i, j + 1) => {
                out.push(Change::Gone(a));
                i += 1;
            }
            (_, Some(b)) => {
                out.push(Change::New(b));
                j += 1;
            }
            _ => return out,
        }
    }
}

/// Ranges of changes that are shown together, with the lines around them.
fn hunks(changes: &[Change<'_>]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for at in changes.iter().enumerate().filter(|(_, change)| !matches!(change, Change::Same(_))).map(|(at, _)| at) {
        let (from, to) = (at.saturating_sub(AROUND), (at + AROUND + 1).min(changes.len()));
        match hunks.last_mut() {
            Some(last) if from <= last.1 => last.1 = to,
            _ => hunks.push((from, to)),
        }
    }
    hunks
}

fn hunk(changes: &[Change<'_>], from: usize, to: usize) -> String {
    let count = |part: &[Change<'_>], old: bool| {
        part.iter().filter(|change| match change {
            Change::Same(_) => true,
            Change::Gone(_) => old,
            Change::New(_) => !old,
        })
        .count()
    };
    let (before, part) = (changes.get(..from).unwrap_or_default(), changes.get(from..to).unwrap_or_default());
    let start = |old: bool| count(before, old) + usize::from(count(part, old) > 0);
    let mut out = format!("@@ -{},{} +{},{} @@\n", start(true), count(part, true), start(false), count(part, false));
    for change in part {
        let (mark, line) = match change {
            Change::Same(line) => (' ', line),
            Change::Gone(line) => ('-', line),
            Change::New(line) => ('+', line),
        };
        // A tab is the layout of a configuration, and harmless.
        let line = line.split('\t').map(shown::text).collect::<Vec<_>>().join("\t");
        out.push_str(&format!("{mark}{line}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::HostPath;

    fn diff(before: Option<&str>, after: &str) -> String {
        unified(&Edit { path: HostPath::from("/etc/xen/a.cfg"), before: before.map(str::to_owned), after: after.to_owned() })
    }

    #[test]
    fn a_change_is_shown_as_diff_would() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n";
        assert_eq!(
            diff(Some(before), after),
            "--- /etc/xen/a.cfg\n+++ /etc/xen/a.cfg\n@@ -2,8 +2,9 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n 9\n+10\n"
        );
        assert_eq!(diff(None, "x\n"), "--- /dev/null\n+++ /etc/xen/a.cfg\n@@ -0,0 +1,1 @@\n+x\n");
        assert_eq!(diff(Some("x\n"), "x\n"), "");
        assert!(diff(Some("a\n"), "\u{1b}[2J\n").contains("+\\x1b[2J"), "a config could repaint the screen that shows its diff");
    }

    proptest! {
        #[test]
        fn a_diff_leads_from_one_text_to_the_other(before in prop::collection::vec("[abc]", 0..12), after in prop::collection::vec("[abc]", 0..12)) {
            let (old, new): (Vec<&str>, Vec<&str>) = (before.iter().map(String::as_str).collect(), after.iter().map(String::as_str).collect());
            let changes = changes(&old, &new);
            let kept = |change: &Change<'_>, gone: bool| match change {
                Change::Same(line) => Some((*line).to_owned()),
                Change::Gone(line) => gone.then(|| (*line).to_owned()),
                Change::New(line) => (!gone).then(|| (*line).to_owned()),
            };
            prop_assert_eq!(changes.iter().filter_map(|change| kept(change, true)).collect::<Vec<_>>(), before);
            prop_assert_eq!(changes.iter().filter_map(|change| kept(change, false)).collect::<Vec<_>>(), after);
        }
    }
}
