//! `qemu-img create -f qcow2 -F FORMAT -b BASE FILE`, and what `qemu-img info` tells of such a file; as QEMU 7.2 words it.

use std::io::Write as _;
use std::path::Path;

use crate::host::demo::content;
use crate::host::demo::machine::Machine;
use crate::host::demo::reply::{Args, Reply};
use crate::host::demo::tree::Tree;
use crate::host::{Answer, HostError};

const MAGIC: &[u8] = b"QFI\xfb";

/// Only overlays are made.
pub fn create(machine: &Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Some((command, words)) = words.split_first() else { return Ok(None) };
    if let ("commit", Some(overlay)) = (command.as_str(), words.last()) {
        // Nobody wrote to it: there is nothing to be brought down.
        return Ok(tree.exists(Path::new(overlay)).then(|| Reply::good("")));
    }
    let Ok(args) = Args::parse(words, &["-q"], &["-f", "-F", "-b"]) else { return Ok(None) };
    let (Some("qcow2"), Some(format), Some(base), [file]) =
        (args.value(&["-f"]), args.value(&["-F"]), args.value(&["-b"]), args.operands.as_slice())
    else {
        return Ok(None);
    };
    if command != "create" {
        return Ok(None);
    }
    let failed = |why: &str| Reply::bad(1, format!("qemu-img: {file}: {why}\n"));
    let bytes = match size(machine, tree, base, format) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Some(failed("Image is not in qcow2 format\nCould not open backing image."))),
        Err(HostError::NotFound) => {
            return Ok(Some(failed(&format!("Could not open '{base}': No such file or directory\nCould not open backing image."))));
        }
        Err(error) => return Err(error),
    };
    let mut image = content::qcow2(bytes, Some(base));
    if format == "qcow2" {
        // The extension that names the format below: its length, its text.
        image.iter_mut().skip(108).zip([0, 0, 0, 5, b'q', b'c', b'o', b'w', b'2']).for_each(|(to, from)| *to = from);
    }
    let path = Path::new(file);
    if tree.exists(path) {
        // The file stays the one that it is.
        let mut there = tree.open_file(path, true)?;
        there.set_len(0)?;
        there.write_all(&image)?;
    } else {
        tree.write(path, &image, 0o644)?;
    }
    Ok(Some(Reply::good("")))
}

/// What a guest sees of the base.
fn size(machine: &Machine, tree: &Tree, base: &str, format: &str) -> Answer<Option<u64>> {
    let real = tree.resolve(Path::new(base))?;
    let head = tree.read_at(&real, 0, 32)?;
    if format == "qcow2" {
        return Ok(head.starts_with(MAGIC).then(|| number(&head, 24)));
    }
    let node = real.strip_prefix("/dev").ok().and_then(Path::to_str).and_then(|name| machine.node(name));
    Ok(Some(match node {
        Some(node) => node.bytes,
        None => tree.open_file(&real, false)?.metadata()?.len(),
    }))
}

fn number(head: &[u8], at: usize) -> u64 {
    let bytes = head.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
    u64::from_be_bytes(bytes)
}

/// `qemu-img info --output=json -U -f qcow2 FILE`.
pub fn info(tree: &Tree, words: &[String]) -> Option<Reply> {
    let (command, words) = words.split_first()?;
    let args = Args::parse(words, &["-U"], &["-f", "--output"]).ok()?;
    let ("info", Some("qcow2"), Some("json"), [file]) =
        (command.as_str(), args.value(&["-f"]), args.value(&["--output"]), args.operands.as_slice())
    else {
        return None;
    };
    let path = Path::new(file);
    let could_not = |why: &str| Some(Reply::bad(1, format!("qemu-img: Could not open '{file}': {why}\n")));
    let Ok(image) = tree.read_at(path, 0, 4096) else {
        return could_not(&format!("Could not open '{file}': No such file or directory"));
    };
    if !image.starts_with(MAGIC) {
        return could_not("Image is not in qcow2 format");
    }
    let length = image.get(16..20).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
    let start = usize::try_from(number(&image, 8)).unwrap_or(0);
    let base = tree.read_at(path, start as u64, usize::try_from(length).unwrap_or(0).min(1023)).unwrap_or_default();
    let base = String::from_utf8_lossy(&base).into_owned();
    let mut lines = vec![
        format!("    \"virtual-size\": {}", number(&image, 24)),
        format!("    \"filename\": {}", text(file)),
        "    \"format\": \"qcow2\"".to_owned(),
    ];
    if !base.is_empty() {
        let below = tree.read_at(Path::new(&base), 0, 4).unwrap_or_default();
        let format = if below.starts_with(MAGIC) { "qcow2" } else { "raw" };
        lines.insert(0, format!("    \"backing-filename-format\": \"{format}\""));
        lines.push(format!("    \"full-backing-filename\": {}", text(&base)));
        lines.push(format!("    \"backing-filename\": {}", text(&base)));
    }
    lines.push("    \"dirty-flag\": false".to_owned());
    Some(Reply::good(format!("{{\n{}\n}}\n", lines.join(",\n"))))
}

fn text(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}
