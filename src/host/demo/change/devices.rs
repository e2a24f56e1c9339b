//! `blkdiscard`, `blockdev`, `losetup`, `truncate`: what is done to devices and files from outside.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::host::Answer;
use crate::host::demo::lvm::open_minors;
use crate::host::demo::machine::{DM_MAJOR, Loop, Machine, Node};
use crate::host::demo::reply::{Args, Reply};
use crate::host::demo::tree::Tree;

const ZEROS: usize = 1 << 20;

fn device(machine: &Machine, tree: &Tree, word: &str) -> Option<Node> {
    let real = tree.resolve(Path::new(word)).ok()?;
    machine.node(real.strip_prefix("/dev").ok()?.to_str()?)
}

/// Zeros and discards come to the same here: holes read as zeros.
pub fn discard(machine: &Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-z", "--zeroout", "-v"], &["-o", "--offset", "-l", "--length"]) else { return Ok(None) };
    let [word] = args.operands.as_slice() else { return Ok(None) };
    let Some(node) = device(machine, tree, word) else {
        return Ok(Some(Reply::bad(1, format!("blkdiscard: cannot open {word}: No such file or directory\n"))));
    };
    let held = node.major == DM_MAJOR && open_minors(machine, tree).contains(&node.minor);
    if held || machine.groups.iter().any(|group| group.drive == node.kname) {
        return Ok(Some(Reply::bad(1, format!("blkdiscard: {word} is apparently in use by the system; will not discard (or zeroout).\n"))));
    }
    let number = |names: &[&str]| args.value(names).map(str::parse::<u64>).transpose();
    let (Ok(offset), Ok(length)) = (number(&["-o", "--offset"]), number(&["-l", "--length"])) else { return Ok(None) };
    let start = offset.unwrap_or(0).min(node.bytes);
    let end = length.map_or(node.bytes, |length| start.saturating_add(length).min(node.bytes));
    let file = tree.open_file(&Path::new("/dev").join(&node.kname), true)?;
    if start == 0 && end == node.bytes {
        file.set_len(0)?;
        file.set_len(node.bytes)?;
        return Ok(Some(Reply::good("")));
    }
    let zeros = vec![0; ZEROS];
    let mut at = start;
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(ZEROS).min(ZEROS);
        file.write_all_at(zeros.get(..length).unwrap_or_default(), at)?;
        at = at.saturating_add(length as u64);
    }
    Ok(Some(Reply::good("")))
}

/// `-c -s '>BYTES' FILE`: longer, never shorter.
pub fn truncate(tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-c", "--no-create"], &["-s", "--size"]) else { return Ok(None) };
    let ([path], Some(asked)) = (args.operands.as_slice(), args.value(&["-s", "--size"])) else { return Ok(None) };
    let Some(bytes) = asked.strip_prefix('>').and_then(|bytes| bytes.parse::<u64>().ok()) else { return Ok(None) };
    if path.starts_with("/dev") {
        return Ok(None);
    }
    let Ok(file) = tree.open_file(Path::new(path), true) else { return Ok(Some(Reply::good(""))) };
    if file.metadata()?.len() < bytes {
        file.set_len(bytes)?;
    }
    Ok(Some(Reply::good("")))
}

/// `-f --show FILE`, `/dev/loopN FILE`, `-c /dev/loopN`, `-d /dev/loopN`.
pub fn bind(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-f", "--find", "--show", "-c", "--set-capacity", "-d", "--detach"], &[]) else { return Ok(None) };
    let number = |word: &String| word.strip_prefix("/dev/loop").and_then(|number| number.parse::<u32>().ok());
    let first = args.operands.first();
    if args.has(&["-c", "--set-capacity"]) || args.has(&["-d", "--detach"]) {
        let Some(word) = first else { return Ok(None) };
        let Some(at) = number(word).and_then(|number| machine.loops.iter().position(|one| one.number == number)) else {
            return Ok(Some(Reply::bad(1, format!("losetup: {word}: No such device or address\n"))));
        };
        if args.has(&["-d", "--detach"]) {
            tree.unlink_if_there(&PathBuf::from(word))?;
            machine.loops.remove(at);
        } else if let Some(one) = machine.loops.get_mut(at) {
            one.bytes = tree.open_file(Path::new(&one.file), false)?.metadata()?.len() / 512 * 512;
        }
        return Ok(Some(Reply::good("")));
    }
    let (number, file) = match args.operands.as_slice() {
        [file] if args.has(&["-f", "--find"]) => {
            let free = (0..=u32::MAX).find(|number| machine.loops.iter().all(|one| one.number != *number)).unwrap_or(0);
            (free, file)
        }
        [word, file] => match number(word) {
            Some(number) if machine.loops.iter().any(|one| one.number == number) => {
                return Ok(Some(Reply::bad(1, format!("losetup: {file}: failed to set up loop device: Device or resource busy\n"))));
            }
            Some(number) => (number, file),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let real = tree.resolve(Path::new(file))?;
    let bytes = tree.open_file(&real, false)?.metadata()?.len() / 512 * 512;
    let path = PathBuf::from(format!("/dev/loop{number}"));
    tree.unlink_if_there(&path)?;
    tree.hard_link(&real, &path)?;
    let file = real.to_string_lossy().into_owned();
    machine.loops.push(Loop { number, file, read_only: false, bytes, domid: 0, vdev: String::new() });
    machine.loops.sort_by_key(|one| one.number);
    let said = if args.has(&["--show"]) { format!("{}\n", path.display()) } else { String::new() };
    Ok(Some(Reply::good(said)))
}
