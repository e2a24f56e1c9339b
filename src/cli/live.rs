//! The running copies as one line of a terminal that is written over again and again. Where output goes to a file there is none: see
//! [`super::jobs`] for its lines now and then.

use std::collections::BTreeMap;
use std::io::Write;

use unicode_width::UnicodeWidthStr;

use super::ink::Ink;
use super::print;
use crate::model::bytes::human;
use crate::model::{Event, Progress, What, shown, told};
use crate::problem::Problem;

const WIDEST_BAR: usize = 30;
const NARROWEST_BAR: usize = 8;

/// Written over only with a carriage return and blanks: every terminal knows these.
#[derive(Debug)]
pub struct Live {
    ink: Ink,
    copies: BTreeMap<(usize, usize), (String, Progress)>,
    /// Columns that are on the screen now.
    drawn: usize,
}

impl Live {
    /// Nothing where no terminal is written to.
    pub fn new(ink: Ink) -> Option<Self> {
        ink.width.map(|_| Self { ink, copies: BTreeMap::new(), drawn: 0 })
    }

    /// Takes in an event. True: it is told by the line, and needs no other.
    pub fn hear(&mut self, event: &Event) -> bool {
        match &event.what {
            What::Copied { step, part, label, progress } => {
                self.copies.insert((*step, *part), (label.clone(), *progress));
                true
            }
            What::CopyEnded { step, part, .. } => {
                self.copies.remove(&(*step, *part));
                false
            }
            What::StepEnded { .. } | What::JobEnded { .. } => {
                self.copies.clear();
                false
            }
            _ => false,
        }
    }

    /// Makes room for another line.
    pub fn clear(&mut self, out: &mut dyn Write) -> Result<(), Problem> {
        match std::mem::take(&mut self.drawn) {
            0 => Ok(()),
            drawn => print(out, &format!("\r{}\r", " ".repeat(drawn))),
        }
    }

    pub fn draw(&mut self, out: &mut dyn Write) -> Result<(), Problem> {
        let Some(line) = self.line() else { return self.clear(out) };
        let columns = line.width();
        let rest = " ".repeat(self.drawn.saturating_sub(columns));
        self.drawn = columns;
        print(out, &format!("\r{line}{rest}"))
    }

    /// `xvda.img [######......]  41 %  8.2 GiB of 20 GiB, 112 MiB/s, 1:45 left`
    fn line(&self) -> Option<String> {
        // The last column stays free: some terminals go to the next line when it is written.
        let room = self.ink.width?.saturating_sub(1);
        let all: Vec<(String, Progress)> = self.copies.values().cloned().collect();
        let label = match all.as_slice() {
            [] => return None,
            [(label, _)] => shown::text(label),
            several => format!("{} copies", several.len()),
        };
        let sum = together(&all);
        let mut words = match sum.total {
            Some(total) => format!("{} of {}", human(sum.done), human(total)),
            None => human(sum.done),
        };
        if sum.verifying {
            words.push_str(" read back");
        }
        if sum.unreadable > 0 {
            words.push_str(&format!(", {} UNREADABLE", human(sum.unreadable)));
        }
        if let Some(rate) = sum.bytes_per_second {
            words.push_str(&format!(", {}/s", human(rate)));
        }
        if let Some(seconds) = told::time_left(&sum) {
            words.push_str(&format!(", {} left", told::duration(seconds)));
        }
        let Some(total) = sum.total.filter(|total| *total > 0) else { return Some(self.ink.cell(&format!("{label}  {words}"), room)) };
        let share = u128::from(sum.done.min(total)) * 1000 / u128::from(total);
        let share = usize::try_from(share).unwrap_or(1000);
        let around = label.width() + words.width() + "  []  100 %  ".len();
        let bar = room.saturating_sub(around).min(WIDEST_BAR);
        if bar < NARROWEST_BAR {
            return Some(self.ink.cell(&format!("{label} {:>3} %  {words}", share / 10), room));
        }
        let full = bar * share / 1000;
        let (done, left) = if self.ink.ascii { ("#", ".") } else { ("█", "░") };
        Some(format!("{label} [{}{}] {:>3} %  {words}", done.repeat(full), left.repeat(bar - full), share / 10))
    }
}

fn together(copies: &[(String, Progress)]) -> Progress {
    let (done, total) = told::together(copies);
    let rates = copies.iter().filter_map(|(_, copy)| copy.bytes_per_second).reduce(u64::saturating_add);
    let unreadable = copies.iter().fold(0_u64, |sum, (_, copy)| sum.saturating_add(copy.unreadable));
    let verifying = copies.iter().all(|(_, copy)| copy.verifying);
    Progress { done, total, unreadable, bytes_per_second: rates, verifying, ..Progress::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn copied(part: usize, label: &str, done: u64) -> Event {
        let progress = Progress { done, total: Some(20 << 30), bytes_per_second: Some(100 << 20), ..Progress::default() };
        let what = What::Copied { step: 1, part, label: label.to_owned(), progress };
        Event { at: DateTime::from_timestamp(1_790_000_000, 0).unwrap(), what }
    }

    fn live(width: usize, ascii: bool) -> Live {
        Live::new(Ink { color: false, ascii, width: Some(width) }).unwrap()
    }

    #[test]
    fn a_copy_is_one_line_that_fits() {
        for width in 40..=120 {
            for ascii in [true, false] {
                let mut live = live(width, ascii);
                assert!(live.hear(&copied(0, "xvda.img", 5 << 30)));
                let line = live.line().unwrap();
                assert!(line.width() < width, "the line would break and fill the screen: {line:?}");
                assert!(!ascii || line.is_ascii(), "{line:?}");
                assert!(line.contains("25 %"), "{line:?}");
            }
        }
        let mut live = live(80, true);
        live.hear(&copied(0, "xvda.img", 5 << 30));
        assert_eq!(live.line().unwrap(), "xvda.img [#####................]  25 %  5 GiB of 20 GiB, 100 MiB/s, 2:34 left");
        live.hear(&copied(1, "xvdb.img", 20 << 30));
        assert!(live.line().unwrap().starts_with("2 copies"), "one of two disks would be taken for both");
    }

    #[test]
    fn nothing_of_a_longer_line_stays() {
        let mut live = live(80, true);
        let mut out = Vec::new();
        live.hear(&copied(0, "a-long-name-of-a-disk.img", 5 << 30));
        live.draw(&mut out).unwrap();
        let before = live.drawn;
        live.hear(&Event {
            what: What::Copied { step: 1, part: 0, label: "x".into(), progress: Progress::default() },
            ..copied(0, "x", 0)
        });
        live.draw(&mut out).unwrap();
        live.clear(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let parts: Vec<&str> = text.split('\r').skip(1).collect();
        assert_eq!(parts.len(), 4, "{text:?}");
        assert_eq!(parts[1].width(), before, "the end of the longer line would stay: {text:?}");
        assert!(parts[2].trim().is_empty() && !text.contains('\n'), "{text:?}");
    }

    #[test]
    fn a_strangers_name_moves_no_cursor() {
        let mut live = live(80, true);
        live.hear(&copied(0, "x\x1b[2J\n", 1));
        assert!(!live.line().unwrap().contains(['\x1b', '\n']), "a disk's name would clear the screen");
    }

    #[test]
    fn a_file_gets_no_line_that_is_written_over() {
        assert!(Live::new(Ink::PLAIN).is_none());
    }
}
