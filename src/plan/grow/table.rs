//! The partition table of a disk that grows: whether its last partition can take the new room, and the steps that give it.
//!
//! The table is read and written by `sfdisk`: what it prints (`--dump`) is kept in the job's folder first, and brings the old table back.

use crate::model::{Action, Cmd, HostPath, Question, Signature};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::{Setting, again, paths, text};

/// sfdisk takes files for disks with such sectors, and so do guests.
const SECTOR: u64 = 512;
/// Partitions end on a whole MiB.
const ALIGNED: u64 = 2048;
/// Entries of a GPT, when the table does not say otherwise; four of them in a sector.
const ENTRIES: u64 = 128;
const KEPT: &str = "partition-table.before";

/// The partition that grows.
pub(super) struct Last {
    pub number: u32,
    /// Byte at which it begins.
    pub offset: u64,
    /// Bytes.
    pub new: u64,
    /// What lies in it.
    pub kind: String,
    old: u64,
    gpt: bool,
    dump: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
struct Table {
    gpt: bool,
    sector: u64,
    entries: u64,
    parts: Vec<Part>,
}

/// In sectors.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    number: u32,
    start: u64,
    size: u64,
    kind: String,
}

impl Part {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.size)
    }

    fn is_extended(&self) -> bool {
        matches!(self.kind.as_str(), "5" | "05" | "f" | "0f" | "85")
    }
}

fn dump(disk: &HostPath) -> Cmd {
    Cmd::reads("sfdisk", ["--dump".to_owned(), text(disk)])
}

/// `found`: what was recognised on the disk. `new`: bytes that it will have.
pub(super) fn look(disk: &HostPath, found: &[Signature], new: u64, facts: &Facts<'_>) -> Go<Last> {
    paths::tools(facts, &[("sfdisk", "fdisk")])?;
    let asks = dump(disk);
    facts.want([Question::Said { cmd: asks.clone() }])?;
    let said = facts.said(&asks)?;
    let alone = "grow the disk alone (--inside no), and partitions and file systems in the guest";
    let Some(table) = std::str::from_utf8(said).ok().and_then(parse).filter(|table| !table.parts.is_empty()) else {
        return no("table-unknown", format!("sfdisk does not tell of partitions on {disk}"), alone);
    };
    if table.sector != SECTOR {
        return no("table-sectors", format!("the partition table of {disk} counts in sectors of {} bytes", table.sector), alone);
    }
    if let Some(part) = table.parts.iter().find(|part| part.is_extended()) {
        return no(
            "table-extended",
            format!(
                "partition {} of {disk} is an extended one: its logical partitions are a chain that is not changed from here",
                part.number
            ),
            alone,
        );
    }
    let Some(last) = table.parts.iter().max_by_key(|part| part.start) else {
        return no("table-unknown", format!("sfdisk does not tell of partitions on {disk}"), alone);
    };
    if table.parts.iter().any(|part| part.number != last.number && part.end() > last.start) {
        return no("table-overlaps", format!("partitions of {disk} overlap: the table contradicts itself"), "mend the table first");
    }
    let within = found.iter().find(|one| one.partition == Some(last.number) && one.kind != "blank");
    let kind = within.map_or("nothing that is known", |one| one.kind.as_str());
    if !matches!(kind, "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "lvm2-pv" | "luks") {
        return no(
            "table-other-last",
            format!("the last partition of {disk} is number {} ({kind}): no partition before it can grow past it", last.number),
            "grow the disk alone (--inside no); in the guest the room can become a partition of its own, or the last one be moved",
        );
    }
    // The backup at the end: a header, and the entries.
    let reserve = if table.gpt { table.entries.div_ceil(4).saturating_add(1) } else { 0 };
    let most = (new / SECTOR).saturating_sub(reserve);
    let most = if table.gpt { most } else { most.min(u64::from(u32::MAX)) };
    let end = most / ALIGNED * ALIGNED;
    if end <= last.end() {
        return no(
            "table-no-room",
            format!("behind partition {} of {disk} there is no whole MiB that its table could give it", last.number),
            if table.gpt { "add more" } else { "an MBR ends at 2 TiB: make it a GPT in the guest first, or add more where it is shorter" },
        );
    }
    Ok(Last {
        number: last.number,
        offset: last.start.saturating_mul(SECTOR),
        new: end.saturating_sub(last.start).saturating_mul(SECTOR),
        kind: kind.to_owned(),
        old: last.size.saturating_mul(SECTOR),
        gpt: table.gpt,
        dump: said.to_vec(),
    })
}

/// `sfdisk --dump`: lines of `key: value`, then `NODE : start= 2048, size= 40960, type=83 ...`. Nothing for what is no such text.
fn parse(dump: &str) -> Option<Table> {
    let header = |key: &str| dump.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim);
    let gpt = match header("label")? {
        "gpt" => true,
        "dos" => false,
        _ => return None,
    };
    let device = header("device")?;
    if header("unit")? != "sectors" {
        return None;
    }
    let mut parts = Vec::new();
    for (node, fields) in dump.lines().filter_map(|line| line.split_once(" : ")) {
        // `/dev/sda1`, `/dev/loop0p1`, `/dev/mapper/vg-lv-part1`.
        let number = node.strip_prefix(device)?.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok()?;
        let field = |key: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(key)?.strip_prefix('=')).map(str::trim);
        let (start, size) = (field("start")?.parse().ok()?, field("size")?.parse().ok()?);
        parts.push(Part { number, start, size, kind: field("type")?.to_ascii_lowercase() });
    }
    let sector = header("sector-size").map_or(Some(SECTOR), |size| size.parse().ok())?;
    let entries = header("table-length").map_or(Some(ENTRIES), |count| count.parse().ok())?;
    Some(Table { gpt, sector, entries, parts })
}

impl Last {
    /// Before the disk grows.
    pub fn keep(&self, draft: &mut Draft, disk: &HostPath, setting: &Setting) {
        let kept = setting.job_dir.join(KEPT);
        draft.step(
            format!("Keep the partition table of {disk}"),
            format!("`sfdisk {disk} < {kept}` would bring it back, as long as nothing in the partition has grown."),
            Action::WriteFile { path: kept, bytes: self.dump.clone(), mode: 0o600 },
        );
    }

    /// After the disk has grown.
    pub fn grow(&self, draft: &mut Draft, disk: &HostPath) {
        // Whatever the kernel or another reader thinks of it: nobody uses the disk, and nothing on it is wiped.
        let quiet = ["--no-reread", "--no-tell-kernel"].map(str::to_owned);
        let stays = || crate::model::Undo::Impossible { why: "the partition stays larger; more room loses no data, less could".into() };
        if self.gpt {
            let words = ["--relocate", "gpt-bak-std"].map(str::to_owned).into_iter().chain(quiet.clone()).chain([text(disk)]);
            let step = draft.run(
                "Move the backup of the partition table to the new end",
                "A GPT keeps a copy of itself in the last sectors of its disk; behind it nothing can be used.",
                Cmd::changes("sfdisk", words),
            );
            draft.done(step, again::never());
            draft.undo(step, stays());
        }
        let bytes = crate::model::bytes::human;
        let words = ["-q", "--wipe", "never", "--wipe-partitions", "never"].map(str::to_owned).into_iter().chain(quiet);
        let words = words.chain(["-N".to_owned(), self.number.to_string(), text(disk)]);
        // Where it begins stays as it is.
        let script = format!(",{}\n", self.new / SECTOR);
        let step = draft.run(
            format!("Grow partition {} from {} to {}", self.number, bytes(self.old), bytes(self.new)),
            format!("It is the last one. It begins where it did, and gets {} sectors (the size that sfdisk reads).", self.new / SECTOR),
            Cmd { stdin: script.into_bytes(), ..Cmd::changes("sfdisk", words) },
        );
        draft.done(step, again::never());
        draft.undo(step, stays());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_sfdisk_prints_it() {
        let gpt = "label: gpt\nlabel-id: B62F18EF-DD8C-BF4B-B1F4-C2F8FD9AB6A8\ndevice: /dev/loop0\nunit: sectors\nfirst-lba: 2048\nlast-lba: 131038\nsector-size: 512\n\n\
                   /dev/loop0p1 : start=        2048, size=       40960, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name=\"a : b\"\n";
        let table = parse(gpt).unwrap();
        assert_eq!((table.gpt, table.sector, table.entries), (true, 512, 128));
        assert_eq!((table.parts[0].number, table.parts[0].start, table.parts[0].size), (1, 2048, 40960));
        let mbr = "label: dos\nlabel-id: 0xb45024f4\ndevice: q.img\nunit: sectors\nsector-size: 512\n\nq.img1 : start= 2048, size= 40960, type=83, bootable\nq.img2 : start= 43008, size= 61440, type=5\n";
        let table = parse(mbr).unwrap();
        assert!(!table.gpt && table.parts[1].is_extended(), "{table:?}");
        for wrong in [
            "",
            "label: sun\ndevice: a\nunit: sectors\n",
            "label: gpt\ndevice: /dev/a\nunit: sectors\n/dev/b1 : start=1, size=2, type=83\n",
        ] {
            assert_eq!(parse(wrong), None, "a table that was not understood would be written to: {wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_is_printed_stops_the_reader(text in "(label: (gpt|dos)\n)?(device: /dev/a\n)?(unit: sectors\n)?(\\PC{0,40}\n){0,6}") {
            let _ = parse(&text);
        }
    }
}
