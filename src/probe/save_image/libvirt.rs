//! Save images of libvirt's drivers: Xen (libxl_conf.h `libxlSavefileHeader`) and QEMU (qemu_saveimage.h `virQEMUSaveHeader`).
//! Integers are in the byte order of the host that wrote them.

use super::packaged::{self, Read};
use super::{BytesAt, Packaged, Purse, SaveSeen, cut_inside, legacy, qemu_end, stream};
use crate::model::SaveFormat;
use crate::probe::bytes_at::{self, Order};

/// | at | bytes | what |
/// | --- | --- | --- |
/// | 0 | 16 | magic |
/// | 16 | 4 | version: 2, or 1 with libxc's old stream |
/// | 20 | 4 | X, bytes of XML with its NUL |
/// | 24 | 40 | unused |
/// | 64 | X | XML |
/// | 64+X | | libxl's stream |
pub(super) const XEN_MAGIC: &[u8] = b"libvirt-xml\n \0 \r";
pub(super) const XEN_HEADER: usize = 64;

/// | at | bytes | what |
/// | --- | --- | --- |
/// | 0 | 16 | magic: `...Save`, or `...Part` until the memory is written |
/// | 16 | 4 | version |
/// | 20 | 4 | D, bytes of XML, cookie and padding |
/// | 24 | 4 | 1 when it ran, 0 when it was paused |
/// | 28 | 4 | how the memory is packed |
/// | 32 | 4 | offset of the cookie from the start of the XML, or 0 |
/// | 92 | D | XML, NUL, cookie, padding |
/// | 92+D | | memory: `QEVM` when it is raw |
pub(super) const QEMU_SAVE: &[u8] = b"LibvirtQemudSave";
pub(super) const QEMU_PART: &[u8] = b"LibvirtQemudPart";
pub(super) const QEMU_HEADER: usize = 92;

/// Versions are tiny numbers: one that is huge was written on a host of the other byte order.
fn order_of(header: &[u8]) -> Order {
    if bytes_at::le_u32(header, 16).is_some_and(|version| version > 0xffff) { Order::Big } else { Order::Little }
}

fn look_at_xml(src: &dyn BytesAt, offset: u64, length: u64, seen: &mut SaveSeen) {
    match packaged::read(src, offset, length) {
        Read::Bytes(bytes) => packaged::put_xml(seen, &bytes),
        Read::TooLong => {
            seen.packaged = Packaged::Damaged;
            seen.note(format!("the header promises a configuration of {length} bytes, which none has"));
        }
        Read::PastEnd => seen.packaged = Packaged::Damaged,
        Read::Unreadable(error) => packaged::note_unreadable(seen, &error),
    }
}

pub(super) fn look_xen(src: &dyn BytesAt, purse: &mut Purse) -> SaveSeen {
    let mut seen = SaveSeen::new(SaveFormat::LibvirtXen);
    let Some(header) = packaged::header(src, XEN_HEADER, &mut seen) else { return seen };
    let order = order_of(&header);
    let (version, length) = (order.u32(&header, 16).unwrap_or_default(), u64::from(order.u32(&header, 20).unwrap_or_default()));
    let start = XEN_HEADER as u64 + length;
    look_at_xml(src, XEN_HEADER as u64, length, &mut seen);
    if start > src.size() {
        seen.broken(cut_inside(src, XEN_HEADER as u64, start, "the packaged configuration"));
        return seen;
    }
    match version {
        2 => stream::walk(src, start, purse, &mut seen),
        1 => legacy::look(src, start, &mut seen),
        other => seen.note(format!("its header has version {other}, which is not known here: whether it is whole is not known")),
    }
    seen
}

pub(super) fn look_qemu(src: &dyn BytesAt) -> SaveSeen {
    let mut seen = SaveSeen::new(SaveFormat::LibvirtQemu);
    let Some(header) = packaged::header(src, QEMU_HEADER, &mut seen) else { return seen };
    let order = order_of(&header);
    let field = |at| order.u32(&header, at).unwrap_or_default();
    let (length, running, packing, cookie) = (u64::from(field(20)), field(24), field(28), u64::from(field(32)));
    let start = QEMU_HEADER as u64 + length;
    // The XML ends at its NUL; the cookie and 64 KiB of room for edits behind it are not needed.
    let xml = if cookie > 0 && cookie < length { cookie } else { length };
    look_at_xml(src, QEMU_HEADER as u64, xml, &mut seen);
    seen.note(if running == 0 { "paused when saved" } else { "running when saved" });
    match packing_name(packing) {
        Some(name) => seen.note(format!("memory is {name}")),
        None => seen.note(format!("memory is packed in a way not known here ({packing})")),
    }
    if header.starts_with(QEMU_PART) {
        seen.broken("its mark says that writing was never finished");
    } else if start > src.size() {
        seen.broken(cut_inside(src, QEMU_HEADER as u64, start, "the packaged configuration"));
    } else if start == src.size() {
        seen.broken(format!("cut at byte {start}, before the guest's memory"));
    } else {
        look_at_memory(src, start, packing, &mut seen);
    }
    seen
}

fn packing_name(packing: u32) -> Option<&'static str> {
    Some(match packing {
        0 => "not compressed",
        1 => "compressed with gzip",
        2 => "compressed with bzip2",
        3 => "compressed with xz",
        4 => "compressed with lzop",
        5 => "compressed with zstd",
        6 => "sparse (QEMU's mapped RAM)",
        _ => return None,
    })
}

/// The mark says `Save`, but a file that was cut later keeps it, and the memory stream has no length. Where it is not packed, newer
/// QEMU ends it with something that can be known again.
fn look_at_memory(src: &dyn BytesAt, start: u64, packing: u32, seen: &mut SaveSeen) {
    if packing == 0 {
        match bytes_at::exact(src, start, 8) {
            Ok(Some(bytes)) if bytes.starts_with(b"QEVM") => {}
            Ok(Some(_)) => return seen.broken(format!("no memory of a guest begins at byte {start}, where the header says")),
            Ok(None) => return seen.broken(cut_inside(src, start, start.saturating_add(8), "the start of the guest's memory")),
            Err(error) => return seen.note(format!("the start of the guest's memory could not be read: {error}")),
        }
    }
    let ended = if packing == 0 { qemu_end::is_there(src, start) } else { Ok(false) };
    match ended {
        Ok(true) => seen.complete = Some(true),
        Ok(false) => seen.note("writing was finished, but the memory has no end mark: whether it was cut later cannot be told"),
        Err(error) => seen.note(format!("writing was finished; whether it was cut later is not known: {error}")),
    }
}
