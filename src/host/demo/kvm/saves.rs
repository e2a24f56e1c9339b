//! `virsh save` and `virsh restore`: a guest's memory in a file of the QEMU driver's (src/qemu/qemu_saveimage.h), and back.

use std::io::Write as _;
use std::path::Path;

use super::Kvm;
use crate::host::Answer;
use crate::host::demo::machine::Machine;
use crate::host::demo::reply::Reply;
use crate::host::demo::tree::Tree;

const HEADER: usize = 92;
/// A stream with nothing between its begin and its end, as QEMU ends one.
const DEVICES: &[u8] = br#"{"page_size": 4096, "devices": []}"#;

fn file_of(words: &[String]) -> Option<&Path> {
    words.iter().zip(words.iter().skip(1)).find(|(word, _)| *word == "--file").map(|(_, file)| Path::new(file))
}

/// What stands there is overwritten without a word.
pub fn save(guest: &mut Kvm, tree: &Tree, words: &[String]) -> Answer<Reply> {
    let Some(file) = file_of(words) else { return Ok(Reply::bad(1, "error: command 'save' requires <file> option\n")) };
    let mut xml = guest.xml(tree, true).into_bytes();
    xml.push(0);
    let mut image = b"LibvirtQemudSave".to_vec();
    for field in [2, u32::try_from(xml.len()).unwrap_or(0), 1, 0, 0] {
        image.extend(field.to_le_bytes());
    }
    image.resize(HEADER, 0);
    image.extend(xml);
    image.extend(b"QEVM\0\0\0\x03");
    image.extend([0; 4096]);
    image.extend([0, 6]);
    image.extend(u32::try_from(DEVICES.len()).unwrap_or(0).to_be_bytes());
    image.extend(DEVICES);
    if !tree.exists(file) {
        tree.write(file, b"", 0o600)?;
    }
    let mut there = tree.open_file(file, true)?;
    there.set_len(0)?;
    there.write_all(&image)?;
    *guest = Kvm { running: false, frozen: false, backup: None, ..guest.clone() };
    Ok(Reply::good(""))
}

pub fn restore(machine: &mut Machine, tree: &Tree, words: &[String]) -> Reply {
    let failed = |why: &str| Reply::bad(1, format!("error: Failed to restore domain\nerror: {why}\n"));
    let image = file_of(words).and_then(|file| tree.read(file).ok()).unwrap_or_default();
    if !image.starts_with(b"LibvirtQemudSave") {
        return failed("operation failed: image magic is incorrect");
    }
    let xml = String::from_utf8_lossy(image.get(HEADER..).unwrap_or_default()).into_owned();
    let uuid = super::between(&xml, "<uuid>", "</uuid>");
    match machine.kvm.iter_mut().find(|guest| Some(&guest.uuid) == uuid.as_ref()) {
        Some(guest) if guest.running => failed("Requested operation is not valid: domain is already active"),
        Some(guest) => {
            guest.running = true;
            Reply::good("")
        }
        None => failed("domain not found"),
    }
}
