//! Records every answer of a host, so that [`super::replay::Replay`] can give it again somewhere else.
//!
//! Only what the probes ask for is recorded: headers and configurations, never memory pages, never a disk's contents. The folder's form
//! is described at [`super::replay`]; secrets are masked ([`super::mask`]) when it is written, not before, so that the probes see the
//! host as it is.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::replay::{Recording, Writer, Written};
use super::{Answer, Blocks, DeviceFacts, HostError, Listing, Look, Place, Space, Stat, Watch, logged};
use crate::model::{Cmd, Extent, Output};

/// A host whose answers are recorded.
pub struct Capture<H> {
    inner: H,
    taken: DateTime<Utc>,
    recording: Mutex<Recording>,
}

impl<H: Look> Capture<H> {
    pub fn new(inner: H) -> Self {
        let taken = inner.now();
        Self { inner, taken, recording: Mutex::default() }
    }

    /// Writes what was recorded until now as a folder. `host` is the host's name; `notes` say what a reader should know.
    ///
    /// # Errors
    /// `Refused` when there is already something at `dir` other than an empty directory; `Failed` when it cannot be written, and then
    /// nothing is left of it.
    pub fn save(&self, dir: &Path, host: &str, notes: &[String]) -> Answer<Written> {
        let mut writer = Writer::create(dir, host, self.taken)?;
        writer.place(&self.inner.place().to_string()).recorded(self.lock().clone());
        for note in notes {
            writer.note(note);
        }
        writer.finish()
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: Look> Look for Capture<H> {
    fn place(&self) -> Place {
        self.inner.place()
    }

    /// Stands still, as it will in the replay: ages that are shown now are shown there.
    fn now(&self) -> DateTime<Utc> {
        self.taken
    }

    fn run(&self, cmd: &Cmd) -> Answer<Output> {
        let answer = self.inner.run(cmd);
        self.lock().command(cmd, answer.clone());
        answer
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> Answer<Vec<u8>> {
        let answer = self.inner.read_at(path, offset, len);
        self.lock().read(path, offset, len, answer.as_deref().map_err(Clone::clone));
        answer
    }

    fn list(&self, dir: &Path, limit: usize) -> Answer<Listing> {
        let answer = self.inner.list(dir, limit);
        self.lock().list(dir, answer.clone());
        answer
    }

    fn stat(&self, path: &Path, follow: bool) -> Answer<Stat> {
        let answer = self.inner.stat(path, follow);
        self.lock().stat(path, follow, answer.clone());
        answer
    }

    fn resolve(&self, path: &Path) -> Answer<PathBuf> {
        let answer = self.inner.resolve(path);
        self.lock().resolve(path, answer.clone());
        answer
    }

    fn readlink(&self, path: &Path) -> Answer<PathBuf> {
        let answer = self.inner.readlink(path);
        self.lock().readlink(path, answer.clone());
        answer
    }

    fn extents(&self, path: &Path) -> Answer<Vec<Extent>> {
        let answer = self.inner.extents(path);
        self.lock().extents(path, answer.clone());
        answer
    }

    fn space(&self, path: &Path) -> Answer<Space> {
        let answer = self.inner.space(path);
        self.lock().space(path, answer.clone());
        answer
    }

    fn device(&self, path: &Path) -> Answer<DeviceFacts> {
        let answer = self.inner.device(path);
        self.lock().device(path, answer.clone());
        answer
    }

    fn open_for_reading(&self, _: &Path) -> Answer<Blocks> {
        Err(HostError::Refused { why: "a capture holds no disk's contents".to_owned() })
    }

    fn has_tool(&self, name: &str) -> Answer<bool> {
        self.inner.has_tool(name)
    }

    fn watch(&self, paths: &[PathBuf], tell: Box<dyn Fn() + Send + Sync>) -> Option<Box<dyn Watch>> {
        self.inner.watch(paths, tell)
    }

    fn log(&self) -> Vec<logged::Entry> {
        self.inner.log()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests lay out the host that is captured")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::host::Entry;
    use crate::host::local::Local;
    use crate::host::replay::Replay;
    use crate::host::tools::Tools;
    use crate::model::HostPath;

    /// What a probe could ask of a path; two hosts are alike when they answer alike.
    fn ask_all(host: &dyn Look, path: &Path) -> String {
        let facts = format!("{:?}\n{:?}\n", host.stat(path, false), host.stat(path, true));
        let links = format!("{:?}\n{:?}\n", host.resolve(path), host.readlink(path));
        let bytes = format!("{:?}\n{:?}\n", host.read_at(path, 0, 4096), host.read_at(path, 4096, 100_000));
        let rest = format!("{:?}\n{:?}\n{:?}\n", host.list(path, 100), host.extents(path), host.device(path));
        [facts, links, bytes, rest].concat()
    }

    #[test]
    fn a_captured_host_answers_as_the_host_did() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().canonicalize().unwrap().join("host");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("web.cfg"), "name='web'\n").unwrap();
        fs::write(root.join("binary"), (0..=255).cycle().take(50_000).collect::<Vec<u8>>()).unwrap();
        fs::write(root.join("empty"), "").unwrap();
        fs::write(root.join("secret-to-us"), "x").unwrap();
        fs::set_permissions(root.join("secret-to-us"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::write(root.join(HostPath::from_bytes(b"bad\xff\n\x1b[31m").as_path()), "odd name").unwrap();
        fs::File::create(root.join("sparse")).unwrap().set_len(1 << 30).unwrap();
        symlink("..", root.join("loop")).unwrap();
        symlink("self", root.join("self")).unwrap();
        symlink("web.cfg", root.join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        // Major 1, minor 3: /dev/null's numbers. Not every container lets root make it.
        let null = rustix::fs::makedev(1, 3);
        let _ = rustix::fs::mknodat(rustix::fs::CWD, root.join("null"), rustix::fs::FileType::CharacterDevice, 0o600.into(), null);

        let capture = Capture::new(Local::with_tools(Tools::in_directories(vec![])));
        let names: Vec<Entry> = capture.list(&root, 100).unwrap().entries;
        assert!(names.len() >= 10);
        let paths: Vec<PathBuf> = names
            .iter()
            .map(|entry| root.join(&entry.name))
            .chain([root.clone(), root.join("none"), root.join("loop/host/web.cfg")])
            .collect();
        let told: Vec<String> = paths.iter().map(|path| ask_all(&capture, path)).collect();
        let room = capture.space(&root);
        let no_tool = capture.run(&Cmd::reads("xl", ["list"]));
        assert_eq!(no_tool, Err(HostError::NoTool { program: "xl".to_owned() }));

        let dir = tmp.path().join("capture");
        let written = capture.save(&dir, "xen1", &["a test".to_owned()]).unwrap();
        assert_eq!(written.left_out, 0);
        fs::remove_dir_all(&root).unwrap();
        let replay = Replay::open(&dir).unwrap();
        for (path, told) in paths.iter().zip(&told) {
            assert_eq!(&ask_all(&replay, path), told, "the replay shows another host: {}", path.display());
        }
        assert_eq!(replay.space(&root), room);
        assert_eq!(replay.run(&Cmd::reads("xl", ["list"])), no_tool, "why a question has no answer is a part of the picture");
        assert_eq!(replay.now(), capture.now());
        assert_eq!((replay.host(), replay.made_at(), replay.notes().len()), ("xen1", "this machine", 1));
    }

    #[test]
    fn a_capture_of_a_replay_is_the_same_again() {
        let tmp = tempfile::tempdir().unwrap();
        let (first, second) = (tmp.path().join("first"), tmp.path().join("second"));
        let cmd = Cmd::reads("xl", ["list", "-l"]);
        let output = Output {
            exit: 0,
            stdout: b"{\"passwd\": \"hunter2\"}".to_vec(),
            stderr: b"w".to_vec(),
            took: std::time::Duration::from_millis(7),
        };
        let mut writer = Writer::create(&first, "xen1", Utc::now()).unwrap();
        writer.command(&cmd, output).place("lab");
        writer.finish().unwrap();
        let capture = Capture::new(Replay::open(&first).unwrap());
        let told = capture.run(&cmd).unwrap();
        assert_eq!(told.stdout, b"{\"passwd\": \"*******\"}");
        capture.save(&second, "xen1", &[]).unwrap();
        assert_eq!(Replay::open(&second).unwrap().run(&cmd).unwrap(), told);
    }
}
