//! What is measured on the real host: how long a domain stands still while it is backed up, and what an increment costs. Ratios and figures of
//! one run; no story of another part depends on the clock.

use anyhow::{Context as _, Result};

use super::changes::newest_bundle;
use crate::host::Host;
use crate::scenario::{Scenario, scenario};
use crate::see::See;

const RUNS: usize = 5;

/// Milliseconds of one way with a disk of this size: the longest silence of each run, and how long its snapshots took to make.
struct Stood {
    way: &'static str,
    silences: Vec<u64>,
    snapshots: Vec<u64>,
}

fn median(of: &[u64]) -> u64 {
    let mut sorted = of.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

fn seconds(milliseconds: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let seconds = milliseconds as f64 / 1000.0;
    format!("{seconds:.1} s")
}

/// Milliseconds of the newest job's steps of these kinds.
fn took(host: &mut dyn Host, kinds: &[&str]) -> Result<u64> {
    let said = host.does("took")?;
    let mut sum = 0.0;
    for line in said.text().lines() {
        let (time, kind) = line.split_once(' ').with_context(|| said.to_string())?;
        if kinds.contains(&kind) {
            sum += time.parse::<f64>().with_context(|| said.to_string())?;
        }
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a step")]
    Ok((sum * 1000.0) as u64)
}

fn stood(host: &mut dyn Host, way: &'static str) -> Result<Stood> {
    let mut stood = Stood { way, silences: Vec::new(), snapshots: Vec::new() };
    for _ in 0..RUNS {
        let more = if way == "cold" { " --when-running shut-down" } else { "" };
        let said = host.does(&format!(
            "rm -rf /srv/backup/*; beats_of beater domkeep backup beater --to /srv/backup --strategy {way}{more} --verify no --yes"
        ))?;
        stood.silences.push(said.text().trim().parse().with_context(|| said.to_string())?);
        stood.snapshots.push(took(host, &["lvcreate"])?);
    }
    Ok(stood)
}

/// These ways with a disk of this size, a sixteenth of it written. Each with its longest silences and what its snapshots took.
fn with_disk(host: &mut dyn Host, see: &mut See, gib: u64, ways: &[&'static str]) -> Result<Vec<Stood>> {
    host.does(&format!(
        "mkdir -p /srv/backup /srv/small; lvcreate -q -y -W y --addtag scratch -L {gib}G -n beats xenvols && mkfs.ext4 -q /dev/xenvols/beats && mount /dev/xenvols/beats /srv/small && \
         for i in $(seq {gib}); do head -c 64M /dev/urandom; done >/srv/small/data && umount /srv/small && beat_guest beater /dev/xenvols/beats && start beater"
    ))?;
    let quiet = host.does("beats_of beater sleep 10")?;
    see.figure(format!("{gib} GiB, nothing going on: longest silence {} ms", quiet.text().trim()));
    let mut all = Vec::new();
    for way in ways {
        let stood = stood(host, way)?;
        let each: Vec<String> = stood.silences.iter().map(|silence| seconds(*silence)).collect();
        let snapshots = match median(&stood.snapshots) {
            0 => String::new(),
            long => format!("; of that lvcreate {}", seconds(long)),
        };
        see.figure(format!("{gib} GiB, {way}: median {} ({}){snapshots}", seconds(median(&stood.silences)), each.join(", ")));
        all.push(stood);
    }
    host.does("xl destroy beater; wait_gone beater; rm -rf /srv/backup/*; lvremove -q -y xenvols/beats")?;
    Ok(all)
}

/// With a disk of 1 GiB and of 4 GiB: by size, and by way.
fn both_sizes(host: &mut dyn Host, see: &mut See, ways: &[&'static str]) -> Result<[Vec<Stood>; 2]> {
    Ok([with_disk(host, see, 1, ways)?, with_disk(host, see, 4, ways)?])
}

fn does_not_grow(see: &mut See, way: &str, small: &Stood, large: &Stood) {
    let (one, four) = (median(&small.silences), median(&large.silences));
    see.that(four < one + one / 2 + 1000, &format!("{way} would stand longer the larger the disk is"), || {
        format!("{one} ms with 1 GiB, {four} ms with 4 GiB")
    });
}

fn with_memory(host: &mut dyn Host, see: &mut See) -> Result<()> {
    let sizes = both_sizes(host, see, &["save-snapshot", "checkpoint"])?;
    for_each_size(&sizes, see, |see, size| {
        let [saved, checkpoint] = size else { return };
        see.that(
            median(&checkpoint.silences) < median(&saved.silences),
            "a checkpoint would not be shorter than a save and a restore",
            || format!("{:?} ms and {:?} ms", checkpoint.silences, saved.silences),
        );
    });
    Ok(())
}

fn live(host: &mut dyn Host, see: &mut See) -> Result<()> {
    let sizes = both_sizes(host, see, &["live"])?;
    for_each_size(&sizes, see, |see, size| {
        let [live] = size else { return };
        see.that(
            median(&live.silences) <= median(&live.snapshots) + 500,
            "a live backup would stand longer than its snapshots take, and half a second",
            || format!("{:?} ms, lvcreate {:?} ms", live.silences, live.snapshots),
        );
    });
    Ok(())
}

fn for_each_size(sizes: &[Vec<Stood>; 2], see: &mut See, check: impl Fn(&mut See, &[Stood])) {
    let [small, large] = sizes;
    for (small, large) in small.iter().zip(large) {
        does_not_grow(see, small.way, small, large);
    }
    check(see, small);
    check(see, large);
}

fn whole_copy(host: &mut dyn Host, see: &mut See) -> Result<()> {
    let [small, large] = both_sizes(host, see, &["cold", "save-copy"])?;
    see.that(small.iter().chain(&large).all(|stood| median(&stood.silences) > 0), "nothing was measured", String::new);
    Ok(())
}

/// The bytes that the newest backup read of its second disk, and milliseconds of its copy.
fn cost(host: &mut dyn Host) -> Result<(u64, u64)> {
    let bundle = newest_bundle(host, "/srv/backup")?;
    let said =
        host.does(&format!("awk '/^name/ {{ name = $3 }} /^read/ && name == \"\\\"xvdb.img\\\"\" {{ print $3 }}' {bundle}/manifest.toml"))?;
    let read = said.text().trim().parse().unwrap_or(4 << 30);
    Ok((read, took(host, &["copy", "thin_delta", "dmsetup"])?))
}

fn increment(host: &mut dyn Host, see: &mut See, thin: bool) -> Result<()> {
    let make = if thin {
        "lvcreate -q -y --addtag scratch -L 4400M --poolmetadatasize 16M --thinpool many xenvols && lvcreate -q -y --addtag scratch -V 4G --thin -n big xenvols/many"
    } else {
        "lvcreate -q -y -W y --addtag scratch -L 4G -n big xenvols"
    };
    host.does(&format!(
        "mkdir -p /srv/backup; lvcreate -q -y -W y --addtag scratch -L 4700M -n kept xenvols && mkfs.ext4 -q -m 0 /dev/xenvols/kept && mount /dev/xenvols/kept /srv/backup && \
         lvcreate -q -y -W y --addtag scratch -L 64M -n small xenvols && mkfs.ext4 -q /dev/xenvols/small && {make} && \
         head -c 64M /dev/urandom >/root/lab/random && for i in $(seq 64); do cat /root/lab/random; done | dd of=/dev/xenvols/big bs=1M iflag=fullblock oflag=direct 2>/dev/null && \
         beat_guest beater /dev/xenvols/small /dev/xenvols/big && start beater"
    ))?;
    let backup = "domkeep backup beater --to /srv/backup --strategy live --incremental auto --verify no --yes";
    host.does(backup)?;
    let (_, full) = cost(host)?;
    // Nothing in the guest has this disk open; its backend takes what lies there.
    host.does("for at in $(shuf -i 0-4094 -n 41); do dd if=/dev/urandom of=/dev/xenvols/big bs=64k count=16 seek=$((at * 16 + at % 16)) conv=notrunc oflag=direct 2>/dev/null || exit 1; done")?;
    host.does(backup)?;
    let (read, time) = cost(host)?;
    let heard = host.does("took")?;
    see.figure(format!(
        "41 of 4096 MiB changed: read {} MiB ({:.1} %); copy {} against {} of the full one: {} times",
        read >> 20,
        f64::from(u32::try_from(read >> 10).unwrap_or(u32::MAX)) / f64::from(4 << 20) * 100.0,
        seconds(time),
        seconds(full),
        full / time.max(1)
    ));
    see.that(read * 100 <= 3 * (4 << 30), "an increment would read what did not change", || heard.to_string());
    see.that(full >= 20 * time, "an increment would take nearly as long as a full backup", || heard.to_string());
    Ok(())
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("how long a domain stands still while its memory is kept and its disks are frozen, 1 GiB and 4 GiB", with_memory),
        scenario("how long a domain stands still while its disks are frozen, 1 GiB and 4 GiB", live),
        scenario("how long a domain stands still for the whole copy, 1 GiB and 4 GiB", whole_copy),
        scenario("an increment after 1 % of a thin volume changed, against the full backup", |host, see| increment(host, see, true)),
        scenario("an increment after 1 % of a volume changed, against the full backup", |host, see| increment(host, see, false)),
    ]
}
