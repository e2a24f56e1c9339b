//! Which files lie in the damaged ranges of a disk: asked of debugfs, which opens the file system for reading only. A file system whose own
//! tables are damaged may name none, or wrong ones: that is said.

use std::collections::BTreeSet;

use super::{Deed, Runner};
use crate::model::salvage::DamagedDisk;
use crate::model::{Cmd, bytes, shown};

/// Numbers on one command line of debugfs.
const AT_ONCE: usize = 128;
/// Blocks that are asked for; of more damage than this, the rest is not asked.
const MOST_BLOCKS: u64 = 16_384;
/// Files that the journal names; the file in the job's folder has all.
const MOST_NAMED: usize = 40;
/// The inode of the journal (ext4: kernel.org/doc/html/latest/filesystems/ext4/special_inodes.html), and those below it, are no files.
const FIRST_FILE: u64 = 11;

impl Runner<'_> {
    /// `from`: the step that told the ranges. What cannot be found out is said; nothing of it fails.
    pub(super) fn name_lost_files(&mut self, from: usize, disks: &[DamagedDisk]) -> Deed {
        for (part, disk) in disks.iter().enumerate() {
            let result = self.history.past(from).and_then(|past| past.parts.get(&part)?.result.clone());
            let Some(result) = result else { continue };
            let ranges: Vec<(u64, u64)> = result.unreadable.iter().chain(&result.damaged).copied().collect();
            if ranges.is_empty() {
                continue;
            }
            if disk.systems.is_empty() {
                self.note(format!(
                    "{}: no ext file system was recognised in the backup: which files lie there cannot be said",
                    disk.label
                ))?;
                continue;
            }
            let mut all = Vec::new();
            for start in &disk.systems {
                match self.lost_in(disk, *start, &ranges) {
                    Ok(found) => all.extend(found),
                    Err(why) => self.note(format!("{}: which files lie there could not be found out: {why}", disk.label))?,
                }
                self.check_stop()?;
            }
            for line in all.iter().take(MOST_NAMED) {
                self.note(format!("{}: {line}", disk.label))?;
            }
            if !all.is_empty() {
                let name = format!("damaged-files-{}.txt", crate::model::bundle_names::component(&disk.label));
                let _ = self.folder.dir().put(&name, (all.join("\n") + "\n").as_bytes());
                self.note(format!(
                    "{}: {} files or tables lie in damaged ranges; all are in {}",
                    disk.label,
                    all.len(),
                    self.folder.path().join(&name)
                ))?;
            }
        }
        Ok(())
    }

    fn debugfs(&self, disk: &DamagedDisk, start: u64, words: &str) -> Result<String, String> {
        let image = if start == 0 { disk.disk.to_string() } else { format!("{}?offset={start}", disk.disk) };
        let cmd = Cmd::reads("debugfs", ["-c", "-R", words, &image]).within(600);
        let output = self.act.run(&cmd).map_err(|error| error.to_string())?;
        if !output.ok() {
            return Err(output.complaint());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn lost_in(&self, disk: &DamagedDisk, start: u64, ranges: &[(u64, u64)]) -> Result<Vec<String>, String> {
        let stats = self.debugfs(disk, start, "show_super_stats -h")?;
        let number = |label: &str| stats.lines().find_map(|line| line.strip_prefix(label)?.trim().parse::<u64>().ok());
        let (Some(size), Some(count)) = (number("Block size:"), number("Block count:")) else {
            return Err(format!("debugfs cannot open the file system at byte {start}"));
        };
        let blocks = blocks(ranges, start, size, count);
        let mut inodes = BTreeSet::new();
        let (mut free, mut tables) = (0_u64, 0_u64);
        for some in blocks.chunks(AT_ONCE) {
            let words: Vec<String> = some.iter().map(ToString::to_string).collect();
            for owner in owners(&self.debugfs(disk, start, &format!("icheck {}", words.join(" ")))?) {
                match owner {
                    Some(inode) if inode >= FIRST_FILE => drop(inodes.insert(inode)),
                    Some(_) => tables = tables.saturating_add(1),
                    None => free = free.saturating_add(1),
                }
            }
        }
        let mut lines = Vec::new();
        let inodes: Vec<u64> = inodes.into_iter().collect();
        for some in inodes.chunks(AT_ONCE) {
            let words: Vec<String> = some.iter().map(ToString::to_string).collect();
            let said = self.debugfs(disk, start, &format!("ncheck {}", words.join(" ")))?;
            let names = names(&said);
            for inode in some {
                match names.iter().find(|(of, _)| of == inode) {
                    Some((_, name)) => lines.push(shown::text(name)),
                    None => lines.push(format!("inode {inode}, which has no name any more")),
                }
            }
        }
        lines.sort();
        if tables > 0 {
            lines.push(format!(
                "{tables} blocks of the file system's own tables or journal: let e2fsck -f -n look at it before anything is mounted"
            ));
        }
        if free > 0 {
            lines.push(format!("{} that no file uses, or tables that belong to none", bytes::human(free.saturating_mul(size))));
        }
        if blocks.len() as u64 == MOST_BLOCKS {
            lines.push(format!("(only the first {MOST_BLOCKS} damaged blocks were looked up)"));
        }
        Ok(lines)
    }
}

/// Numbers of the file system's blocks in ranges of the disk.
fn blocks(ranges: &[(u64, u64)], start: u64, size: u64, count: u64) -> Vec<u64> {
    let size = size.max(1);
    let mut all = BTreeSet::new();
    for (from, length) in ranges {
        let end = from.saturating_add(*length);
        if end <= start {
            continue;
        }
        let first = from.saturating_sub(start) / size;
        let last = end.saturating_sub(start).div_ceil(size).min(count);
        for block in first..last {
            if all.len() as u64 >= MOST_BLOCKS {
                return all.into_iter().collect();
            }
            all.insert(block);
        }
    }
    all.into_iter().collect()
}

/// `icheck` of debugfs(8): `BLOCK<tab>INODE`, or `<block not found>`.
fn owners(said: &str) -> Vec<Option<u64>> {
    let rows = said.lines().filter_map(|line| line.split_once('\t'));
    rows.filter(|(block, _)| block.trim().parse::<u64>().is_ok()).map(|(_, inode)| inode.trim().parse().ok()).collect()
}

/// `ncheck` of debugfs(8): `INODE<tab>PATH`.
fn names(said: &str) -> Vec<(u64, String)> {
    let rows = said.lines().filter_map(|line| line.split_once('\t'));
    rows.filter_map(|(inode, path)| Some((inode.trim().parse().ok()?, path.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_the_disk_become_blocks_of_the_file_system() {
        assert_eq!(blocks(&[(0, 4096)], 0, 1024, 100), [0, 1, 2, 3]);
        assert_eq!(blocks(&[((1 << 20) + 100, 1)], 1 << 20, 4096, 10), [0]);
        assert_eq!(blocks(&[(0, 4096)], 1 << 20, 4096, 10), Vec::<u64>::new(), "what lies before a partition is none of its blocks");
        assert_eq!(blocks(&[(0, 1 << 40)], 0, 4096, 3), [0, 1, 2], "behind its end a file system has no blocks");
        assert_eq!(blocks(&[(0, 1 << 40)], 0, 1024, 1 << 30).len() as u64, MOST_BLOCKS, "one damaged disk would keep it asking for ever");
    }

    #[test]
    fn what_debugfs_prints_is_read_by_its_columns() {
        assert_eq!(owners("Block\tInode number\n24\t12\n25\t<block not found>\n"), [Some(12), None]);
        assert_eq!(names("Inode\tPathname\n12\t/etc/a file\n13\t//x\n"), [(12, "/etc/a file".into()), (13, "//x".into())]);
    }
}
