//! From a wish to a launched plan, line by line: what is wanted, the form's questions, the plan as text, the launch.

use std::io;

use super::road::Road;
use super::{Talk, jobs};
use crate::engine::Picture;
use crate::model::form::Choice;
use crate::model::{Field, FieldKind, Form, HostPath, Plan, Request, Subject, Wish, shown, told};

/// What can be asked for, in the order it is offered.
const WISHES: &[(Wish, &str)] = &[
    (Wish::ColdBackup, "back up a domain"),
    (Wish::Restore, "restore a backup"),
    (Wish::NewFileDisk, "make a new disk"),
    (Wish::Start, "start a domain"),
    (Wish::Save, "save a domain to a file"),
    (Wish::Resume, "resume a save image"),
    (Wish::Copy, "copy a disk"),
    (Wish::NewVolume, "make a new volume"),
    (Wish::MoveDisk, "move a disk to another place"),
    (Wish::Grow, "grow a disk, snapshot or pool"),
    (Wish::Attach, "attach a disk to a domain"),
    (Wish::Detach, "detach a disk from a domain"),
    (Wish::Clone, "clone a domain"),
    (Wish::Prune, "remove old restore points"),
    (Wish::Remove, "remove a snapshot, clone or disk"),
    (Wish::RollBack, "roll a volume back to a snapshot"),
    (Wish::NfsRoot, "put a domain's root on NFS"),
];

/// How an answer is taken.
enum Answer {
    Taken,
    /// To the question before.
    Back,
    Stop,
}

/// The whole road. Nothing is changed before the plan was shown and launched.
pub fn change(talk: &mut Talk, road: &dyn Road, picture: &Picture) -> io::Result<()> {
    if let Some(why) = road.fixed() {
        return talk.say(&format!("Nothing can be changed here: {why}."));
    }
    for (index, (_, words)) in WISHES.iter().enumerate() {
        talk.say(&format!("{} {words}", index + 1))?;
    }
    talk.say("0 back")?;
    let Some(answer) = talk.ask("Your choice")? else { return Ok(()) };
    let Some((wish, _)) = number(&answer).and_then(|index| WISHES.get(index)) else {
        return if matches!(answer.as_str(), "0" | "") { Ok(()) } else { talk.say("There is no such choice.") };
    };
    let Some(subject) = subject(talk, picture, *wish)? else { return Ok(()) };
    let mut form = road.form(*wish, picture, subject.as_ref());
    talk.say(&shown::text(&form.title))?;
    talk.say(&shown::text(&form.teaches))?;
    talk.say("An empty answer takes what stands in brackets. ? explains, < goes back a question, - empties an answer, stop gives up.")?;
    while let Some(request) = fill(talk, road, &mut form)? {
        match road.plan(&request, picture) {
            Ok(plan) => {
                if decide(talk, road, picture, &request, plan)? {
                    return Ok(());
                }
            }
            Err(refusal) => {
                talk.say("domkeep does not do that now.")?;
                talk.say(&format!("What is in the way: {}", shown::text(&refusal.fact)))?;
                talk.say(&format!("What would make it possible: {}", shown::text(&refusal.instead)))?;
                if !talk.yes("Answer the questions again", false)? {
                    return Ok(());
                }
            }
        }
    }
    talk.say("Given up; nothing was changed.")
}

/// `1` is the first.
fn number(answer: &str) -> Option<usize> {
    answer.parse::<usize>().ok()?.checked_sub(1)
}

/// What the form is for. Nothing at all: the person went back.
#[allow(clippy::option_option, reason = "went back; for nothing in particular; for this")]
fn subject(talk: &mut Talk, picture: &Picture, wish: Wish) -> io::Result<Option<Option<Subject>>> {
    let things: Vec<(String, Subject)> = match wish {
        Wish::Copy | Wish::Remove | Wish::RollBack => return Ok(Some(None)),
        Wish::Resume => {
            let save = |path: &HostPath| (path.to_string(), Subject::Save { path: path.clone() });
            picture.inventory.saves.iter().map(|found| save(&found.path)).collect()
        }
        _ => {
            let domains = picture.inventory.domains.iter().filter(|domain| domain.domid != Some(0));
            domains
                .map(|domain| {
                    (format!("{}, {}", shown::text(&domain.name), domain.power.as_str()), Subject::Domain { name: domain.name.clone() })
                })
                .collect()
        }
    };
    if things.is_empty() {
        talk.say(if wish == Wish::Resume { "There is no save image." } else { "There is no domain." })?;
        // A disk can be made, and a bundle restored, where no domain is.
        return Ok(matches!(wish, Wish::NewFileDisk | Wish::Restore).then_some(None));
    }
    for (index, (words, _)) in things.iter().enumerate() {
        talk.say(&format!("{} {words}", index + 1))?;
    }
    if matches!(wish, Wish::NewFileDisk | Wish::Restore) {
        talk.say("none of them: an empty answer")?;
    }
    talk.say("0 back")?;
    let Some(answer) = talk.ask("For which")? else { return Ok(None) };
    if answer.is_empty() && matches!(wish, Wish::NewFileDisk | Wish::Restore) {
        return Ok(Some(None));
    }
    let by_name = |(_, subject): &&(String, Subject)| matches!(subject, Subject::Domain { name } if *name == answer);
    let found = number(&answer).and_then(|index| things.get(index)).or_else(|| things.iter().find(by_name));
    if found.is_none() && !matches!(answer.as_str(), "0" | "") {
        talk.say("There is no such choice.")?;
    }
    Ok(found.map(|(_, subject)| Some(subject.clone())))
}

/// Asks every question, and those again whose answer is wrong. Nothing: given up.
fn fill(talk: &mut Talk, road: &dyn Road, form: &mut Form) -> io::Result<Option<Request>> {
    let mut at = 0usize;
    loop {
        let Some(field) = form.fields.get(at).cloned() else {
            match road.request(form) {
                Ok(request) => return Ok(Some(request)),
                Err(troubles) => {
                    let wrong = form
                        .fields
                        .iter()
                        .position(|field| form.is_asked(field) && troubles.iter().any(|trouble| trouble.key == field.key));
                    for trouble in &troubles {
                        talk.say(&format!("Not yet: {}", shown::text(&trouble.says)))?;
                    }
                    let Some(wrong) = wrong else { return Ok(None) };
                    at = wrong;
                    continue;
                }
            }
        };
        if !form.is_asked(&field) {
            at += 1;
            continue;
        }
        match question(talk, form, &field)? {
            Answer::Stop => return Ok(None),
            Answer::Back => {
                let asked = |index: &usize| form.fields.get(*index).is_some_and(|field| form.is_asked(field));
                at = (0..at).rev().find(asked).unwrap_or(0);
            }
            Answer::Taken => {
                let wrong = road.request(form).err().unwrap_or_default().into_iter().find(|trouble| trouble.key == field.key);
                match wrong {
                    Some(trouble) => talk.say(&format!("That will not do: {}", shown::text(&trouble.says)))?,
                    None => at += 1,
                }
            }
        }
    }
}

fn options(kind: &FieldKind) -> Vec<Choice> {
    match kind {
        FieldKind::Choice { options } => options.clone(),
        _ => Vec::new(),
    }
}

fn question(talk: &mut Talk, form: &mut Form, field: &Field) -> io::Result<Answer> {
    let options = options(&field.kind);
    loop {
        talk.say("")?;
        for (index, choice) in options.iter().enumerate() {
            let words = match &choice.not_here {
                Some(why) => format!("not here: {}", shown::text(why)),
                None => shown::text(&choice.help),
            };
            talk.say(&format!("{} {}: {words}", index + 1, shown::text(&choice.label)))?;
        }
        let now = options
            .iter()
            .find(|choice| choice.value == field.value)
            .map_or_else(|| shown::text(&field.value), |choice| shown::text(&choice.label));
        let kind = match field.kind {
            FieldKind::Flag => " (yes or no)",
            FieldKind::Size => " (as 512M, 20G or 1.5T)",
            FieldKind::Path => " (a path from / on)",
            _ => "",
        };
        let Some(answer) = talk.ask(&format!("{}{kind} [{now}]", shown::text(&field.label)))? else { return Ok(Answer::Stop) };
        match answer.as_str() {
            "" => return Ok(Answer::Taken),
            "stop" => return Ok(Answer::Stop),
            "<" | "back" => return Ok(Answer::Back),
            "?" => {
                talk.say(&shown::text(&field.help))?;
                continue;
            }
            "-" if !field.required => {
                form.set(&field.key, "");
                return Ok(Answer::Taken);
            }
            _ => {}
        }
        let value = match &field.kind {
            FieldKind::Flag => match answer.to_lowercase().as_str() {
                "y" | "yes" => "yes".to_owned(),
                "n" | "no" => "no".to_owned(),
                _ => {
                    talk.say("Answer yes or no.")?;
                    continue;
                }
            },
            FieldKind::Choice { .. } => {
                let named = |choice: &&Choice| choice.value == answer || choice.label == answer;
                match number(&answer).and_then(|index| options.get(index)).or_else(|| options.iter().find(named)) {
                    Some(Choice { not_here: Some(why), .. }) => {
                        talk.say(&format!("That is not possible here: {}", shown::text(why)))?;
                        continue;
                    }
                    Some(choice) => choice.value.clone(),
                    None => {
                        talk.say("Answer with one of the numbers.")?;
                        continue;
                    }
                }
            }
            _ => answer,
        };
        form.set(&field.key, value);
        return Ok(Answer::Taken);
    }
}

/// What is done with a plan. Whether the road ends here: launched, or given up.
fn decide(talk: &mut Talk, road: &dyn Road, picture: &Picture, request: &Request, mut plan: Plan) -> io::Result<bool> {
    talk.text(&super::text::plan(&plan))?;
    loop {
        talk.say("")?;
        talk.say("1 launch it")?;
        talk.say("2 dry run: plan again, look whether all still holds, change nothing")?;
        talk.say("3 print it as a script")?;
        talk.say("4 answer the questions again")?;
        talk.say("0 give up")?;
        let Some(answer) = talk.ask("Your choice")? else { return Ok(true) };
        match answer.as_str() {
            "1" | "launch" => {
                if let Some(typed) = sure(talk, &plan)? {
                    launch(talk, road, &plan, typed.as_deref())?;
                    return Ok(true);
                }
                talk.say("Not launched; nothing was changed.")?;
            }
            "2" | "dry" => {
                for (says, held) in road.rehearse(&plan) {
                    talk.say(&format!("{}: {}", shown::text(&says), told::held(&held)))?;
                }
                match road.plan(request, picture) {
                    Ok(again) => {
                        talk.say("Planned again; nothing was changed. This is what would be launched now:")?;
                        plan = again;
                        talk.text(&super::text::plan(&plan))?;
                    }
                    Err(refusal) => {
                        talk.say(&format!("It would be refused now: {}", shown::text(&refusal.fact)))?;
                        talk.say(&format!("What would make it possible: {}", shown::text(&refusal.instead)))?;
                        return Ok(false);
                    }
                }
            }
            "3" | "script" => talk.text(&road.script(&plan))?,
            "4" => return Ok(false),
            "0" | "q" | "quit" => {
                talk.say("Given up; nothing was changed.")?;
                return Ok(true);
            }
            _ => talk.say("Answer with one of the numbers.")?,
        }
    }
}

/// Whether it is to be done: with the name that was typed, where the plan wants one.
#[allow(clippy::option_option, reason = "no; yes; yes, with the name")]
fn sure(talk: &mut Talk, plan: &Plan) -> io::Result<Option<Option<String>>> {
    let Some(confirm) = &plan.confirm else {
        talk.say(told::risk(plan))?;
        return Ok(talk.yes("Launch it", false)?.then_some(None));
    };
    talk.say(&shown::text(&confirm.loses))?;
    let typed = talk.ask(&format!("Type {} to go on; anything else goes back", shown::text(&confirm.name)))?;
    Ok((typed.as_deref() == Some(confirm.name.trim())).then(|| Some(confirm.name.clone())))
}

fn launch(talk: &mut Talk, road: &dyn Road, plan: &Plan, typed: Option<&str>) -> io::Result<()> {
    match road.launch(plan, typed) {
        Ok(id) => {
            talk.say(&format!("Launched as job {id}. It runs on its own: leaving domkeep does not stop it."))?;
            if talk.yes("Follow it", true)? { jobs::follow(talk, road, &id) } else { Ok(()) }
        }
        Err(problem) => talk.say(&problem.to_string()),
    }
}
