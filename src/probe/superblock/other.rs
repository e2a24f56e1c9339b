//! Everything but ext: recognised by its mark, with identity and size where they stand beside it. None of these tells a time.

use super::signature;
use crate::model::Signature;
use crate::probe::bytes_at::{be_u16, be_u32, be_u64, le_u16, le_u32, le_u64, text, uuid};

fn has(bytes: &[u8], at: usize, mark: &[u8]) -> bool {
    at.checked_add(mark.len()).and_then(|end| bytes.get(at..end)) == Some(mark)
}

/// What shows itself in the first 8 KiB.
pub(super) fn front(front: &[u8]) -> Vec<Signature> {
    let all = [xfs(front), boot_sector(front), swap(front), lvm(front), luks(front), md(front, 0), md(front, 4096), ocfs2(front)];
    all.into_iter().flatten().collect()
}

/// xfs_format.h, big-endian: 4 block size, 8 blocks, 0x20 uuid, 0x6c label.
fn xfs(front: &[u8]) -> Option<Signature> {
    if !has(front, 0, b"XFSB") {
        return None;
    }
    let bytes = be_u64(front, 8)?.checked_mul(u64::from(be_u32(front, 4)?));
    Some(Signature { uuid: uuid(front, 0x20), label: text(front, 0x6c, 12), bytes, ..signature("xfs", 0, None) })
}

/// NTFS, exFAT and FAT: 0x0b bytes per sector.
fn boot_sector(front: &[u8]) -> Option<Signature> {
    if !has(front, 510, &[0x55, 0xaa]) {
        return None;
    }
    let sector = u64::from(le_u16(front, 0x0b)?);
    if has(front, 3, b"NTFS    ") {
        let bytes = le_u64(front, 0x28)?.checked_mul(sector);
        let serial = le_u64(front, 0x48).map(|serial| format!("{serial:016X}"));
        return Some(Signature { uuid: serial, bytes, ..signature("ntfs", 0, None) });
    }
    if has(front, 3, b"EXFAT   ") {
        let bytes = le_u64(front, 0x48)?.checked_mul(1_u64.checked_shl(u32::from(*front.get(0x6c)?))?);
        return Some(Signature { uuid: fat_serial(front, 0x64), bytes, ..signature("exfat", 0, None) });
    }
    let wide = has(front, 0x52, b"FAT32   ");
    if !wide && !has(front, 0x36, b"FAT1") && !has(front, 0x36, b"FAT  ") || !matches!(sector, 512 | 1024 | 2048 | 4096) {
        return None;
    }
    let (serial, label) = if wide { (0x43, 0x47) } else { (0x27, 0x2b) };
    let small = le_u16(front, 0x13).map(u64::from).filter(|sectors| *sectors != 0);
    let bytes = small.or_else(|| le_u32(front, 0x20).map(u64::from)).and_then(|sectors| sectors.checked_mul(sector));
    let label = text(front, label, 11).filter(|label| label != "NO NAME");
    Some(Signature { uuid: fat_serial(front, serial), label, bytes, ..signature("fat", 0, None) })
}

/// `ABCD-1234`, as blkid writes it.
fn fat_serial(front: &[u8], at: usize) -> Option<String> {
    let serial = le_u32(front, at).filter(|serial| *serial != 0)?;
    Some(format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff))
}

/// The mark ends the first page, of 4 or 8 KiB; a hibernated system overwrites it. 1024 version, 1028 last page, 1036 uuid, 1052 label.
fn swap(front: &[u8]) -> Option<Signature> {
    [4096_usize, 8192].into_iter().find_map(|page| {
        let marked = |mark: &[u8]| has(front, page - 10, mark);
        if marked(b"S1SUSPEND") || marked(b"S2SUSPEND") || marked(b"ULSUSPEND") {
            return Some(signature("hibernated swap", 0, None));
        }
        if !marked(b"SWAPSPACE2") {
            return None;
        }
        let bytes = le_u32(front, 1028).and_then(|last| u64::from(last).saturating_add(1).checked_mul(page as u64));
        Some(Signature { uuid: uuid(front, 1036), label: text(front, 1052, 16), bytes, ..signature("swap", 0, None) })
    })
}

/// `LABELONE` in one of the first four sectors, type at 24, header at the offset in 20: uuid of 32 letters, then the size.
fn lvm(front: &[u8]) -> Option<Signature> {
    let at = (0..4).map(|sector| sector * 512).find(|at| has(front, *at, b"LABELONE") && has(front, at + 24, b"LVM2 001"))?;
    let header = usize::try_from(le_u32(front, at + 20)?).ok().and_then(|offset| at.checked_add(offset))?;
    let letters = front.get(header..header.checked_add(32)?).filter(|letters| letters.iter().all(u8::is_ascii_alphanumeric));
    let uuid = letters.map(|letters| {
        let groups = [6, 4, 4, 4, 4, 4, 6].into_iter().scan(0, |start, length| {
            let group = letters.get(*start..*start + length);
            *start += length;
            group.map(|group| String::from_utf8_lossy(group).into_owned())
        });
        groups.collect::<Vec<_>>().join("-")
    });
    Some(Signature { uuid, bytes: le_u64(front, header + 32), ..signature("lvm2-pv", 0, None) })
}

/// 6 version (big-endian), 168 uuid as text; 24 label in version 2.
fn luks(front: &[u8]) -> Option<Signature> {
    if !has(front, 0, b"LUKS\xba\xbe") {
        return None;
    }
    let label = if be_u16(front, 6) == Some(2) { text(front, 24, 48) } else { None };
    Some(Signature { uuid: text(front, 168, 40), label, ..signature("luks", 0, None) })
}

const MD_MAGIC: u32 = 0xa92b_4efc;

/// md_p.h, version 1.x: 4 major version, 16 uuid of the array, 32 its name.
fn md(bytes: &[u8], at: usize) -> Option<Signature> {
    let block = bytes.get(at..)?;
    if le_u32(block, 0)? != MD_MAGIC || le_u32(block, 4)? != 1 {
        return None;
    }
    Some(Signature { uuid: uuid(block, 16), label: text(block, 32, 32), ..signature("md", 0, None) })
}

/// Versions 1.0 and 0.90 stand near the end, so the data in front of them looks like a disk of its own.
pub(super) fn md_at_end(size: u64, mut read: impl FnMut(u64) -> Vec<u8>) -> Option<Signature> {
    let new = size.checked_sub(8 << 10).map(|end| end & !0xfff)?;
    if let Some(found) = md(&read(new), 0) {
        return Some(found);
    }
    let old = (size & !0xffff).checked_sub(64 << 10)?;
    let block = read(old);
    (le_u32(&block, 0) == Some(MD_MAGIC) && le_u32(&block, 4) == Some(0)).then(|| signature("md", 0, None))
}

/// ocfs2_fs.h: `OCFSV2` at the third block, whatever its size; in it 0x40 + ... the super block's fields.
fn ocfs2(front: &[u8]) -> Option<Signature> {
    [1024, 2048, 4096].into_iter().any(|at| has(front, at, b"OCFSV2")).then(|| signature("ocfs2", 0, None))
}

/// `sector`: 2 KiB from byte 32768. 40 label, 80 blocks, 128 bytes of a block.
pub(super) fn iso9660(sector: &[u8]) -> Option<Signature> {
    if !has(sector, 1, b"CD001") {
        return None;
    }
    let bytes = le_u32(sector, 80).zip(le_u16(sector, 128)).map(|(blocks, block)| u64::from(blocks).saturating_mul(u64::from(block)));
    Some(Signature { label: text(sector, 40, 32), bytes, ..signature("iso9660", 0, None) })
}

/// `block`: what stands at 64 KiB. btrfs: 0x20 fsid, 0x70 bytes, 0x12b label. GFS2, big-endian: 0 magic, 4 type.
pub(super) fn deep(block: &[u8]) -> Option<Signature> {
    if has(block, 0x40, b"_BHRfS_M") {
        return Some(Signature {
            uuid: uuid(block, 0x20),
            label: text(block, 0x12b, 256),
            bytes: le_u64(block, 0x70),
            ..signature("btrfs", 0, None)
        });
    }
    (be_u32(block, 0) == Some(0x0116_1970) && be_u32(block, 4) == Some(1)).then(|| signature("gfs2", 0, None))
}

/// `list`: what stands at 16 KiB, in a ZFS label the start of a name-value list (XDR) about its pool.
pub(super) fn zfs(list: &[u8]) -> Option<Signature> {
    let named = list.windows(9).any(|window| window == b"pool_guid") || list.windows(7).any(|window| window == b"version");
    (has(list, 0, &[1, 1, 0, 0]) && named).then(|| signature("zfs", 0, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_lvm_uuid_is_grouped_as_pvs_shows_it() {
        let mut front = vec![0_u8; 8192];
        front[512..520].copy_from_slice(b"LABELONE");
        front[532..536].copy_from_slice(&32_u32.to_le_bytes());
        front[536..544].copy_from_slice(b"LVM2 001");
        front[544..576].copy_from_slice(b"abcdefghijklmnopqrstuvwxyz012345");
        front[576..584].copy_from_slice(&(1_u64 << 30).to_le_bytes());
        let found = lvm(&front).unwrap();
        assert_eq!(found.uuid.as_deref(), Some("abcdef-ghij-klmn-opqr-stuv-wxyz-012345"), "it could not be matched with pvs");
        assert_eq!(found.bytes, Some(1 << 30));
    }
}
