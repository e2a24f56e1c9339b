//! A disk that is mounted in the job's own folder for a few steps.

use super::draft::Draft;
use super::text;
use crate::model::{Action, Check, Cleanup, Cmd, HostPath};

pub(super) const TOOLS: [(&str, &str); 2] = [("mount", "mount"), ("umount", "mount")];
/// It cannot act on this host.
const SAFE: &str = "nosuid,nodev,noexec";

pub(super) struct Mounting<'a> {
    /// A file or a device that no domain uses meanwhile.
    pub disk: &'a HostPath,
    /// Beside those that keep it from acting on this host: `loop` for a file.
    pub options: &'a [&'a str],
    pub at: &'a HostPath,
    /// What the step is called: `Mount the new file system`.
    pub says: &'a str,
    pub why: &'a str,
    /// The first of the steps that are begun again with those in between; nothing: the one that mounts it.
    pub since: Option<usize>,
    /// A disk is told as slow to be unmounted after so many seconds.
    pub slow: u64,
}

impl Mounting<'_> {
    /// Mounts it, does what is `between`, and unmounts it. Without devices, programs and set-user-id files: nothing on it acts on this host.
    /// Gives the step that mounts it.
    pub fn around(&self, draft: &mut Draft, between: impl FnOnce(&mut Draft)) -> usize {
        let at = self.at;
        draft.step(
            "Make a place to mount it at",
            "In the job's own folder, where nobody else looks.",
            Action::MakeDirectory { path: at.clone(), mode: 0o700 },
        );
        let options: Vec<&str> = self.options.iter().copied().chain([SAFE]).collect();
        let words = ["-o".to_owned(), options.join(","), text(self.disk), text(at)];
        let mount = draft.run(self.says, self.why, Cmd::changes("mount", words));
        let is_mounted = Check::Mounted { at: at.clone() };
        draft.done(mount, is_mounted.clone());
        let unmount = Cmd::changes("umount", [text(at)]).within(self.slow);
        draft.cleanup(mount, "Unmount it, if that has not been done", unmount.clone(), is_mounted.clone());
        between(draft);
        let step = draft.run(
            "Unmount it",
            "All that was written reaches the disk, and the domain does not share the disk with this host.",
            unmount.clone(),
        );
        draft.done(step, is_mounted.clone().negated());
        // After a power cut the mount is gone, and with it what had not reached the disk.
        let reset = Cleanup {
            says: "Unmount what is still mounted, to begin again".into(),
            action: Action::Run { cmd: unmount },
            needed: Some(is_mounted),
        };
        draft.stretch(self.since.unwrap_or(mount), Some(reset));
        mount
    }
}
