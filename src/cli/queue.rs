//! `domkeep backup --all`: one domain after the other, so that the host is not trampled. One that is refused or fails stops no other; the exit code
//! says that there was one.

use std::io::{BufRead, Write};

use serde_json::json;

use super::ink::Ink;
use super::wish::{Backup, Change};
use super::{launch, print};
use crate::engine::{Engine, Picture};
use crate::model::{Domain, Toolstack, shown};
use crate::problem::{Exit, Problem};

/// How one domain's turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Turn {
    Good,
    /// The backup is not good, or not all of it is there.
    Partial,
    Failed,
    /// There is nothing of it that domkeep could back up.
    NotCovered {
        because: &'static str,
    },
}

pub fn run(backup: &Backup, engine: &Engine, ink: Ink, mut person: Option<&mut dyn BufRead>, out: &mut dyn Write) -> Result<Exit, Problem> {
    let picture = engine.scan();
    let except = names(backup.except.as_deref())?;
    if let Some(unknown) = except.iter().find(|name| picture.inventory.domain(name).is_none()) {
        return Err(Problem::usage(format!("--except: there is no domain `{unknown}`")).hint("`domkeep list` shows all domains"));
    }
    let mut turns: Vec<(String, Turn)> = Vec::new();
    for domain in chosen(&picture, &except) {
        let turn = if let Some(because) = not_covered(domain) {
            Turn::NotCovered { because }
        } else {
            let asked: Option<&mut dyn BufRead> = match &mut person {
                Some(person) => Some(&mut **person),
                None => None,
            };
            one(backup, &domain.id, engine, ink, asked, out)?
        };
        turns.push((domain.id.clone(), turn));
    }
    if turns.is_empty() {
        return Err(Problem::new("there is no domain to back up").hint("`domkeep list` shows all domains"));
    }
    let exit = exit(&turns);
    let text = if backup.going.json.json { as_line(&turns) } else { summary(&turns) };
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

/// Why a domain has no turn. What has one and cannot be backed up all the same is a failure.
fn not_covered(domain: &Domain) -> Option<&'static str> {
    if !domain.toolstacks.is_empty() && !domain.toolstacks.contains(&Toolstack::Xl) {
        return Some("xl does not drive it");
    }
    domain.disks.is_empty().then_some("it has no disk")
}

/// The error is one of this program's own: what goes wrong with one domain is told, and the next one has its turn.
fn one(
    backup: &Backup,
    domain: &str,
    engine: &Engine,
    ink: Ink,
    person: Option<&mut dyn BufRead>,
    out: &mut dyn Write,
) -> Result<Turn, Problem> {
    let json = backup.going.json.json;
    if !json {
        print(out, &format!("{}\n", ink.bold(&format!("== {}", shown::text(domain)))))?;
    }
    let change = Change::Backup(Box::new(Backup { domain: Some(domain.to_owned()), all: false, except: None, ..backup.clone() }));
    match launch::run(&change, engine, ink, person, out) {
        Ok(Exit::Good) => Ok(Turn::Good),
        Ok(Exit::Partial) => Ok(Turn::Partial),
        Ok(Exit::HungUp) => {
            Err(Problem { exit: Exit::HungUp, ..Problem::new("the terminal went away: the backups after this one were not begun") })
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

fn summary(turns: &[(String, Turn)]) -> String {
    let mut text = String::from("\n");
    for (domain, turn) in turns {
        text.push_str(&format!("{}: {}\n", shown::text(domain), says(turn)));
    }
    let good = turns.iter().filter(|(_, turn)| *turn == Turn::Good).count();
    text.push_str(&format!("{good} of {} domains were backed up.\n", turns.len()));
    text
}

fn as_line(turns: &[(String, Turn)]) -> String {
    let one = |(domain, turn): &(String, Turn)| json!({"domain": domain, "good": *turn == Turn::Good, "says": says(turn)});
    let turns: Vec<_> = turns.iter().map(one).collect();
    format!("{}\n", json!({"schema": 1, "backups": turns}))
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
        assert!(summary(&turns(&[Turn::Good, Turn::Failed])).contains("1 of 2"));
    }

    #[test]
    fn an_exception_that_names_nobody_is_no_exception() {
        assert_eq!(names(None), Ok(Vec::new()));
        assert_eq!(names(Some("a, b")), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert!(names(Some("a,")).is_err(), "an empty name would leave nobody out");
    }
}
