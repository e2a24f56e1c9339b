//! `xl save` (xl.h `struct save_file_header`, `xl_saverestore.c`).
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 32 | magic |
//! | 32 | 4 | 0x01020304 in the writer's byte order |
//! | 36 | 4 | flags that a reader must know: 1 the config is JSON, 2 the stream is version 2 |
//! | 40 | 4 | flags that it may skip |
//! | 44 | 4 | N, bytes of optional data |
//! | 48 | N | u32 length of the config, config with a final NUL |
//! | 48+N | | stream |

use super::packaged::{self, Read};
use super::{BytesAt, Packaged, Purse, SaveSeen, cut_inside, legacy, stream};
use crate::model::SaveFormat;
use crate::probe::bytes_at::Order;

pub(super) const MAGIC: &[u8] = b"Xen saved domain, xl format\n \0 \r";
pub(super) const HEADER: usize = 48;
pub(super) const CONFIG_IS_JSON: u32 = 1;
pub(super) const STREAM_IS_V2: u32 = 2;

pub(super) fn look(src: &dyn BytesAt, purse: &mut Purse) -> SaveSeen {
    let mut seen = SaveSeen::new(SaveFormat::Xl);
    let Some(header) = packaged::header(src, HEADER, &mut seen) else { return seen };
    let order = match header.get(32..36) {
        Some([4, 3, 2, 1]) => Order::Little,
        Some([1, 2, 3, 4]) => Order::Big,
        _ => {
            seen.broken("the header's byte order mark is none: the file is damaged");
            seen.packaged = Packaged::Damaged;
            return seen;
        }
    };
    let field = |at| order.u32(&header, at).unwrap_or_default();
    let (flags, optional) = (field(36), u64::from(field(44)));
    let start = HEADER as u64 + optional;
    if optional > 0 {
        look_at_config(src, order, flags, optional, &mut seen);
    } else {
        seen.note("no configuration inside: `xl restore` needs a file named before it");
    }
    if flags & !(CONFIG_IS_JSON | STREAM_IS_V2) != 0 {
        seen.note(format!("its header has flags 0x{flags:x}, of a newer format: whether it is whole is not known"));
    } else if start > src.size() {
        seen.broken(cut_inside(src, HEADER as u64, start, "the packaged configuration"));
    } else if flags & STREAM_IS_V2 == 0 {
        legacy::look(src, start, &mut seen);
    } else {
        stream::walk(src, start, purse, &mut seen);
    }
    seen
}

fn look_at_config(src: &dyn BytesAt, order: Order, flags: u32, optional: u64, seen: &mut SaveSeen) {
    let offset = HEADER as u64;
    let length = match packaged::read(src, offset, 4) {
        Read::Bytes(bytes) => u64::from(order.u32(&bytes, 0).unwrap_or_default()),
        Read::PastEnd | Read::TooLong => return seen.packaged = Packaged::Damaged,
        Read::Unreadable(error) => return packaged::note_unreadable(seen, &error),
    };
    if length.checked_add(4).is_none_or(|needed| needed > optional) {
        seen.packaged = Packaged::Damaged;
        return seen.note("the packaged configuration is longer than the room that the header gives it");
    }
    match packaged::read(src, offset + 4, length) {
        Read::Bytes(bytes) if flags & CONFIG_IS_JSON != 0 => packaged::put_json(seen, &bytes),
        Read::Bytes(bytes) => {
            seen.note("the configuration inside is the text of a config file (Xen 4.4 or older)");
            seen.packaged = Packaged::XlText(packaged::until_nul(&bytes).to_vec());
        }
        Read::TooLong => {
            seen.packaged = Packaged::Damaged;
            seen.note(format!("the header promises a configuration of {length} bytes, which none has"));
        }
        Read::PastEnd => seen.packaged = Packaged::Damaged,
        Read::Unreadable(error) => packaged::note_unreadable(seen, &error),
    }
}
