//! What a scenario expects, in sentences: each says what a user would not see if it failed.

use serde_json::Value;

use crate::answer::{at, nearest, plain};
use crate::host::Said;

/// The failed expectations of one scenario.
#[derive(Debug, Default)]
pub struct See {
    pub failures: Vec<Failure>,
    /// Expectations that were looked at: a scenario with none proves nothing.
    pub looked: usize,
    /// Every answer of domkeep, kept when the scenario fails.
    pub heard: Vec<Said>,
    /// What was measured on the way.
    pub figures: Vec<String>,
}

#[derive(Debug)]
pub struct Failure {
    pub sentence: String,
    pub expected: String,
    pub excerpt: String,
}

/// domkeep's JSON, and the command that gave it.
#[derive(Clone, Debug)]
pub struct Answer {
    pub said: Said,
    pub json: Value,
}

const EXCERPT: usize = 2_000;

impl See {
    /// Something that was measured: printed below the scenario's line, and kept with its seconds.
    pub fn figure(&mut self, text: impl Into<String>) {
        self.figures.push(text.into());
    }

    /// The place holds exactly this value, once.
    pub fn is(&mut self, answer: &Answer, place: &str, wanted: impl Into<Value>, sentence: &str) {
        let wanted = wanted.into();
        self.one_of(answer, place, &[wanted], sentence);
    }

    /// The place holds one of these values, once.
    pub fn one_of(&mut self, answer: &Answer, place: &str, wanted: &[Value], sentence: &str) {
        let found = at(&answer.json, place);
        let holds = found.len() == 1 && found.iter().all(|value| wanted.contains(value));
        let wanted: Vec<String> = wanted.iter().map(Value::to_string).collect();
        self.note(holds, sentence, || format!("{place} is {}", wanted.join(" or ")), || excerpt(answer, place));
    }

    /// The place holds a text with this in it.
    pub fn holds(&mut self, answer: &Answer, place: &str, part: &str, sentence: &str) {
        let holds = at(&answer.json, place).iter().any(|value| plain(value).contains(part));
        self.note(holds, sentence, || format!("{place} holds `{part}`"), || excerpt(answer, place));
    }

    /// Something is there, and it is not null.
    pub fn has(&mut self, answer: &Answer, place: &str, sentence: &str) {
        let holds = at(&answer.json, place).iter().any(|value| !value.is_null());
        self.note(holds, sentence, || format!("there is {place}"), || excerpt(answer, place));
    }

    /// Nothing is there.
    pub fn has_no(&mut self, answer: &Answer, place: &str, sentence: &str) {
        let holds = at(&answer.json, place).iter().all(|value| value.is_null());
        self.note(holds, sentence, || format!("there is no {place}"), || excerpt(answer, place));
    }

    pub fn count(&mut self, answer: &Answer, place: &str, wanted: usize, sentence: &str) {
        let found = at(&answer.json, place).len();
        self.note(found == wanted, sentence, || format!("{wanted} of {place}, not {found}"), || excerpt(answer, place));
    }

    /// A number between two, both included.
    pub fn between(&mut self, answer: &Answer, place: &str, low: f64, high: f64, sentence: &str) {
        let found = at(&answer.json, place);
        let holds = found.len() == 1 && found.iter().all(|value| value.as_f64().is_some_and(|number| (low..=high).contains(&number)));
        self.note(holds, sentence, || format!("{place} is between {low} and {high}"), || excerpt(answer, place));
    }

    pub fn exit(&mut self, said: &Said, wanted: i32, sentence: &str) {
        let holds = said.exit == Some(wanted);
        self.note(holds, sentence, || format!("exit code {wanted}"), || said.to_string());
    }

    /// Anything else, with its evidence.
    pub fn that(&mut self, holds: bool, sentence: &str, evidence: impl FnOnce() -> String) {
        self.note(holds, sentence, || "this to be so".to_owned(), evidence);
    }

    fn note(&mut self, holds: bool, sentence: &str, expected: impl FnOnce() -> String, excerpt: impl FnOnce() -> String) {
        self.looked += 1;
        if !holds {
            self.failures.push(Failure { sentence: sentence.to_owned(), expected: expected(), excerpt: cut(excerpt()) });
        }
    }
}

fn excerpt(answer: &Answer, place: &str) -> String {
    let (way, value) = nearest(&answer.json, place);
    // Of many things (findings, domains), a line each shows more of what is there.
    let text = match value.as_array() {
        Some(many) if many.len() > 1 => many.iter().map(in_a_line).collect::<Vec<_>>().join("\n"),
        _ => serde_json::to_string_pretty(value).unwrap_or_else(|error| error.to_string()),
    };
    format!("{}\n{}\n{text}", answer.said.command, if way.is_empty() { "everything" } else { &way })
}

const LINE: usize = 160;

/// The scalars of an object, then as much of the rest as fits.
fn in_a_line(value: &Value) -> String {
    let Some(object) = value.as_object() else { return cut_at(value.to_string(), LINE) };
    let (plain, deep): (Vec<_>, Vec<_>) = object.iter().partition(|(_, value)| !value.is_object() && !value.is_array());
    let words: Vec<String> = plain.iter().chain(&deep).map(|(key, value)| format!("{key}={value}")).collect();
    cut_at(words.join(" "), LINE)
}

fn cut(text: String) -> String {
    cut_at(text, EXCERPT)
}

fn cut_at(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" ... (the rest is kept)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer() -> Answer {
        Answer {
            said: Said { command: "domkeep list --json".to_owned(), ..Said::default() },
            json: json!({"domains": [{"name": "web1", "power": "running", "uuid": null, "disks": [{"vdev": "xvda"}, {"vdev": "xvda"}]}]}),
        }
    }

    #[test]
    fn a_failed_expectation_tells_the_sentence_and_shows_what_was_there() {
        let mut see = See::default();
        see.is(&answer(), "domains[name=web1].power", "paused", "a user would take web1 for running");
        assert_eq!(see.failures.len(), 1);
        let failure = &see.failures[0];
        assert_eq!(failure.sentence, "a user would take web1 for running");
        assert!(failure.excerpt.contains("\"running\""), "the excerpt does not show what domkeep said: {}", failure.excerpt);
    }

    #[test]
    fn an_expectation_cannot_hold_by_accident() {
        let mut see = See::default();
        see.is(&answer(), "domains[name=web9].power", "running", "absent");
        see.is(&answer(), "domains[name=web1].disks[vdev=xvda].vdev", "xvda", "twice");
        see.has(&answer(), "domains[name=web1].uuid", "null");
        see.has_no(&answer(), "domains[name=web1].disks", "there");
        see.count(&answer(), "domains[name=web1].disks[*]", 1, "two");
        see.between(&answer(), "domains[name=web1].power", 0.0, 1.0, "no number");
        see.holds(&answer(), "domains[name=web1].power", "walking", "other text");
        see.exit(&answer().said, 0, "no exit code");
        assert_eq!((see.failures.len(), see.looked), (8, 8), "{:?}", see.failures);
    }

    #[test]
    fn what_is_there_is_seen() {
        let mut see = See::default();
        see.is(&answer(), "domains[name=web1].power", "running", "");
        see.one_of(&answer(), "domains[name=web1].power", &[json!("paused"), json!("running")], "");
        see.has(&answer(), "domains[name=web1]", "");
        see.has_no(&answer(), "domains[name=web1].uuid", "");
        see.count(&answer(), "domains[name=web1].disks[*]", 2, "");
        assert_eq!(see.failures.len(), 0, "{:?}", see.failures);
    }
}
