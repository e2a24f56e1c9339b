//! From a wish on the command line to a job: form, request, plan, a look at it, a yes, and the job's events until it ends.

use std::io::{BufRead, Write};

use serde_json::json;

use super::ink::Ink;
use super::wish::{Change, Going};
use super::{as_json, jobs, no_domain, preview, print};
use crate::engine::{Engine, Picture, Work};
use crate::model::{FieldTrouble, Form, JobId, JobState, JobSummary, Plan, Refusal, Request, Subject, Wish, cmd::shell_word, shown, told};
use crate::problem::{Exit, Problem};

/// Longest answer that is read.
const LONGEST_ANSWER: u64 = 4096;

/// Runs a change. `person` is the one to be asked; nothing where nobody sits at a terminal.
pub fn run(change: &Change, engine: &Engine, ink: Ink, person: Option<&mut dyn BufRead>, out: &mut dyn Write) -> Result<Exit, Problem> {
    let going = change.going();
    let picture = engine.scan();
    let form = filled_in(change, engine, &picture)?;
    let request = Engine::request(&form).map_err(|troubles| wrong_options(change.wish(), &troubles))?;
    if !going.script
        && !going.dry_run
        && let Some(id) = interrupted(engine, &request)
    {
        engine.resume_job(&id, Work::Finish)?;
        tell_started(&id, "goes on from where it was interrupted", going, out)?;
        return if going.detach { Ok(Exit::Good) } else { jobs::follow(engine, &id, going.json.json, ink, out) };
    }
    let plan = match engine.plan(&request, &picture) {
        Ok(plan) => plan,
        Err(refusal) if going.json.json => {
            print(out, &as_json(&json!({"schema": 1, "refusal": refusal}))?)?;
            return Ok(Exit::Failed);
        }
        Err(refusal) => return Err(refused(&form, &refusal)),
    };
    if going.script {
        return print(out, &Engine::script(&plan)).map(|()| Exit::Good);
    }
    if going.dry_run {
        let text = if going.json.json {
            as_json(&json!({"schema": 1, "plan": plan, "commands": commands(&plan)}))?
        } else {
            preview::text(&plan, ink)
        };
        return print(out, &text).map(|()| Exit::Good);
    }
    if let Some(why) = engine.nothing_may_change() {
        return Err(why);
    }
    let typed = match agree(&plan, change, ink, person, out)? {
        Agreed::No => {
            print(out, "Nothing was changed.\n")?;
            return Ok(Exit::Failed);
        }
        Agreed::Yes { typed } => typed,
    };
    let id = engine.launch(&plan, typed.as_deref())?;
    tell_started(&id, "is started", going, out)?;
    if going.detach { Ok(Exit::Good) } else { jobs::follow(engine, &id, going.json.json, ink, out) }
}

fn tell_started(id: &JobId, what: &str, going: &Going, out: &mut dyn Write) -> Result<(), Problem> {
    let text = if going.json.json {
        json!({"schema": 1, "job": id}).to_string()
    } else if going.detach {
        format!("Job {id} {what}. `domkeep jobs follow {id}` shows it.")
    } else {
        format!("Job {id} {what}. Ctrl-C stops only this view; the job goes on, and `domkeep jobs follow {id}` shows it again.")
    };
    print(out, &format!("{text}\n"))
}

/// The job that was begun for the same copy and was interrupted: who asks again wants it to go on. It was agreed to when it began. The newest one;
/// of other changes a person decides whether they go on (`domkeep jobs`).
fn interrupted(engine: &Engine, request: &Request) -> Option<JobId> {
    let Request::Copy { from, to, .. } = request else { return None };
    let left = |job: &JobSummary| matches!(job.state, JobState::Leftover { .. }) && job.can_finish.is_ok() && !told::is_starting(job);
    engine.jobs().ok()?.into_iter().filter(left).map(|job| job.id).find(|id| {
        let plan = engine.job(id).ok().and_then(|job| job.plan);
        plan.is_some_and(|plan| matches!(&plan.request, Request::Copy { from: same, to: place, .. } if same == from && place == to))
    })
}

/// The form with what the command line says. What it leaves out stays as the form suggests it for that domain.
fn filled_in(change: &Change, engine: &Engine, picture: &Picture) -> Result<Form, Problem> {
    let filled = change.filled();
    let given = |key: &str| filled.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
    let mut domain = given("domain");
    if let (Change::Resume(_), Some(save)) = (change, given("save"))
        && !save.starts_with('/')
    {
        domain = Some(save);
    }
    let domain = match domain {
        Some(name) => Some(picture.inventory.domain(name).ok_or_else(|| no_domain(picture, name))?),
        None => None,
    };
    let subject = domain.map(|domain| Subject::Domain { name: domain.id.clone() });
    let mut form = engine.form(change.wish(), picture, subject.as_ref());
    for (key, value) in &filled {
        match (*key, domain) {
            ("domain", Some(domain)) => form.set("domain", domain.id.clone()),
            ("save", Some(domain)) if form.value("save").is_empty() => {
                let problem = Problem::new(format!("no save image of `{}` was found that could be resumed", domain.name));
                return Err(problem.hint("name the file, or the directory where it lies with --look-in"));
            }
            ("save", Some(_)) => {}
            _ => form.set(key, *value),
        }
    }
    match change {
        // Several domains have one way.
        Change::Backup(backup) if backup.with.is_some() && backup.strategy.is_none() => {
            form.set("strategy", "live");
            form.set("when-running", "refuse");
        }
        // A person who reads the suggestion may agree to it; an option that nobody gave is no wish to shut something down.
        Change::Backup(backup) if backup.when_running.is_none() => form.set("when-running", "refuse"),
        // What is only asked for a cold backup asks for one.
        Change::Backup(backup) if backup.strategy.is_none() => form.set("strategy", "cold"),
        Change::NewDisk(disk) if disk.content.names_new_domain() => form.set("attach", "new"),
        Change::NewVolume(volume) if volume.content.names_new_domain() => form.set("attach", "new"),
        Change::NfsRoot(root) if root.source.is_some() && root.populate.is_none() => form.set("populate", "directory"),
        Change::Restore(restore) if restore.to.is_none() && restore.directory.is_none() => form.set("to", "old-place"),
        _ => {}
    }
    Ok(form)
}

fn wrong_options(wish: Wish, troubles: &[FieldTrouble]) -> Problem {
    let mut problem = Problem::usage("the options are not right");
    for trouble in troubles {
        problem = problem.because(format!("--{}: {}", trouble.key, trouble.says));
    }
    let name = match wish {
        Wish::NewFileDisk => "new-disk",
        Wish::ColdBackup => "backup",
        Wish::Restore => "restore",
        Wish::Start => "start",
        Wish::Resume => "resume",
        Wish::Save => "save",
        Wish::Copy => "copy",
        Wish::NewVolume => "new-volume",
        Wish::MoveDisk => "move-disk",
        Wish::Grow => "grow",
        Wish::Attach => "attach",
        Wish::Detach => "detach",
        Wish::Clone => "clone",
        Wish::Prune => "prune",
        Wish::Remove => "remove",
        Wish::RollBack => "roll-back",
        Wish::NfsRoot => "nfs-root",
    };
    problem.hint(format!("`domkeep {name} --help` explains every option"))
}

fn refused(form: &Form, refusal: &Refusal) -> Problem {
    Problem::new(format!("{}: refused ({})", form.title, refusal.rule)).because(&refusal.fact).hint(shown::text(&refusal.instead))
}

fn commands(plan: &Plan) -> Vec<Vec<String>> {
    plan.steps.iter().map(|step| step.action.lines().iter().map(ToString::to_string).collect()).collect()
}

enum Agreed {
    No,
    Yes { typed: Option<String> },
}

/// `--yes` stands for a yes, never for a name that must be typed.
fn agree(plan: &Plan, change: &Change, ink: Ink, person: Option<&mut dyn BufRead>, out: &mut dyn Write) -> Result<Agreed, Problem> {
    let going = change.going();
    let wants_name = plan.confirm.as_ref().filter(|_| going.confirm.is_none());
    if let (Some(confirm), Some(given)) = (&plan.confirm, &going.confirm)
        && confirm.name != *given
    {
        return Err(Problem::usage(format!("{}: another name must be given", plan.title))
            .because(&confirm.loses)
            .hint(format!("--confirm {}", shell_word(&confirm.name))));
    }
    if going.yes && wants_name.is_none() {
        return Ok(Agreed::Yes { typed: going.confirm.clone() });
    }
    let Some(input) = person else {
        let problem = Problem::usage(format!("{}: nobody agreed to it", plan.title));
        return Err(match wants_name {
            Some(confirm) => problem
                .because(&confirm.loses)
                .hint(format!("--yes --confirm {} goes on; --dry-run shows the plan", shell_word(&confirm.name))),
            None => problem.because("there is no terminal to ask at").hint("--yes goes on without being asked; --dry-run shows the plan"),
        });
    };
    print(out, &preview::text(plan, ink))?;
    if let Some(confirm) = wants_name {
        let answer = ask(&format!("\nTo go on, type {}: ", shown::text(&confirm.name)), input, out)?;
        return Ok(if answer == confirm.name { Agreed::Yes { typed: Some(answer) } } else { Agreed::No });
    }
    let answer = ask("\nGo on? [y/N] ", input, out)?;
    let yes = matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes");
    Ok(if yes { Agreed::Yes { typed: going.confirm.clone() } } else { Agreed::No })
}

fn ask(question: &str, input: &mut dyn BufRead, out: &mut dyn Write) -> Result<String, Problem> {
    print(out, question)?;
    let mut line = Vec::new();
    std::io::Read::take(input, LONGEST_ANSWER)
        .read_until(b'\n', &mut line)
        .map_err(|error| Problem::new("the answer could not be read").because(error))?;
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::wish::{Going, Start};
    use crate::model::plan::PLAN_SCHEMA;
    use crate::model::{Confirm, JobId, Request, Risk};

    fn plan(confirm: Option<&str>) -> Plan {
        Plan {
            schema: PLAN_SCHEMA,
            id: JobId::parse("20261121-144501-0123456789abcdef").unwrap(),
            title: "Start web".into(),
            request: Request::Start { domain: "web".into(), config: None },
            steps: Vec::new(),
            warnings: Vec::new(),
            risk: Risk::Touches,
            confirm: confirm.map(|name| Confirm { name: name.into(), loses: "Its memory is lost.".into() }),
            locks: Vec::new(),
            assumptions: Vec::new(),
            stretches: Vec::new(),
            evidence: Vec::new(),
            edits: Vec::new(),
        }
    }

    /// Whether it goes on, and with which name typed; or the exit code.
    #[allow(clippy::option_option, reason = "no, yes, yes with a name")]
    fn asked(confirm: Option<&str>, yes: bool, given: Option<&str>, answer: Option<&str>) -> Result<Option<Option<String>>, Exit> {
        let going = Going { yes, confirm: given.map(str::to_owned), ..Going::default() };
        let change = Change::Start(Start { domain: "web".into(), config_file: None, going });
        let mut input = answer.unwrap_or_default().as_bytes();
        let person: Option<&mut dyn BufRead> = if answer.is_some() { Some(&mut input) } else { None };
        let mut out = Vec::new();
        match agree(&plan(confirm), &change, Ink::PLAIN, person, &mut out) {
            Ok(Agreed::Yes { typed }) => Ok(Some(typed)),
            Ok(Agreed::No) => Ok(None),
            Err(problem) => Err(problem.exit),
        }
    }

    #[test]
    fn nothing_goes_on_without_a_yes() {
        assert_eq!(asked(None, true, None, None), Ok(Some(None)));
        assert_eq!(asked(None, false, None, None), Err(Exit::Usage), "a script changed a host without being told to");
        assert_eq!(asked(None, false, None, Some("y\n")), Ok(Some(None)));
        for no in ["", "\n", "n\n", "yess\n", "web\n"] {
            assert_eq!(asked(None, false, None, Some(no)), Ok(None), "{no:?} was taken for a yes");
        }
    }

    #[test]
    fn a_yes_never_stands_for_a_name() {
        assert_eq!(asked(Some("web"), true, None, None), Err(Exit::Usage), "--yes lost data");
        assert_eq!(asked(Some("web"), true, None, Some("y\n")), Ok(None), "y lost data");
        assert_eq!(asked(Some("web"), true, None, Some("web\n")), Ok(Some(Some("web".into()))));
        assert_eq!(asked(Some("web"), true, Some("db"), None), Err(Exit::Usage), "another name lost data");
        assert_eq!(asked(Some("web"), true, Some("web"), None), Ok(Some(Some("web".into()))));
        assert_eq!(asked(Some("web"), false, Some("web"), None), Err(Exit::Usage));
        assert_eq!(asked(Some("web"), false, Some("web"), Some("n\n")), Ok(None));
    }
}
