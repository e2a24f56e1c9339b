//! The question-and-answer mode: lines are only ever added, choices are numbered, every change is announced once. For screen readers, simple
//! terminals, serial lines and pipes.

mod fill;
mod jobs;
mod road;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, BufRead, Write};

use super::ink::{Ink, count};
use super::{changes, check, commands, list, show, storage};
use crate::engine::{CommandEntry, Picture};
use crate::model::{Severity, shown, told};

pub use road::Road;

/// Where the plain mode takes its pictures from, and how it changes anything.
pub trait Source {
    fn look(&mut self) -> Picture;
    fn commands(&self) -> Vec<CommandEntry>;
    /// The last picture is old enough to look again before an answer.
    fn is_old(&self) -> bool;
    fn road(&self) -> &dyn Road;
}

/// Both ends of the conversation.
pub struct Talk<'a> {
    input: &'a mut dyn BufRead,
    out: &'a mut dyn Write,
}

impl Talk<'_> {
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    pub fn text(&mut self, text: &str) -> io::Result<()> {
        write!(self.out, "{text}")
    }

    /// One answer, without the blanks around it; nothing at the end of the input.
    pub fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        ask(self.input, self.out, question)
    }

    /// Yes or no; an empty answer is the one that is meant when nobody says anything.
    pub fn yes(&mut self, question: &str, otherwise: bool) -> io::Result<bool> {
        let hint = if otherwise { "[yes] or no" } else { "yes or [no]" };
        let answer = self.ask(&format!("{question}? {hint}"))?.unwrap_or_else(|| "no".to_owned());
        Ok(match answer.to_lowercase().as_str() {
            "y" | "yes" => true,
            "" => otherwise,
            _ => false,
        })
    }
}

const CHOICE: &str = "Your choice";
/// Longest answer that is read; the rest of a longer line is thrown away.
const LONGEST_ANSWER: usize = 4096;

/// Asks until `quit` or the end of the input.
pub fn run(source: &mut dyn Source, input: &mut dyn BufRead, out: &mut dyn Write, ink: Ink) -> io::Result<()> {
    let mut picture = source.look();
    greet(&picture, out)?;
    leftovers(source.road(), out)?;
    loop {
        menu(&picture, out)?;
        let Some(answer) = ask(input, out, CHOICE)? else { return Ok(()) };
        if answer.is_empty() {
            continue;
        }
        let wants_look = matches!(answer.as_str(), "6" | "again");
        if wants_look || source.is_old() {
            let next = source.look();
            let changes = changes::between(&picture, &next);
            picture = next;
            for change in &changes {
                writeln!(out, "{}", shown::text(change))?;
            }
            if wants_look && changes.is_empty() {
                writeln!(out, "Nothing has changed.")?;
            }
        }
        match answer.as_str() {
            "1" | "domains" => domains(&picture, input, out, ink)?,
            "2" | "storage" => write!(out, "{}", storage::text(&picture, ink))?,
            "3" | "findings" => write!(out, "{}", check::text(&picture, ink))?,
            "4" | "commands" => write!(out, "{}", commands::text(&source.commands(), ink))?,
            "5" | "unknown" if picture.inventory.gaps.is_empty() => writeln!(out, "Nothing: all that was asked was answered.")?,
            "5" | "unknown" => write!(out, "{}", list::gaps(&picture.inventory, ink))?,
            "6" | "again" => {}
            "7" | "change" => fill::change(&mut Talk { input, out }, source.road(), &picture)?,
            "8" | "jobs" => jobs::list(&mut Talk { input, out }, source.road())?,
            "0" | "q" | "quit" => {
                writeln!(out, "Goodbye.")?;
                return Ok(());
            }
            other => writeln!(out, "There is no choice {}. Answer with one of the numbers.", shown::text(other))?,
        }
    }
}

fn greet(picture: &Picture, out: &mut dyn Write) -> io::Result<()> {
    let number = |severity| picture.verdicts.findings.iter().filter(|finding| finding.severity == severity).count();
    writeln!(
        out,
        "domkeep, {}: {}, {}, {}.",
        shown::text(&picture.inventory.host.place),
        count(picture.inventory.domains.len(), "domain"),
        count(number(Severity::Danger), "danger"),
        count(number(Severity::Warning), "warning")
    )
}

/// What was interrupted is told before anything else is asked.
fn leftovers(road: &dyn Road, out: &mut dyn Write) -> io::Result<()> {
    for job in road.jobs().unwrap_or_default() {
        if let Some(words) = told::interrupted(&job) {
            writeln!(out, "{words}: finish or undo it under 8 jobs.")?;
        }
    }
    Ok(())
}

fn menu(picture: &Picture, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "1 domains ({})", picture.inventory.domains.len())?;
    writeln!(out, "2 storage")?;
    writeln!(out, "3 findings ({})", picture.verdicts.findings.len())?;
    writeln!(out, "4 commands that ran")?;
    writeln!(out, "5 what could not be read ({})", picture.inventory.gaps.len())?;
    writeln!(out, "6 look again")?;
    writeln!(out, "7 change something")?;
    writeln!(out, "8 jobs")?;
    writeln!(out, "0 quit")
}

fn domains(picture: &Picture, input: &mut dyn BufRead, out: &mut dyn Write, ink: Ink) -> io::Result<()> {
    let domains = &picture.inventory.domains;
    if domains.is_empty() {
        return write!(out, "{}", list::text(picture, ink));
    }
    for (index, domain) in domains.iter().enumerate() {
        let wrong = list::worst(picture, domain).map(|severity| format!(", {}", severity.as_str())).unwrap_or_default();
        writeln!(out, "{} {}: {}{wrong}", index + 1, shown::text(&domain.name), domain.power.as_str())?;
    }
    writeln!(out, "0 back")?;
    let Some(answer) = ask(input, out, CHOICE)? else { return Ok(()) };
    let by_number = answer.parse::<usize>().ok().and_then(|number| domains.get(number.checked_sub(1)?));
    match by_number.or_else(|| picture.inventory.domain(&answer)) {
        Some(domain) => write!(out, "{}", show::text(picture, domain, ink)),
        None if matches!(answer.as_str(), "0" | "") => Ok(()),
        None => writeln!(out, "There is no domain {}.", shown::text(&answer)),
    }
}

/// One answer, without the blanks around it; nothing at the end of the input.
fn ask(input: &mut dyn BufRead, out: &mut dyn Write, question: &str) -> io::Result<Option<String>> {
    write!(out, "{question}: ")?;
    out.flush()?;
    let mut line = Vec::new();
    let mut met = false;
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        met = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        let room = LONGEST_ANSWER.saturating_sub(line.len());
        line.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
        let used = end.map_or(chunk.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            break;
        }
    }
    // A pipe's answer is not echoed: without this the next line would hang on the question.
    writeln!(out)?;
    Ok(met.then(|| String::from_utf8_lossy(&line).trim().to_owned()))
}
