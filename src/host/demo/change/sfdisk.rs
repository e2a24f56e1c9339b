//! `sfdisk --dump DISK`, and `sfdisk -N NUMBER DISK` with `,SECTORS` to read; of an MBR without logical partitions.

use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::host::Answer;
use crate::host::demo::reply::{Args, Reply};
use crate::host::demo::tree::Tree;

const SECTOR: u64 = 512;
const FIRST: usize = 446;
const ENTRY: usize = 16;

fn number(sector: &[u8], at: usize) -> u32 {
    sector.get(at..at.saturating_add(4)).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Number, type, first sector, sectors.
fn entries(sector: &[u8]) -> Option<Vec<(usize, u8, u32, u32)>> {
    if sector.get(510..512) != Some(&[0x55, 0xaa]) {
        return None;
    }
    let entry = |index: usize| {
        let at = FIRST + index * ENTRY;
        (index + 1, sector.get(at + 4).copied().unwrap_or_default(), number(sector, at + 8), number(sector, at + 12))
    };
    Some((0..4).map(entry).filter(|(_, kind, ..)| *kind != 0).collect())
}

fn no_table(disk: &str) -> Reply {
    Reply::bad(1, format!("sfdisk: {disk}: does not contain a recognized partition table\n"))
}

pub fn look(tree: &Tree, words: &[String]) -> Option<Reply> {
    let args = Args::parse(words, &["-d", "--dump"], &[]).ok()?;
    let ([disk], true) = (args.operands.as_slice(), args.has(&["-d", "--dump"])) else { return None };
    let Ok(sector) = tree.read_at(Path::new(disk), 0, 512) else {
        return Some(Reply::bad(1, format!("sfdisk: cannot open {disk}: No such file or directory\n")));
    };
    let Some(entries) = entries(&sector) else { return Some(no_table(disk)) };
    let id = number(&sector, 440);
    let mut said = format!("label: dos\nlabel-id: 0x{id:08x}\ndevice: {disk}\nunit: sectors\nsector-size: 512\n\n");
    for (number, kind, start, size) in entries {
        said.push_str(&format!("{disk}{number} : start={start:>12}, size={size:>12}, type={kind:x}\n"));
    }
    Some(Reply::good(said))
}

pub fn change(tree: &Tree, words: &[String], stdin: &[u8]) -> Answer<Option<Reply>> {
    let flags = ["-q", "--quiet", "--no-reread", "--no-tell-kernel"];
    let Ok(args) = Args::parse(words, &flags, &["-N", "--wipe", "--wipe-partitions"]) else { return Ok(None) };
    let asked = args.value(&["-N"]).and_then(|number| number.parse::<usize>().ok());
    let size = std::str::from_utf8(stdin).ok().and_then(|script| script.trim().strip_prefix(',')?.parse::<u32>().ok());
    let ([disk], Some(asked), Some(size)) = (args.operands.as_slice(), asked, size) else { return Ok(None) };
    let file = tree.open_file(Path::new(disk), true)?;
    let sector = tree.read_at(Path::new(disk), 0, 512)?;
    let Some(entries) = entries(&sector) else { return Ok(Some(no_table(disk))) };
    let Some((_, _, start, _)) = entries.iter().find(|(number, ..)| *number == asked) else {
        return Ok(Some(Reply::bad(
            1,
            format!("sfdisk: {disk}: partition {asked}: partition table contains only {} partitions\n", entries.len()),
        )));
    };
    let end = u64::from(*start).saturating_add(u64::from(size));
    let follows = entries.iter().any(|(number, _, other, _)| *number != asked && *other > *start && u64::from(*other) < end);
    if follows || end.saturating_mul(SECTOR) > file.metadata()?.len() {
        return Ok(Some(Reply::bad(1, format!("{disk}{asked}: Failed to add #{asked} partition: Numerical result out of range\n"))));
    }
    let at = FIRST.saturating_add(asked.saturating_sub(1).saturating_mul(ENTRY)).saturating_add(12);
    file.write_all_at(&size.to_le_bytes(), at as u64)?;
    Ok(Some(Reply::good("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_grows_and_says_so_and_none_grows_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let mut disk = vec![0; 8 << 20];
        for (index, start, size) in [(0_usize, 2048_u32, 2048_u32), (1, 4096, 2048)] {
            let at = FIRST + index * ENTRY;
            disk[at + 4] = 0x83;
            disk[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            disk[at + 12..at + 16].copy_from_slice(&size.to_le_bytes());
        }
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        tree.create(Path::new("/disk"), 0, 0o600).unwrap().write_all_at(&disk, 0).unwrap();
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let grow = |number: &str, size: &str| {
            let reply = change(&tree, &words(&format!("-q --no-reread -N {number} /disk")), format!(",{size}\n").as_bytes());
            reply.unwrap().unwrap().into_output().exit
        };
        assert_eq!((grow("1", "2049"), grow("2", "99999"), grow("2", "8192"), grow("3", "1")), (1, 1, 0, 1));
        let said = look(&tree, &words("--dump /disk")).unwrap().into_output().stdout;
        assert!(String::from_utf8(said).unwrap().ends_with("/disk2 : start=        4096, size=        8192, type=83\n"));
    }
}
