//! `backup --all`, `save --all` and `resume --all`: one domain after the other, so that the host is not trampled. One that is refused or fails stops
//! no other; the exit code says that there was one.

use std::io::{BufRead, Write};

use serde_json::json;

use super::ink::Ink;
use super::wish::{Backup, Change, saving};
use super::{launch, print};
use crate::engine::{Engine, Picture};
use crate::model::saved::record_of;
use crate::model::{Domain, MemoryState, Toolstack, shown};
use crate::problem::{Exit, Problem};

/// What is done with each domain.
#[derive(Clone, Copy)]
pub enum Round<'a> {
    Backup(&'a Backup),
    Save(&'a saving::Save),
    Resume(&'a saving::Resume),
}

/// How one domain's turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Turn {
    Good,
    /// The backup is not good, or not all of it is there.
    Partial,
    Failed,
    /// It has no part in this.
    NotCovered {
        because: &'static str,
    },
}

impl<'a> Round<'a> {
    /// Nothing: the change is about one domain.
    pub fn of(change: &'a Change) -> Option<Self> {
        match change {
            Change::Backup(backup) if backup.all => Some(Self::Backup(backup)),
            Change::Save(save) if save.all => Some(Self::Save(save)),
            Change::Resume(resume) if resume.all => Some(Self::Resume(resume)),
            _ => None,
        }
    }

    fn except(self) -> Option<&'a str> {
        match self {
            Self::Backup(backup) => backup.except.as_deref(),
            Self::Save(save) => save.except.as_deref(),
            Self::Resume(resume) => resume.except.as_deref(),
        }
    }

    fn as_json(self) -> bool {
        match self {
            Self::Backup(backup) => backup.going.json.json,
            Self::Save(save) => save.going.json.json,
            Self::Resume(resume) => resume.going.json.json,
        }
    }

    fn turn_of(self, domain: &str) -> Change {
        let domain = Some(domain.to_owned());
        match self {
            Self::Backup(backup) => Change::Backup(Box::new(Backup { domain, all: false, except: None, ..backup.clone() })),
            Self::Save(save) => Change::Save(saving::Save { domain, all: false, except: None, ..save.clone() }),
            Self::Resume(resume) => Change::Resume(saving::Resume { save: domain, all: false, except: None, ..resume.clone() }),
        }
    }

    /// Why a domain has no turn. What has one and cannot be done all the same is a failure.
    fn leaves_out(self, domain: &Domain, engine: &Engine, picture: &Picture) -> Option<&'static str> {
        let xl = domain.toolstacks.is_empty() || domain.toolstacks.contains(&Toolstack::Xl);
        match self {
            Self::Backup(_) if !xl && !domain.toolstacks.contains(&Toolstack::LibvirtQemu) => {
                Some("neither xl nor libvirt's QEMU driver drives it")
            }
            Self::Backup(_) => domain.disks.is_empty().then_some("it has no disk"),
            Self::Save(_) if !domain.power.is_present() => Some("it does not run"),
            Self::Save(_) => (!xl).then_some("xl does not drive it"),
            Self::Resume(_) if domain.memory.state != MemoryState::SaveImage => Some("it is not saved"),
            Self::Resume(_) => {
                (!was_saved_here(domain, engine, picture)).then_some("`domkeep save` did not save it: resume it by its image")
            }
        }
    }

    /// What is called what it came to, of how many.
    fn done(self) -> (&'static str, &'static str) {
        match self {
            Self::Backup(_) => ("backups", "were backed up"),
            Self::Save(_) => ("saves", "were saved"),
            Self::Resume(_) => ("resumed", "were resumed"),
        }
    }
}

/// Its disks were written down beside its image when it was saved.
fn was_saved_here(domain: &Domain, engine: &Engine, picture: &Picture) -> bool {
    let has_record = |path: &crate::model::HostPath| {
        let record = record_of(path);
        let (Some(dir), Some(name)) = (record.as_path().parent().and_then(|dir| dir.to_str()), record.as_path().file_name()) else {
            return false;
        };
        engine.entries(dir).is_ok_and(|entries| entries.iter().any(|(entry, _)| name.to_str() == Some(entry)))
    };
    domain.saves.iter().filter(|path| picture.inventory.save(path).is_some()).any(has_record)
}

pub fn run(
    round: Round<'_>,
    engine: &Engine,
    ink: Ink,
    mut person: Option<&mut dyn BufRead>,
    out: &mut dyn Write,
) -> Result<Exit, Problem> {
    let picture = engine.scan();
    let except = names(round.except())?;
    if let Some(unknown) = except.iter().find(|name| picture.inventory.domain(name).is_none()) {
        return Err(Problem::usage(format!("--except: there is no domain `{unknown}`")).hint("`domkeep list` shows all domains"));
    }
    let mut turns: Vec<(String, Turn)> = Vec::new();
    for domain in chosen(&picture, &except) {
        let turn = if let Some(because) = round.leaves_out(domain, engine, &picture) {
            Turn::NotCovered { because }
        } else {
            let asked: Option<&mut dyn BufRead> = match &mut person {
                Some(person) => Some(&mut **person),
                None => None,
            };
            one(round, &domain.id, engine, ink, asked, out)?
        };
        turns.push((domain.id.clone(), turn));
    }
    if turns.is_empty() {
        return Err(Problem::new("there is no domain").hint("`domkeep list` shows all domains"));
    }
    let exit = exit(&turns);
    let text = if round.as_json() { as_line(round, &turns) } else { summary(round, &turns) };
    print(out, &text)?;
    // The whole look may have missed a domain.
    Ok(if exit == Exit::Good && super::hides_something(&picture.inventory) { Exit::Partial } else { exit })
}

fn names(except: Option<&str>) -> Result<Vec<String>, Problem> {
    let names: Vec<String> = except.unwrap_or_default().split(',').map(str::trim).map(str::to_owned).collect();
    match (except, names.iter().any(String::is_empty)) {
        (Some(_), true) => Err(Problem::usage("--except: a name is missing").hint("give them as web01,db1")),
        (Some(_), false) => Ok(names),
        (None, _) => Ok(Vec::new()),
    }
}

fn chosen<'a>(picture: &'a Picture, except: &[String]) -> Vec<&'a Domain> {
    let wanted = |domain: &&Domain| domain.domid != Some(0) && !except.iter().any(|name| *name == domain.id || *name == domain.name);
    picture.inventory.domains.iter().filter(wanted).collect()
}

/// The error is one of this program's own: what goes wrong with one domain is told, and the next one has its turn.
fn one(
    round: Round<'_>,
    domain: &str,
    engine: &Engine,
    ink: Ink,
    person: Option<&mut dyn BufRead>,
    out: &mut dyn Write,
) -> Result<Turn, Problem> {
    let json = round.as_json();
    if !json {
        print(out, &format!("{}\n", ink.bold(&format!("== {}", shown::text(domain)))))?;
    }
    match launch::run(&round.turn_of(domain), engine, ink, person, out) {
        Ok(Exit::Good) => Ok(Turn::Good),
        Ok(Exit::Partial) => Ok(Turn::Partial),
        Ok(Exit::HungUp) => {
            Err(Problem { exit: Exit::HungUp, ..Problem::new("the terminal went away: the domains after this one had no turn") })
        }
        Ok(_) => Ok(Turn::Failed),
        // Wrong options are wrong for every domain.
        Err(problem) if problem.exit == Exit::Usage => Err(problem),
        Err(problem) => {
            let said = if json {
                let why: Vec<String> = problem.why.iter().map(|why| shown::text(why)).collect();
                format!("{}\n", json!({"schema": 1, "domain": domain, "problem": shown::text(&problem.what), "because": why}))
            } else {
                format!("{problem}\n")
            };
            print(out, &said)?;
            Ok(Turn::Failed)
        }
    }
}

fn exit(turns: &[(String, Turn)]) -> Exit {
    if turns.iter().any(|(_, turn)| *turn == Turn::Failed) {
        Exit::Failed
    } else if turns.iter().any(|(_, turn)| *turn == Turn::Partial) {
        Exit::Partial
    } else {
        Exit::Good
    }
}

fn says(turn: &Turn) -> String {
    match turn {
        Turn::Good => "good".to_owned(),
        Turn::Partial => "NOT GOOD: torn, or interrupted".to_owned(),
        Turn::Failed => "FAILED".to_owned(),
        Turn::NotCovered { because } => format!("not covered: {because}"),
    }
}

fn summary(round: Round<'_>, turns: &[(String, Turn)]) -> String {
    let mut text = String::from("\n");
    for (domain, turn) in turns {
        text.push_str(&format!("{}: {}\n", shown::text(domain), says(turn)));
    }
    let good = turns.iter().filter(|(_, turn)| *turn == Turn::Good).count();
    text.push_str(&format!("{good} of {} domains {}.\n", turns.len(), round.done().1));
    text
}

fn as_line(round: Round<'_>, turns: &[(String, Turn)]) -> String {
    let one = |(domain, turn): &(String, Turn)| json!({"domain": domain, "good": *turn == Turn::Good, "says": says(turn)});
    let turns: Vec<_> = turns.iter().map(one).collect();
    format!("{}\n", json!({"schema": 1, round.done().0: turns}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(all: &[Turn]) -> Vec<(String, Turn)> {
        all.iter().map(|turn| ("web".to_owned(), turn.clone())).collect()
    }

    #[test]
    fn one_that_failed_is_not_hidden_by_those_that_did_not() {
        let not_covered = Turn::NotCovered { because: "it has no disk" };
        assert_eq!(exit(&turns(&[Turn::Good, Turn::Failed, Turn::Good])), Exit::Failed, "a timer would call a night good that was not");
        assert_eq!(exit(&turns(&[Turn::Good, Turn::Partial])), Exit::Partial, "a torn backup would be called good");
        assert_eq!(exit(&turns(&[Turn::Good, not_covered])), Exit::Good, "a domain without disks would fail every night");
        let text = summary(Round::Save(&saving::Save::default()), &turns(&[Turn::Good, Turn::Failed]));
        assert!(text.contains("1 of 2 domains were saved"), "{text}");
    }

    #[test]
    fn an_exception_that_names_nobody_is_no_exception() {
        assert_eq!(names(None), Ok(Vec::new()));
        assert_eq!(names(Some("a, b")), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert!(names(Some("a,")).is_err(), "an empty name would leave nobody out");
    }
}
