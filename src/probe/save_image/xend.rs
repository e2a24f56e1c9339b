//! xend's `xm save` and `xm suspend` (Xen 4.4 and older, XendCheckpoint.py): `LinuxGuestRecord`, a big-endian length, the domain's
//! S-expression, then libxc's old stream.

use super::packaged::{self, Read};
use super::{BytesAt, Packaged, SaveSeen, cut_inside, legacy};
use crate::model::SaveFormat;
use crate::probe::bytes_at;

pub(super) const MAGIC: &[u8] = b"LinuxGuestRecord";
pub(super) const HEADER: usize = 20;

pub(super) fn look(src: &dyn BytesAt) -> SaveSeen {
    let mut seen = SaveSeen::new(SaveFormat::Xend);
    seen.note("written by xend: Xen 4.6 and newer cannot restore it");
    let Some(header) = packaged::header(src, HEADER, &mut seen) else { return seen };
    let length = u64::from(bytes_at::be_u32(&header, 16).unwrap_or_default());
    match packaged::read(src, HEADER as u64, length) {
        Read::Bytes(bytes) => seen.packaged = Packaged::Sxp(packaged::until_nul(&bytes).to_vec()),
        Read::TooLong => {
            seen.packaged = Packaged::Damaged;
            seen.note(format!("the header promises a configuration of {length} bytes, which none has"));
        }
        Read::PastEnd => {
            seen.packaged = Packaged::Damaged;
            seen.broken(cut_inside(src, HEADER as u64, HEADER as u64 + length, "the packaged configuration"));
            return seen;
        }
        Read::Unreadable(error) => packaged::note_unreadable(&mut seen, &error),
    }
    legacy::look(src, HEADER as u64 + length, &mut seen);
    seen
}
