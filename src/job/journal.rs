//! The journal: one [`Event`] a line as JSON. Appended, and synced for all that recovery decides by; what was cut off by a power loss is
//! told from damage.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};

use super::dir::Dir;
use super::sabotage::Sabotage;
use crate::model::{Event, What};

pub const NAME: &str = "journal.jsonl";
/// No journal of ours comes near: a day of four copies is about 100 MiB.
const MOST_BYTES: u64 = 1 << 30;
const LONGEST_LINE: u64 = 1 << 20;
const MOST_EVENTS: usize = 200_000;

/// What can be lost without harm, and comes often.
fn is_chatter(what: &What) -> bool {
    matches!(what, What::Copied { .. } | What::Said { .. })
}

/// What a journal says.
#[derive(Debug, Default)]
pub struct Told {
    /// In order; of each copy's progress only the last.
    pub events: Vec<Event>,
    /// Bytes up to the end of the last whole line.
    pub whole: u64,
}

/// Reads a journal. What follows the last event that was synced may be torn and is left out then; anything else that is no event is damage.
pub fn read(dir: &Dir) -> Result<Told, String> {
    match dir.open_for_reading(NAME) {
        Ok(Some(file)) => {
            let length = file.metadata().map_err(|error| error.to_string())?.len();
            if length > MOST_BYTES {
                return Err(format!("the journal is larger than {}", crate::model::bytes::human(MOST_BYTES)));
            }
            parse(BufReader::new(file.take(MOST_BYTES)))
        }
        Ok(None) => Ok(Told::default()),
        Err(error) => Err(format!("the journal cannot be read: {error}")),
    }
}

pub fn parse(mut from: impl BufRead) -> Result<Told, String> {
    let mut told = Told::default();
    let mut progress: HashMap<(usize, usize), usize> = HashMap::new();
    let mut bad: Option<usize> = None;
    for number in 1_usize.. {
        let mut line = Vec::new();
        let read = from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|error| format!("it cannot be read: {error}"))?;
        if read == 0 {
            break;
        }
        let event = line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<Event>(line).ok());
        match (event, bad) {
            (Some(event), Some(bad)) if !is_chatter(&event.what) => {
                return Err(format!("line {bad} of the journal is damaged"));
            }
            (Some(event), None) => {
                told.whole = told.whole.saturating_add(read as u64);
                let place = match &event.what {
                    What::Copied { step, part, .. } => progress.get(&(*step, *part)).copied(),
                    _ => None,
                };
                if let Some(earlier) = place.and_then(|place| told.events.get_mut(place)) {
                    *earlier = event;
                    continue;
                }
                if let What::Copied { step, part, .. } = &event.what {
                    progress.insert((*step, *part), told.events.len());
                }
                if told.events.len() >= MOST_EVENTS {
                    return Err(format!("the journal holds more than {MOST_EVENTS} events"));
                }
                told.events.push(event);
            }
            (None, None) => bad = Some(number),
            (_, Some(_)) => {}
        }
    }
    Ok(told)
}

/// The end that is written to. One process at a time has it: the holder of the job's lock.
pub struct Journal {
    file: File,
    length: u64,
    sabotage: Sabotage,
}

impl Journal {
    /// Goes on after the last whole event; a torn end is cut off.
    pub fn open(dir: &Dir, told: &Told, sabotage: Sabotage) -> std::io::Result<Self> {
        let file = dir.open_for_writing(NAME)?;
        file.set_len(told.whole)?;
        file.sync_all()?;
        dir.sync()?;
        Ok(Self { file, length: told.whole, sabotage })
    }

    pub fn append(&mut self, event: &Event) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let chatter = is_chatter(&event.what);
        if !chatter {
            self.sabotage.point();
        }
        if let Err(error) = self.file.write_all(&line) {
            // Half a line would swallow the next one.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length = self.length.saturating_add(line.len() as u64);
        if !chatter {
            self.file.sync_data()?;
            self.sabotage.point();
        }
        Ok(())
    }

    /// A moment between two deeds that recovery must survive.
    pub fn sabotage(&self) -> &Sabotage {
        &self.sabotage
    }
}

/// Reads what is appended to a journal, event by event, as it comes.
#[derive(Debug)]
pub struct Follower {
    file: Option<BufReader<File>>,
    dir: Dir,
    half: Vec<u8>,
}

impl Follower {
    pub fn new(dir: Dir) -> Self {
        Self { file: None, dir, half: Vec::new() }
    }

    /// The events since the last call. A line that is no event is left out.
    pub fn next_events(&mut self) -> Result<Vec<Event>, String> {
        if self.file.is_none() {
            self.file = self.dir.open_for_reading(NAME).map_err(|error| error.to_string())?.map(BufReader::new);
        }
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        while events.len() < 1000 {
            let left = LONGEST_LINE.saturating_sub(self.half.len() as u64);
            if left == 0 {
                return Err("a line of the journal does not end".into());
            }
            if file.by_ref().take(left).read_until(b'\n', &mut self.half).map_err(|error| error.to_string())? == 0 {
                break;
            }
            if let Some(line) = self.half.strip_suffix(b"\n") {
                events.extend(serde_json::from_slice::<Event>(line).ok());
                self.half.clear();
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Outcome, Phase, Progress};
    use proptest::prelude::*;

    fn line(what: What) -> String {
        serde_json::to_string(&Event { at: chrono::DateTime::UNIX_EPOCH, what }).unwrap() + "\n"
    }

    fn started(step: usize) -> String {
        line(What::StepStarted { step, phase: Phase::Do })
    }

    fn copied(done: u64) -> String {
        line(What::Copied { step: 0, part: 0, label: "xvda".into(), progress: Progress { done, ..Progress::default() } })
    }

    #[test]
    fn what_a_power_loss_cut_off_is_left_out_and_what_was_damaged_is_said() {
        let whole = started(0) + &started(1);
        for torn in [r#"{"at":"20"#, "\0\0\0\0\0", "\0\0\n"] {
            let told = parse((whole.clone() + torn).as_bytes()).unwrap();
            assert_eq!(told.events.len(), 2, "a job whose last line was cut off by {torn:?} could not be finished");
            assert_eq!(told.whole, whole.len() as u64, "the next event would be written behind half a line");
        }
        let late = whole.clone() + "\0\0\0\n" + &copied(7);
        assert_eq!(
            parse(late.as_bytes()).unwrap().events.len(),
            2,
            "progress that came to the disk before what stood ahead of it is no damage"
        );
        let damaged = started(0) + "garbage\n" + &started(1);
        let why = parse(damaged.as_bytes()).unwrap_err();
        assert!(why.contains("line 2"), "a damaged journal was believed: recovery would decide by half of it");
    }

    #[test]
    fn of_a_long_copy_only_the_last_word_is_kept() {
        let text: String = (0..1000).map(copied).collect();
        let told = parse(text.as_bytes()).unwrap();
        assert_eq!(told.events.len(), 1, "the memory for a long copy's journal has no bound");
        assert!(matches!(&told.events[0].what, What::Copied { progress, .. } if progress.done == 999));
    }

    proptest! {
        #[test]
        fn no_bytes_bring_the_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..2000), cut in 0_usize..400) {
            let _ = parse(bytes.as_slice());
            let mut text = started(0) + &line(What::JobEnded { outcome: Outcome::Done });
            let cut = cut.min(text.len());
            text.truncate(cut);
            let told = parse(text.as_bytes());
            prop_assert!(told.is_ok(), "a journal that was cut off at byte {} is called damaged", cut);
        }
    }
}
