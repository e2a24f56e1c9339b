//! Copies between real files of the system that runs the tests.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::Instant;

use super::*;

fn sparse(length: u64, data: &[(u64, &[u8])]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(length).unwrap();
    for (offset, bytes) in data {
        file.write_all_at(bytes, *offset).unwrap();
    }
    file
}

fn content(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn copied_to(source: &File, to: &File, task: &Task) -> Done {
    copy(source.try_clone().unwrap(), to.try_clone().unwrap(), task, &mut ()).unwrap()
}

#[test]
fn a_sparse_file_stays_sparse() {
    let data = stamped(300_000);
    let source = sparse((64 << 20) + 333, &[(5 << 20, &data), (40 << 20, b"x"), ((64 << 20) + 300, b"end")]);
    let to = tempfile::tempfile().unwrap();
    let mut task = Task::new(Destination::New);
    task.options.verify = true;
    let done = copied_to(&source, &to, &task);
    assert!(content(&to) == content(&source), "the copy differs");
    assert!(done.result.verified);
    assert!(to.metadata().unwrap().blocks() <= source.metadata().unwrap().blocks() + 64, "a sparse disk grew by being copied");
    assert_eq!(done.hashes, hashes_of(&content(&source)));
}

#[test]
fn old_bytes_do_not_shine_through() {
    let source = sparse(9 << 20, &[(1 << 20, b"one"), ((4 << 20) + 77, &stamped(70_000))]);
    for (kind, length) in [
        (Destination::Replaced, 20 << 20),
        (Destination::Replaced, (3 << 20) + 5),
        (Destination::Device { zero: false }, 11 << 20),
        (Destination::New, 4 << 20),
    ] {
        let to = sparse(0, &[(0, &vec![0xff; length])]);
        let mut task = Task::new(kind);
        task.options.verify = true;
        copied_to(&source, &to, &task);
        let there = content(&to);
        assert!(there[..9 << 20] == content(&source), "{kind:?}: a file system would be mixed from two disks");
        match kind {
            Destination::Device { .. } => assert!(there[9 << 20..] == vec![0xff; length - (9 << 20)], "what lies behind was changed"),
            _ => assert_eq!(there.len(), 9 << 20, "{kind:?}: the disk got another size"),
        }
    }
}

#[test]
fn a_tebibyte_with_little_in_it_takes_little_time() {
    let source = sparse(1 << 40, &[(0, b"first"), (1 << 39, &stamped(5000)), ((1 << 40) - 4, b"last")]);
    let to = tempfile::tempfile().unwrap();
    let started = Instant::now();
    let mut task = Task::new(Destination::New);
    task.options.verify = true;
    task.options.checkpoint_every = Some(std::time::Duration::ZERO);
    let done = copied_to(&source, &to, &task);
    assert!(started.elapsed().as_secs() < 20, "holes took {:?}", started.elapsed());
    assert_eq!((done.result.bytes, done.hashes.blocks()), (1 << 40, 1 << 20));
    let mut last = [0; 4];
    to.read_exact_at(&mut last, (1 << 40) - 4).unwrap();
    assert_eq!(&last, b"last");
    // Onto it once more, where nothing is known to be zero.
    let started = Instant::now();
    copied_to(&source, &to, &Task::new(Destination::Replaced));
    assert!(started.elapsed().as_secs() < 20, "holes onto an old file took {:?}", started.elapsed());
}

#[test]
fn a_piece_that_rotted_is_named() {
    let bytes = stamped((3 << 20) + 10);
    let file = sparse(0, &[(0, &bytes)]);
    let list = hashes_of(&bytes);
    let total = bytes.len() as u64;
    verify(file.try_clone().unwrap(), total, &list, &Options::default(), &mut ()).unwrap();
    file.write_all_at(b"!", (2 << 20) + 1).unwrap();
    match verify(file.try_clone().unwrap(), total, &list, &Options::default(), &mut ()) {
        Err(Failed::Differs { offset, length }) => assert_eq!((offset, length), (2 << 20, 1 << 20)),
        other => panic!("a rotten backup was told as: {other:?}"),
    }
    file.set_len(2 << 20).unwrap();
    assert!(
        matches!(verify(file, total, &list, &Options::default(), &mut ()), Err(Failed::SourceChanged { .. })),
        "a cut piece was called good"
    );
}

#[test]
fn a_file_that_changed_is_not_gone_on_with() {
    let source = sparse(0, &[(0, &stamped(3 << 20))]);
    let to = tempfile::tempfile().unwrap();
    let mut task = Task::new(Destination::New);
    task.options.checkpoint_every = Some(std::time::Duration::ZERO);
    let mut watcher = Watcher::default();
    copy(source.try_clone().unwrap(), to.try_clone().unwrap(), &task, &mut watcher).unwrap();
    let Some(checkpoint) = watcher.checkpoint else { return };
    task.options.resume = Some(checkpoint);
    std::thread::sleep(std::time::Duration::from_millis(20));
    source.write_all_at(b"changed", 100).unwrap();
    let done = copied_to(&source, &to, &task);
    assert!(content(&to) == content(&source), "old and new bytes of the source were mixed");
    assert!(done.notes.iter().any(|note| note.contains("changed since")), "{:?}", done.notes);
}

#[test]
fn a_directory_or_pipe_is_no_disk() {
    let (pipe, _other) = rustix::pipe::pipe().unwrap();
    let failed = copy(File::from(pipe), tempfile::tempfile().unwrap(), &Task::new(Destination::New), &mut ()).unwrap_err();
    assert!(failed.to_string().contains("neither a regular file nor a block device"), "{failed}");
}

/// A loop device over a file; nothing where there are none, or the user is not root.
struct Loop {
    path: String,
    backing: tempfile::NamedTempFile,
}

#[expect(clippy::disallowed_methods, reason = "a test makes a device of its own")]
impl Loop {
    fn of(bytes: &[u8]) -> Option<Self> {
        let backing = tempfile::NamedTempFile::new().unwrap();
        backing.as_file().write_all_at(bytes, 0).unwrap();
        let made = std::process::Command::new("losetup").args(["--find", "--show"]).arg(backing.path()).output().ok()?;
        let path = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        made.status.success().then_some(Self { path, backing })
    }

    fn open(&self) -> File {
        File::options().read(true).write(true).open(&self.path).unwrap()
    }

    fn content(&self) -> Vec<u8> {
        self.open().sync_all().unwrap();
        content(self.backing.as_file())
    }
}

#[expect(clippy::disallowed_methods, reason = "a test removes its own device")]
impl Drop for Loop {
    fn drop(&mut self) {
        let _ = std::process::Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}

#[test]
fn a_device_gets_every_byte_and_keeps_its_rest() {
    // Neither is a multiple of a page, and the source is no multiple of a sector.
    let length = (7 << 20) + 512 * 3;
    let source = sparse((5 << 20) + 1000, &[(0, &stamped(70_000)), (3 << 20, &stamped(1 << 20)), ((5 << 20) + 990, b"end")]);
    let Some(device) = Loop::of(&vec![0xff; length]) else { return };
    let mut task = Task::new(Destination::Device { zero: false });
    task.options.verify = true;
    copied_to(&source, &device.open(), &task);
    let (there, expected) = (device.content(), content(&source));
    assert!(there[..expected.len()] == expected, "old bytes of the device shine through, or the end is lost");
    assert!(there[expected.len()..] == vec![0xff; length - expected.len()], "what lies behind the copy was changed");
}

#[test]
fn a_device_is_read_to_its_last_sector() {
    let bytes = stamped((3 << 20) + 512 * 5);
    let Some(device) = Loop::of(&bytes) else { return };
    let to = tempfile::tempfile().unwrap();
    let mut task = Task::new(Destination::New);
    task.options.verify = true;
    let done = copied_to(&device.open(), &to, &task);
    assert!(content(&to) == bytes, "the copy of a device differs from it");
    assert_eq!((done.result.holes, done.result.bytes), (0, bytes.len() as u64));
    let larger = sparse((3 << 20) + 512 * 6, &[]);
    let failed = copy(larger, device.open(), &Task::new(Destination::Device { zero: false }), &mut ()).unwrap_err();
    assert!(matches!(failed, Failed::TooSmall { .. }), "{failed}");
}
