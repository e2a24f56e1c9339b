//! What the host's admin lets run before and after a backup: programs that root alone can change, each with a limit of time, and told by its
//! words which domain and which bundle it is about.

use super::draft::Draft;
use super::facts::{Facts, Go, no};
use super::{Setting, paths, text};
use crate::model::{Action, Check, Cmd, HostPath};

/// Until a program that does not end by itself is killed.
const GRACE_SECONDS: u64 = 10;

/// Steps before the first that touches a domain. The one for after the backup is a cleanup: it runs whatever became of the backup.
pub(super) fn steps(draft: &mut Draft, facts: &Facts<'_>, setting: &Setting, domain: &str, bundle: &HostPath) -> Go<()> {
    let hooks = &setting.hooks;
    for path in hooks.before.iter().chain(&hooks.after) {
        paths::check(path)?;
        if !facts.holds(&Check::Trusted { path: path.clone() })? {
            return no(
                "hook-not-trusted",
                format!(
                    "{path} would run as root, and it is not there, not executable, or somebody else than root can change it or a directory above it"
                ),
                format!("chown root:root and chmod 755 {path} and the directories above it; or take it out of the settings"),
            );
        }
    }
    if hooks.before.is_some() || hooks.after.is_some() {
        paths::tools(facts, &[("timeout", "coreutils")])?;
    }
    let cmd = |path: &HostPath, when: &str| {
        let (grace, limit) = (format!("{GRACE_SECONDS}s"), format!("{}s", hooks.seconds.max(1)));
        let words = ["-k".to_owned(), grace, limit, text(path), when.to_owned(), domain.to_owned(), text(bundle)];
        Cmd::changes("timeout", words).within(hooks.seconds.saturating_add(GRACE_SECONDS).saturating_add(60))
    };
    let mut first = None;
    if let Some(path) = &hooks.before {
        let step = draft.run(
            format!("Run {path} before the backup of {domain}"),
            "The settings name it. If it fails, nothing is backed up; what comes after a backup runs all the same.",
            cmd(path, "before-backup"),
        );
        draft.assume(format!("{path} is root's alone"), Check::Trusted { path: path.clone() }, Some(step));
        first = Some(step);
    }
    if let Some(path) = &hooks.after {
        let step = first.unwrap_or_else(|| {
            draft.step(
                format!("See that {path} can run after the backup"),
                "The settings name it. It runs whatever becomes of the backup.",
                Action::WaitFor { check: Check::Trusted { path: path.clone() }, limit_seconds: 0 },
            )
        });
        let says = format!("Run {path} after the backup of {domain}");
        draft.cleanup(step, says, cmd(path, "after-backup"), Check::Trusted { path: path.clone() });
    }
    Ok(())
}
