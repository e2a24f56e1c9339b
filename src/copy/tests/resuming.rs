//! Stopped or broken anywhere, a copy goes on and ends as if nothing had been.

use std::time::Duration;

use super::disk::Faults;
use super::*;

fn source() -> Vec<u8> {
    let mut bytes = stamped((9 << 20) + 777);
    bytes[2 << 20..5 << 20].fill(0);
    bytes[(6 << 20) + 4096..(7 << 20) - 4096].fill(0);
    bytes
}

fn checkpointing(threads: usize) -> Options {
    Options { threads: Some(threads), checkpoint_every: Some(Duration::ZERO), ..Options::default() }
}

fn destinations() -> [Disk; 2] {
    [Disk::new_file(), Disk::device(10 << 20, 0xff)]
}

#[test]
fn stopped_at_every_block_it_goes_on() {
    let bytes = source();
    for (threads, stop_after) in [1, 3].into_iter().flat_map(|threads| (1..=9).map(move |after| (threads, after))) {
        for to in destinations() {
            let to = to.breaking(Faults { stop_after: Some(stop_after), ..Faults::default() });
            let mut watcher = Watcher { disk: Some(&to), ..Watcher::default() };
            let first = copied_watching(&Disk::of(bytes.clone()), &to, &checkpointing(threads), &mut watcher);
            let checkpoint = match first {
                Err(Failed::Stopped { checkpoint }) => *checkpoint.unwrap(),
                // The last write is also the end.
                Ok(_) => continue,
                Err(other) => panic!("a stop was told as: {other}"),
            };
            let kept = checkpoint.bytes();
            // As the job's journal holds it.
            let checkpoint: Checkpoint = serde_json::from_str(&serde_json::to_string(&checkpoint).unwrap()).unwrap();
            let again = to.after_a_crash();
            let from = Disk::of(bytes.clone());
            let options = Options { resume: Some(checkpoint), verify: true, ..checkpointing(threads) };
            let done = copied(&from, &again, &options).unwrap();
            assert!(again.content()[..bytes.len()] == bytes, "a copy stopped after {stop_after} writes went on wrong");
            assert_eq!(done.hashes, hashes_of(&bytes), "the hashes of the part before the stop were lost");
            assert!(from.reads.lock().unwrap().iter().all(|offset| *offset >= kept), "what was there was copied again");
            assert_eq!(done.notes, Vec::<String>::new());
        }
    }
}

#[test]
fn what_was_told_as_a_checkpoint_survives_a_crash() {
    let bytes = source();
    for full_from in (1..9).map(|block| (block << 20) + 100_u64) {
        let to = Disk::new_file().breaking(Faults { full_from: Some(full_from), ..Faults::default() });
        let mut watcher = Watcher::default();
        copied_watching(&Disk::of(bytes.clone()), &to, &checkpointing(2), &mut watcher).unwrap_err();
        let Some(checkpoint) = watcher.checkpoint else { continue };
        let again = to.after_a_crash();
        let kept = checkpoint.bytes() as usize;
        assert!(again.content()[..kept] == bytes[..kept], "a checkpoint promised what had not reached the disk");
        let options = Options { resume: Some(checkpoint), ..checkpointing(2) };
        let done = copied(&Disk::of(bytes.clone()), &again, &options).unwrap();
        assert!(again.content() == bytes && done.notes.is_empty(), "{:?}", done.notes);
    }
}

#[test]
fn what_no_longer_stands_there_is_copied_again() {
    let bytes = source();
    let to = Disk::device(10 << 20, 0xff).breaking(Faults { stop_after: Some(7), ..Faults::default() });
    let mut watcher = Watcher { disk: Some(&to), ..Watcher::default() };
    let Err(Failed::Stopped { checkpoint }) = copied_watching(&Disk::of(bytes.clone()), &to, &checkpointing(1), &mut watcher) else {
        panic!()
    };
    let checkpoint = *checkpoint.unwrap();
    let again = to.after_a_crash();
    again.bytes.lock().unwrap()[(1 << 20) + 3] ^= 1;
    let done = copied(&Disk::of(bytes.clone()), &again, &Options { resume: Some(checkpoint), ..Options::default() }).unwrap();
    assert!(again.content()[..bytes.len()] == bytes, "a resumed copy trusted what somebody else had changed");
    assert_eq!(done.notes.len(), 1, "nobody would know that the destination was changed: {:?}", done.notes);
}

#[test]
fn a_checkpoint_of_something_else_is_not_used() {
    let bytes = source();
    let other = Checkpoint::new(5, None);
    let damaged = Checkpoint { version: 99, ..Checkpoint::new(bytes.len() as u64, None) };
    for mut checkpoint in [other, damaged] {
        checkpoint.marks = vec![Mark { blocks: 1, digest: "00".into(), zeros: 0, written: 0 }];
        let to = Disk::device(10 << 20, 0xff);
        let done = copied(&Disk::of(bytes.clone()), &to, &Options { resume: Some(checkpoint), ..Options::default() }).unwrap();
        assert!(to.content()[..bytes.len()] == bytes);
        assert!(done.notes.iter().any(|note| note.starts_with("The copy began anew")), "{:?}", done.notes);
    }
}

#[test]
fn a_stop_without_checkpoints_is_a_stop() {
    let to = Disk::new_file().breaking(Faults { stop_after: Some(1), ..Faults::default() });
    let mut watcher = Watcher { disk: Some(&to), ..Watcher::default() };
    let failed = copied_watching(&Disk::of(stamped(40 << 20)), &to, &Options::default(), &mut watcher).unwrap_err();
    assert!(matches!(failed, Failed::Stopped { checkpoint: None }), "{failed}");
}
