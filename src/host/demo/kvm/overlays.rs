//! `virsh snapshot-create-as --disk-only` and `virsh blockcommit --active --pivot`: the guest's disks go onto overlays and back.

use std::path::Path;

use super::{Kvm, Overlay, between};
use crate::host::Answer;
use crate::host::demo::content;
use crate::host::demo::reply::Reply;
use crate::host::demo::tree::Tree;

pub fn snapshot(guest: &mut Kvm, tree: &Tree, words: &[String]) -> Answer<Reply> {
    let has = |word: &str| words.iter().any(|given| given == word);
    if has("--quiesce") && !guest.agent {
        return Ok(Reply::bad(1, "error: Guest agent is not responding: QEMU guest agent is not connected\n"));
    }
    let mut text = guest.xml(tree, false);
    let mut new = Vec::new();
    for spec in values(words, "--diskspec") {
        let Some((vdev, file)) = spec.split_once(",snapshot=external,file=") else { continue };
        if tree.exists(Path::new(file)) {
            let why = format!("external snapshot file for disk {vdev} already exists and is not a block device: {file}");
            return Ok(Reply::bad(1, format!("error: invalid argument: {why}\n")));
        }
        let Some((base, format)) = source(&text, vdev) else {
            return Ok(Reply::bad(1, format!("error: invalid argument: no disk named '{vdev}'\n")));
        };
        text = moved(&text, vdev, file, "qcow2");
        new.push(Overlay { vdev: vdev.to_owned(), base, format, file: file.to_owned() });
    }
    for one in &new {
        let bytes = tree.open_file(Path::new(&one.base), false)?.metadata()?.len();
        tree.write(Path::new(&one.file), &content::qcow2(bytes, Some(&one.base)), 0o600)?;
    }
    write(guest, tree, &text)?;
    guest.overlays.extend(new);
    Ok(Reply::good(""))
}

pub fn commit(guest: &mut Kvm, tree: &Tree, words: &[String]) -> Answer<Reply> {
    let (vdev, base) = (values(words, "--path").next(), values(words, "--base").next());
    let named = |one: &&Overlay| Some(one.vdev.as_str()) == vdev && Some(one.base.as_str()) == base;
    let Some(one) = guest.overlays.iter().find(named).cloned() else {
        return Ok(Reply::bad(1, "error: invalid argument: could not find base in the chain\n"));
    };
    let text = moved(&guest.xml(tree, false), &one.vdev, &one.base, &one.format);
    write(guest, tree, &text)?;
    guest.overlays.retain(|other| *other != one);
    Ok(Reply::good(""))
}

fn write(guest: &Kvm, tree: &Tree, text: &str) -> Answer<()> {
    let path = guest.definition();
    tree.unlink_if_there(Path::new(&path))?;
    tree.write(Path::new(&path), text.as_bytes(), 0o600)
}

fn values<'a>(words: &'a [String], option: &'static str) -> impl Iterator<Item = &'a str> {
    words.iter().zip(words.iter().skip(1)).filter(move |(word, _)| *word == option).map(|(_, value)| value.as_str())
}

/// The disk's part of the XML: where it begins and ends.
fn part(text: &str, vdev: &str) -> Option<(usize, usize)> {
    let target = text.find(&format!("<target dev='{vdev}'"))?;
    let start = text.get(..target)?.rfind("<disk ")?;
    let end = text.get(target..)?.find("</disk>")?.checked_add(target)?;
    Some((start, end))
}

fn source(text: &str, vdev: &str) -> Option<(String, String)> {
    let (start, end) = part(text, vdev)?;
    let disk = text.get(start..end)?;
    Some((between(disk, "<source file='", "'")?, between(disk, "<driver name='qemu' type='", "'")?))
}

fn moved(text: &str, vdev: &str, file: &str, format: &str) -> String {
    let Some(((start, end), (old, was))) = part(text, vdev).zip(source(text, vdev)) else { return text.to_owned() };
    let disk = text.get(start..end).unwrap_or_default();
    let disk = disk.replacen(&format!("file='{old}'"), &format!("file='{file}'"), 1).replacen(
        &format!("type='{was}'/>"),
        &format!("type='{format}'/>"),
        1,
    );
    [text.get(..start).unwrap_or_default(), &disk, text.get(end..).unwrap_or_default()].concat()
}
