//! How fast a disk is copied: domkeep with its block hashes beside `cp --sparse=always`, `dd bs=4M conv=sparse` and `qemu-img convert -W` without
//! any, in one run, each until the copy is synced.
//!
//! The disk is an image with two real ext4 file systems (`mke2fs -d` of a real tree) and the holes between and in them. It is copied from memory to
//! memory (tmpfs), from disk to disk with the source in the page cache and without, and from a loop device to a file. The tools take turns, in
//! another order each round. Then a sparse disk of 1 TiB with the same data.
//!
//! `cargo bench --bench copy` prints a Markdown table. Tools that are not installed, and loop devices where there are none or the user is not root,
//! are left out with a word. Words after `--`:
//!
//! | word | |
//! | --- | --- |
//! | `rounds=N` | how often each copies (7) |
//! | `tree=DIR` | what the file systems hold (`/usr/share`) |
//! | `memory=DIR`, `disk=DIR` | where (`/dev/shm`, and `target/tmp`) |
//! | `only=WORD` | only cases whose name contains it |
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a bench runs other tools on files of its own, prints its figures, and stops where something is missing"
)]

#[path = "contest/mod.rs"]
mod contest;

use std::path::{Path, PathBuf};
use std::time::Duration;

use contest::{Case, Source, Tool, image};

struct Wishes {
    rounds: usize,
    tree: PathBuf,
    memory: PathBuf,
    disk: PathBuf,
    only: String,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, from, to] = words.as_slice()
        && word == contest::COPY_WORD
    {
        return contest::copy_in_this_process(Path::new(from), Path::new(to));
    }
    let wish =
        |name: &str, default: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).unwrap_or(default).to_owned();
    let wishes = Wishes {
        rounds: wish("rounds", "7").parse().unwrap(),
        tree: wish("tree", "/usr/share").into(),
        memory: wish("memory", "/dev/shm").into(),
        disk: wish("disk", concat!(env!("CARGO_TARGET_TMPDIR"))).into(),
        only: wish("only", ""),
    };
    let tools: Vec<Tool> = Tool::ALL
        .into_iter()
        .filter(|tool| {
            let there = tool.version();
            match &there {
                Some(version) => println!("{}: {version}", tool.name()),
                None => println!("{}: not installed, left out", tool.name()),
            }
            there.is_some()
        })
        .collect();
    println!("{}", contest::machine());
    println!("load before: {}", contest::load());

    let memory = tempfile::tempdir_in(&wishes.memory).unwrap();
    let disk = tempfile::tempdir_in(&wishes.disk).unwrap();
    let on_disk = disk.path().join("source.img");
    image::build(&on_disk, &wishes.tree);
    let in_memory = memory.path().join("source.img");
    image::replant(&on_disk, &in_memory, image::length(&on_disk));
    let tebibyte = memory.path().join("tebibyte.img");
    image::replant(&on_disk, &tebibyte, 1 << 40);
    println!("image: {}\n", image::describe(&on_disk));

    let (memory, disk) = (memory.path(), disk.path());
    let mut cases = vec![
        Case::new("memory to memory", Source::File(in_memory.clone()), memory),
        Case::new("disk to disk, source cached", Source::File(on_disk.clone()), disk),
        Case::new("disk to disk, source not cached", Source::Uncached(on_disk.clone()), disk),
        Case::new("memory to disk", Source::File(in_memory.clone()), disk),
    ];
    let lent = contest::Loop::new(&in_memory);
    let lent_disk = contest::Loop::new(&on_disk);
    match (&lent, &lent_disk) {
        (Ok(on_memory), Ok(on_disk)) => {
            cases.push(Case::new("loop device on memory to memory", Source::Device(on_memory.path.clone()), memory));
            cases.push(Case::new("loop device on disk to disk", Source::Device(on_disk.path.clone()), disk));
        }
        (Err(why), _) | (_, Err(why)) => println!("loop device to file: left out, {why}\n"),
    }
    cases.push(Case::new("1 TiB sparse, the same data, in memory", Source::Sparse(tebibyte), memory));

    println!("| case | tool | median | fastest to slowest | speed of data | domkeep takes | most memory |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    let mut slower = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains(&wishes.only)) {
        let results = case.run(&tools, wishes.rounds);
        let ours = results.first().map_or(Duration::ZERO, contest::Runs::median);
        for result in &results {
            println!("{}", result.row(case.name, ours, image::data(&on_disk)));
        }
        let best = results.iter().skip(1).min_by_key(|result| result.median());
        if let Some(best) = best.filter(|best| best.median() < ours) {
            let ratio = ours.as_secs_f64() / best.median().as_secs_f64();
            slower.push(format!("{}: {ratio:.2} times the time of {}", case.name, best.tool.name()));
        }
    }
    println!("\nload after: {}", contest::load());
    match slower.as_slice() {
        [] => println!("domkeep with its hashes was never slower than the fastest of the others without."),
        slower => println!("domkeep was slower:\n{}", slower.join("\n")),
    }
}
