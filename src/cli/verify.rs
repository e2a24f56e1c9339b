//! `domkeep verify`: a bundle read against its hashes, with live progress on a terminal and as JSON lines.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ink::{Ink, hang, pad};
use super::print;
use crate::engine::Engine;
use crate::model::bundle::{BundleVerdict, PieceVerdict, Verifying};
use crate::model::bytes::human;
use crate::model::{HostPath, Severity, shown};
use crate::problem::{Exit, Problem};

/// Time between two words of progress.
const PACE: Duration = Duration::from_millis(200);

pub fn run(engine: &Engine, bundle: &Path, pieces: &[String], as_lines: bool, ink: Ink, out: &mut dyn Write) -> Result<Exit, Problem> {
    let path = std::path::absolute(bundle).map_err(|error| Problem::usage("there is no such bundle").because(error))?;
    let path = HostPath::from(path);
    let live = !as_lines && ink.width.is_some();
    let (sender, events) = mpsc::channel();
    let last = Mutex::new(Instant::now());
    // Called for every block by several threads; what nobody would see is left out here.
    let tell = move |event: &Verifying| {
        if matches!(event, Verifying::Read { .. }) {
            let Ok(mut last) = last.try_lock() else { return };
            if last.elapsed() < PACE {
                return;
            }
            *last = Instant::now();
        }
        let _ = sender.send(event.clone());
    };
    let stop = AtomicBool::new(false);
    let mut written = Ok(());
    let verdict = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            // The last sender goes with this thread: then the events end.
            let tell = tell;
            engine.verify(&path, pieces, &tell, &stop)
        });
        let mut pace = Pace::default();
        for event in events {
            let text = if as_lines { line(&json!(event)) } else { pace.text(&event, live, ink) };
            written = print(out, &text);
            if written.is_err() {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
                break;
            }
        }
        reading.join().unwrap_or_else(|_| Err(Problem::new("the reading broke off: a fault of domkeep's")))
    })?;
    written?;
    let text = if as_lines { line(&json!({"event": "ended", "good": verdict.good(), "verdict": verdict})) } else { summary(&verdict, ink) };
    print(out, &text)?;
    Ok(if verdict.good() { Exit::Good } else { Exit::Failed })
}

/// One JSON value on a line, safe to be shown on a terminal.
fn line(value: &Value) -> String {
    let mut text = shown::json(&value.to_string());
    text.push('\n');
    text
}

/// What is shown while it runs.
#[derive(Default)]
struct Pace {
    began: Option<Instant>,
    number: usize,
    of: usize,
}

impl Pace {
    fn text(&mut self, event: &Verifying, live: bool, ink: Ink) -> String {
        // The line of progress is written over with blanks before anything stays: that works on the simplest terminal too.
        let columns = ink.width.unwrap_or(80).saturating_sub(1);
        match event {
            Verifying::Piece { number, of, .. } => {
                *self = Self { began: Some(Instant::now()), number: *number, of: *of };
                String::new()
            }
            Verifying::Read { name, progress } if live => {
                let read = progress.done.saturating_sub(progress.holes);
                let milliseconds = self.began.map_or(1, |began| began.elapsed().as_millis().max(1));
                let rate = human(u64::try_from(u128::from(read) * 1000 / milliseconds).unwrap_or(u64::MAX));
                let total = progress.total.map_or_else(|| "?".to_owned(), human);
                let text = format!("  {}/{} {}: {} of {total}, {rate}/s", self.number, self.of, shown::text(name), human(progress.done));
                format!("\r{}", pad(&ink.cell(&text, columns), columns))
            }
            Verifying::Read { .. } => String::new(),
            Verifying::PieceEnded { verdict } if live => format!("\r{}\r{}", " ".repeat(columns), piece(verdict, ink)),
            Verifying::PieceEnded { verdict } => piece(verdict, ink),
        }
    }
}

fn piece(verdict: &PieceVerdict, ink: Ink) -> String {
    let width = ink.width.unwrap_or(80);
    let head = format!("{} ({}, {})", shown::text(&verdict.name), shown::text(&verdict.kind), human(verdict.bytes));
    if verdict.good() {
        return format!("  good  {head}\n");
    }
    let mut out = format!("{}\n", ink.severity(Severity::Danger, &format!("! BAD   {head}")));
    if let Some((start, length)) = verdict.first_bad {
        let end = start.saturating_add(length.saturating_sub(1));
        out.push_str(&hang(&format!("first wrong range: bytes {start} to {end}"), width, "        ", "        "));
    }
    for trouble in &verdict.troubles {
        out.push_str(&hang(&shown::text(trouble), width, "        ", "        "));
    }
    out
}

fn summary(verdict: &BundleVerdict, ink: Ink) -> String {
    let width = ink.width.unwrap_or(80);
    let mut out = String::new();
    for trouble in &verdict.troubles {
        out.push_str(&ink.severity(Severity::Danger, &hang(&shown::text(trouble), width, "! ", "  ")));
    }
    for note in &verdict.notes {
        out.push_str(&hang(&shown::text(note), width, "  note: ", "        "));
    }
    if !verdict.not_read.is_empty() {
        let names: Vec<String> = verdict.not_read.iter().map(|name| shown::text(name)).collect();
        out.push_str(&hang(&format!("not read: {}", names.join(", ")), width, "  ", "  "));
    }
    let said = &verdict.said;
    let of = format!("backup of {} from {} UTC", shown::text(&said.domain), said.instant.format("%Y-%m-%d %H:%M:%S"));
    let last = match (&verdict.torn, verdict.intact()) {
        (None, true) => format!("Good: the {of}. Every byte that was read is as it was written ({}).", shown::text(&said.consistency)),
        (Some(why), true) => format!("TORN: the {of} is as it was written, but it was never good: {}", shown::text(why)),
        (Some(why), false) => format!("NOT GOOD: the {of} is not as it was written, and it was torn before: {}", shown::text(why)),
        (None, false) => format!("NOT GOOD: the {of} is not as it was written."),
    };
    let last = hang(&last, width, "", "");
    out.push_str(&if verdict.good() { last } else { ink.severity(Severity::Danger, &last) });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Progress;

    #[test]
    fn the_line_of_progress_fits_the_terminal_and_leaves_nothing_behind() {
        let ink = Ink { width: Some(60), ..Ink::PLAIN };
        let mut pace = Pace { began: None, number: 1, of: 2 };
        let read = |name: &str| Verifying::Read {
            name: name.into(),
            progress: Progress { done: 5 << 30, total: Some(9 << 30), ..Progress::default() },
        };
        for name in ["xvda.img", &"x".repeat(500)] {
            let text = pace.text(&read(name), true, ink);
            assert!(text.starts_with("\r  1/2 x") && text.len() == 60, "a line that wraps would not be written over: {text:?}");
            assert_eq!(pace.text(&read(name), false, ink), "", "a log would be full of progress");
        }
        let ended = pace.text(&Verifying::PieceEnded { verdict: PieceVerdict { name: "a".into(), ..PieceVerdict::default() } }, true, ink);
        assert_eq!(ended.rsplit('\r').next(), Some("  good  a (, 0 B)\n"), "half of the last line of progress stays on the screen");
    }

    #[test]
    fn what_is_wrong_comes_with_its_range() {
        let verdict = PieceVerdict {
            name: "xvda.img".into(),
            first_bad: Some((4096, 512)),
            troubles: vec!["lost".into()],
            ..PieceVerdict::default()
        };
        let text = piece(&verdict, Ink::PLAIN);
        assert!(text.contains("BAD") && text.contains("bytes 4096 to 4607") && text.contains("lost"), "{text}");
    }
}
