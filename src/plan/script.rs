//! A plan as a script for sh (POSIX): the same lines that the preview shows, with what was taken for granted looked at before each step.
//!
//! Every word is quoted, and no stranger's text is a line of its own: the script can be shown on a terminal and edited.

use crate::model::cmd::shell_bytes;
use crate::model::{Action, Afterwards, Check, Edit, Line, Location, Plan, action, shown};

/// The script.
pub(super) fn script(plan: &Plan) -> String {
    let mut script = Script { out: String::new() };
    script.head(plan);
    script.functions(plan);
    script.look_once(plan);
    for (number, step) in plan.steps.iter().enumerate() {
        script.out.push('\n');
        script.comment(&format!("{} of {}: {}", number + 1, plan.steps.len(), step.says));
        script.comment(&step.why);
        let holds = plan.assumptions.iter().enumerate().filter(|(_, assumed)| assumed.through.is_none_or(|last| number <= last));
        for (index, _) in holds {
            script.say(&format!("look_{}", index + 1));
        }
        if step.cleanup.is_some() {
            script.say(&format!("at_end=\"cleanup_{} $at_end\"", number + 1));
        }
        script.step(plan, &step.action);
    }
    script.say("\necho 'All is done.'");
    script.out
}

struct Script {
    out: String,
}

impl Script {
    fn say(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn comment(&mut self, text: &str) {
        for line in text.split('\n') {
            self.say(&format!("# {}", shown::text(line)));
        }
    }

    fn head(&mut self, plan: &Plan) {
        self.say("#!/bin/sh");
        self.comment(&plan.title);
        self.comment("");
        self.comment(&format!(
            "Written by domkeep {} for the plan {}. Run it as the user that the plan is for.",
            env!("CARGO_PKG_VERSION"),
            plan.id
        ));
        self.comment("It stops at the first error, and leaves what was made so far; run by domkeep, the same plan is taken back.");
        for warning in &plan.warnings {
            self.comment("");
            self.comment(&format!("Warning: {warning}"));
        }
        self.say("set -eu\numask 077\nLC_ALL=C\nexport LC_ALL\n");
        if let Some(confirm) = &plan.confirm {
            self.comment(&confirm.loses);
            let name = shell_bytes(confirm.name.as_bytes());
            self.say(&format!("if [ \"${{1-}}\" != {name} ]; then"));
            let hint = shell_bytes(
                format!("Data is lost by this. Give the name as the only argument to go on: {}", shown::text(&confirm.name)).as_bytes(),
            );
            self.say(&format!("  printf '%s\\n' {hint} >&2\n  exit 64\nfi\n"));
        }
    }

    fn functions(&mut self, plan: &Plan) {
        self.say("stop() {\n  printf 'stopped: %s\\n' \"$1\" >&2\n  exit 1\n}\n");
        self.comment("hold SAYS CONDITION WORD...: goes on only while the condition holds.");
        self.say("hold() {\n  says=$1\n  condition=$2\n  shift 2\n  sh -c \"$condition\" sh \"$@\" || stop \"no longer so: $says\"\n}");
        if plan.steps.iter().any(|step| matches!(step.action, Action::Witness { .. } | Action::SaveDomain { .. })) {
            self.say("");
            self.comment("What changes when somebody writes: of a file its size and times, of a device its counter of written sectors.");
            self.say(
                "written() {\n  for disk in \"$@\"; do\n    if [ -b \"$disk\" ]; then\n      numbers=$(stat -L -c '%t %T' -- \"$disk\")\n      \
                 awk '{ print $7 }' \"/sys/dev/block/$((0x${numbers% *})):$((0x${numbers#* }))/stat\"\n    else\n      \
                 stat -L -c '%s %Y %Z' -- \"$disk\"\n    fi\n  done\n}",
            );
        }
        for (index, assumed) in plan.assumptions.iter().enumerate() {
            self.say("");
            self.comment(&assumed.says);
            self.say(&format!("look_{}() {{", index + 1));
            if let Check::Holds { path, .. } = &assumed.check
                && let Some(before) = plan.edits.iter().find(|edit| edit.path == *path).and_then(|edit| edit.before.as_ref())
            {
                self.same_bytes(path.as_bytes(), before);
            } else {
                self.hold(&assumed.says, &assumed.check);
            }
            self.say("}");
        }
        self.cleanups(plan);
    }

    /// A file as it was read: compared with the text itself, which needs no tool that a host may not have.
    fn same_bytes(&mut self, path: &[u8], before: &str) {
        let cmp = Line {
            argv: vec![b"cmp".to_vec(), b"-s".to_vec(), b"--".to_vec(), path.to_vec(), b"-".to_vec()],
            stdin: Some(before.as_bytes().to_vec()),
        };
        self.line_or(&cmp, Some("a file is not as it was read"));
    }

    fn hold(&mut self, says: &str, check: &Check) {
        let mut args = Vec::new();
        let condition = check.condition(&mut args);
        let mut words = vec![shell_bytes(shown::text(says).as_bytes()), shell_bytes(condition.as_bytes())];
        words.extend(args.iter().map(|arg| shell_bytes(arg)));
        self.say(&format!("hold {}", words.join(" ")));
    }

    fn cleanups(&mut self, plan: &Plan) {
        if plan.steps.iter().all(|step| step.cleanup.is_none()) {
            return;
        }
        for (number, step) in plan.steps.iter().enumerate() {
            let Some(cleanup) = &step.cleanup else { continue };
            self.say("");
            self.comment(&cleanup.says);
            self.say(&format!("cleanup_{}() {{", number + 1));
            if let Some(needed) = &cleanup.needed {
                let mut args = Vec::new();
                let condition = needed.condition(&mut args);
                let words: Vec<String> = std::iter::once(shell_bytes(condition.as_bytes())).chain([String::from("sh")]).collect();
                let args: Vec<String> = args.iter().map(|arg| shell_bytes(arg)).collect();
                self.say(&format!("sh -c {} {} || return 0", words.join(" "), args.join(" ")));
            }
            for line in cleanup.action.lines() {
                self.line(&line);
            }
            self.say("}");
        }
        self.say(
            "\nat_end=\nclean_up() {\n  code=$?\n  trap - EXIT\n  set +e\n  for cleanup in $at_end; do\n    \"$cleanup\"\n  done\n  exit \"$code\"\n}\n\
             trap clean_up EXIT\ntrap 'exit 130' INT\ntrap 'exit 143' TERM HUP",
        );
    }

    /// The job's folder, which domkeep would have made; and that no file was edited meanwhile.
    fn look_once(&mut self, plan: &Plan) {
        let inside = plan.steps.iter().find_map(|step| match &step.action {
            Action::MakeDirectory { path, .. } | Action::WriteFile { path, .. } => path
                .as_path()
                .ancestors()
                .find(|above| above.file_name().is_some_and(|name| name == plan.id.as_str()))
                .map(std::path::Path::to_path_buf),
            _ => None,
        });
        if let Some(folder) = inside {
            self.say("");
            self.comment("A folder for what is only needed meanwhile.");
            let words = ["mkdir", "-p", "--"].map(|word| word.as_bytes().to_vec()).into_iter();
            let folder = std::os::unix::ffi::OsStringExt::into_vec(folder.into_os_string());
            self.line(&Line { argv: words.chain([folder]).collect(), stdin: None });
        }
    }

    fn step(&mut self, plan: &Plan, action: &Action) {
        match action {
            Action::Witness { domain, disks } => {
                if let Some(name) = domain {
                    self.hold(&format!("{name} is off"), &Check::DomainPresent { name: name.clone() }.negated());
                }
                let words = arguments(disks);
                self.say(&format!("before=$(written{words})"));
            }
            Action::CompareWitness => self.compare(plan, "somebody wrote to a disk: the copies are torn"),
            Action::SaveDomain { save } => {
                self.lines(action);
                if save.afterwards == Afterwards::Gone {
                    self.say(&format!("before=$(written{})", arguments(&save.disks)));
                }
            }
            Action::ResumeSaved { .. } => {
                self.compare(plan, "somebody wrote to a disk: resumed over it, the domain would destroy it");
                self.lines(action);
            }
            Action::Rename { from, to, expect } => {
                if let Some(inode) = expect {
                    self.hold(&format!("{from} is what was looked at"), &Check::Is { path: from.clone(), inode: *inode });
                }
                self.renamed(action, from.as_bytes(), &to.to_string());
            }
            Action::SealBundle { partial, bundle, .. } => {
                self.comment(
                    "Only domkeep writes manifest and RESTORE.txt: made by this script, the directory holds plain images and nothing else.",
                );
                self.renamed(action, partial.as_bytes(), &bundle.to_string());
            }
            Action::ReplaceFile { path, .. } => {
                let before = plan.edits.iter().find(|edit: &&Edit| edit.path == *path).and_then(|edit| edit.before.as_ref());
                if let Some(before) = before {
                    self.same_bytes(path.as_bytes(), before);
                }
                self.lines(action);
            }
            Action::WriteBeneath { root, path, .. } => {
                // The directories on the way must be what they look like.
                let inside = path.as_path().parent().into_iter().flat_map(|above| above.ancestors());
                for above in inside.filter(|above| above.file_name().is_some()) {
                    let above = root.join(above.strip_prefix("/").unwrap_or(above));
                    self.say(&format!("[ ! -L {} ] || stop 'a link leads out of the new file system'", shell_bytes(above.as_bytes())));
                }
                self.lines(action);
            }
            Action::Run { cmd } if !cmd.also_fine.is_empty() => {
                let fine: Vec<String> = cmd.also_fine.iter().map(|status| format!("[ $? -eq {status} ]")).collect();
                for line in action.lines() {
                    let words: Vec<String> = line.argv.iter().map(|word| shell_bytes(word)).collect();
                    self.say(&format!("{} || {}", words.join(" "), fine.join(" || ")));
                }
            }
            _ => self.lines(action),
        }
    }

    /// Against what the plan's own witness saw.
    fn compare(&mut self, plan: &Plan, differs: &str) {
        let disks = plan.steps.iter().find_map(|step| match &step.action {
            Action::Witness { disks, .. } => Some(disks.as_slice()),
            Action::SaveDomain { save } => Some(save.disks.as_slice()),
            _ => None,
        });
        let words = arguments(disks.unwrap_or_default());
        self.say(&format!("[ \"$(written{words})\" = \"$before\" ] || stop '{differs}'"));
    }

    /// `mv -n` says nothing when it did nothing.
    fn renamed(&mut self, action: &Action, from: &[u8], to: &str) {
        self.lines(action);
        let from = shell_bytes(from);
        let says = shell_bytes(format!("{to} was there already").as_bytes());
        self.say(&format!("if [ -e {from} ] || [ -L {from} ]; then stop {says}; fi"));
    }

    fn lines(&mut self, action: &Action) {
        for line in action.lines() {
            self.line(&line);
        }
    }

    fn line(&mut self, line: &Line) {
        self.line_or(line, None);
    }

    /// A command; what is said when it fails, if anything.
    fn line_or(&mut self, line: &Line, fails: Option<&str>) {
        let words: Vec<String> = line.argv.iter().map(|word| shell_bytes(word)).collect();
        let fails = fails.map_or_else(String::new, |says| format!(" || stop '{}'", says.replace('\'', "")));
        let command = words.join(" ");
        match &line.stdin {
            None => self.say(&format!("{command}{fails}")),
            Some(bytes) => match here_document(bytes) {
                Some((mark, text)) => self.say(&format!("{command} <<'{mark}'{fails}\n{text}{mark}")),
                None => self.say(&format!("printf '{}' | {command}{fails}", printf(bytes))),
            },
        }
    }
}

fn arguments(disks: &[Location]) -> String {
    let words: Vec<String> = std::iter::once(String::new()).chain(disks.iter().map(|disk| shell_bytes(&action::end(disk)))).collect();
    words.join(" ")
}

/// A format for printf, between single quotes, that yields these bytes.
fn printf(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            // A minus first would be an option.
            b'-' if at == 0 => out.push_str("\\055"),
            b'%' => out.push_str("%%"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'_' | b'-' | b'.' | b'/' | b':' | b'=' | b',' | b'+' | b'@' => {
                out.push(char::from(*byte));
            }
            _ => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out
}

/// A text that can stand in the script as it is: its end mark, and the text.
fn here_document(bytes: &[u8]) -> Option<(String, &str)> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.ends_with('\n'))?;
    if text.chars().any(|c| shown::is_unsafe(c) && !matches!(c, '\n' | '\t')) {
        return None;
    }
    let mut mark = "END_OF_FILE".to_owned();
    while text.lines().any(|line| line == mark) {
        mark.push('_');
    }
    Some((mark, text))
}
