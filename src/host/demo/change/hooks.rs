//! A program of the machine's admin. The demo machine runs no programs of its own: what was asked of it is written down.

use std::path::Path;

use crate::host::Answer;
use crate::host::demo::reply::Reply;
use crate::host::demo::tree::Tree;

const LOG: &str = "/var/log/hooks";

/// `timeout -k 10s 300s PROGRAM WORDS`. One that holds the word `fails` does.
pub fn run(tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let [kill, _, _, program, words @ ..] = words else { return Ok(None) };
    if kill != "-k" || !tree.exists(Path::new(program)) {
        return Ok(None);
    }
    let log = Path::new(LOG);
    let mut told = if tree.exists(log) { tree.read_at(log, 0, 1 << 20)? } else { Vec::new() };
    told.extend_from_slice(format!("{program} {}\n", words.join(" ")).as_bytes());
    tree.replace(log, &told, 0o600)?;
    let text = tree.read_at(Path::new(program), 0, 4096)?;
    Ok(Some(if String::from_utf8_lossy(&text).contains("fails") { Reply::bad(1, "it fails\n") } else { Reply::good("") }))
}
