//! Backups of a guest that runs, by each way: it writes one growing, checksummed log to two disks, the first before the second. Each restore
//! has clean file systems and a log without a gap; where the memory is in the backup, the guest goes on counting from its instant.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::changes::{domkeep, newest_bundle, outcome_is, state_of, wait_job};
use crate::host::{Host, ask};
use crate::scenario::{Scenario, scenario};
use crate::see::See;

const VOLUMES: [&str; 2] = ["/dev/xenvols/la", "/dev/xenvols/lb"];
const FILES: [&str; 2] = ["/srv/xfs/a.img", "/srv/xfs/b.img"];

/// The snapshots that a restore takes of what it overwrites.
pub(super) const DROP_KEPT: &str =
    "for v in $(lvs --noheadings -o lv_name xenvols | grep domkeep-before-); do lvremove -q -y xenvols/$v || exit 1; done";

/// Two volumes, classic or thin, and a guest that writes its log to them.
fn on_volumes(host: &mut dyn Host, thin: bool) -> Result<()> {
    let make = if thin { "-V 64M --thinpool pool0 xenvols" } else { "-L 64M xenvols" };
    host.does(&format!("mkdir -p /srv/backup\nfor v in la lb; do lvcreate -q -y --addtag scratch -n $v {make} || exit 1; done\nlog_guest twolog /dev/xenvols/la /dev/xenvols/lb\nstart twolog\nsleep 3"))?;
    Ok(())
}

fn on_files(host: &mut dyn Host) -> Result<()> {
    host.does(
        "mkdir -p /srv/backup /srv/xfs\nlvcreate -q -y --addtag scratch -L 512M -n xfs0 xenvols\nmkfs.xfs -q -f -m reflink=1 /dev/xenvols/xfs0\nmount /dev/xenvols/xfs0 /srv/xfs\n\
         truncate -s 64M /srv/xfs/a.img /srv/xfs/b.img\nlog_guest twolog /srv/xfs/a.img /srv/xfs/b.img\nstart twolog\nsleep 3",
    )?;
    Ok(())
}

/// The lines of a disk's log, when all of them are there and right.
fn lines_of(host: &mut dyn Host, disk: &str) -> Result<u64> {
    let said = host.does(&format!("read_log {disk}")).with_context(|| format!("the log on {disk} is not whole"))?;
    said.text().trim().parse().with_context(|| format!("{said}"))
}

/// Backs the guest up, lets it write on, and brings the backup back over its disks.
fn there_and_back(host: &mut dyn Host, see: &mut See, way: &str, disks: [&str; 2]) -> Result<()> {
    let table = ask(host, see, &["strategies", "twolog"])?;
    let rows = table.json["strategies"]["rows"].as_array().cloned().unwrap_or_default();
    see.that(
        rows.iter().any(|row| row["strategy"] == way && row["not_here"].is_null()),
        &format!("{way} would not be offered where it is possible"),
        || table.json.to_string(),
    );
    let said = domkeep(host, see, &["backup", "twolog", "--to", "/srv/backup", "--strategy", way, "--yes"])?;
    see.exit(&said, 0, &format!("a user could not back up a domain by {way}"));
    let left = host.does("xl list twolog\nlvs --noheadings -o lv_name xenvols | grep domkeep-; ls -A /srv/xfs 2>/dev/null | grep partial; find /srv/backup -name '*partial*'; ps -C xl -o stat=,comm=")?;
    let text = left.text();
    see.that(!text.contains("domkeep-") && !text.contains("partial"), "a snapshot or half a backup would be left", || left.to_string());
    see.that(text.lines().any(|line| line.starts_with("twolog") && !line.contains("--p---")), "the domain would stand still", || {
        left.to_string()
    });
    see.that(
        text.lines().any(|line| line.starts_with('S') && line.trim_end().ends_with(" xl")),
        "nobody would wait for the domain's end any more",
        || left.to_string(),
    );
    let bundle = newest_bundle(host, "/srv/backup")?;
    let manifest = host.does(&format!("cat {bundle}/manifest.toml; ls -l {bundle}"))?;
    see.that(manifest.text().contains(&format!("strategy = \"{way}\"")), "the backup would not say how it was made", || {
        manifest.to_string()
    });
    // All disks of one instant: the first is at most the one line ahead that the second had not yet.
    let (one, other) = (lines_of(host, &format!("{bundle}/xvda.img"))?, lines_of(host, &format!("{bundle}/xvdb.img"))?);
    see.that(one > 0 && one - other.min(one) <= 1 && other <= one, "the disks of a backup would be of two instants", || {
        format!("{one} and {other} lines")
    });
    // It writes on, and shuts down by itself: whoever waits for its end clears it away.
    host.does("sleep 3\nxl shutdown twolog\nwait_gone twolog")?;
    let later = lines_of(host, disks[0])?;
    see.that(later > one, "the domain would not have gone on", || format!("{later} lines, {one} in the backup"));
    let restored = domkeep(host, see, &["restore", &bundle, "--to", "old-place", "--yes", "--confirm", "twolog"])?;
    see.exit(&restored, 0, "a user could not bring the backup back");
    host.does(DROP_KEPT)?;
    see.that(lines_of(host, disks[0])? == one, "a restore would not bring back what was in the backup", || restored.to_string());
    if way == "live" {
        host.does("start twolog\nsleep 3\nxl shutdown twolog\nwait_gone twolog")?;
    } else {
        let resumed = domkeep(host, see, &["resume", "/var/lib/xen/twolog.save", "--yes", "--confirm", "twolog"])?;
        see.exit(&resumed, 0, "the memory of a backup could not be resumed");
        host.does("wait_state twolog '^.b\\|^r\\|^--' 30\nsleep 3\nxl shutdown twolog\nwait_gone twolog")?;
    }
    let (after, second) = (lines_of(host, disks[0])?, lines_of(host, disks[1])?);
    see.that(after > one && second + 2 > one, "the guest would not go on from the instant of its backup", || {
        format!("{after} and {second} lines, {one} in the backup")
    });
    Ok(())
}

/// Kills the backup in each of its steps; every second one is finished, the others are undone. The domain runs afterwards.
fn killed_in_each_step(host: &mut dyn Host, see: &mut See, way: &str) -> Result<()> {
    let mut steps = Vec::new();
    for step in 0..24 {
        let to_do = if step % 2 == 0 { "undo" } else { "finish" };
        host.does("xl domid twolog >/dev/null 2>&1 || start twolog")?;
        let caught = host.does(&format!("caught {step} backup twolog --to /srv/backup --strategy {way} --verify no; [ $? -le 2 ]"))?;
        let id = caught.text().trim().to_owned();
        if id.is_empty() {
            break;
        }
        steps.push(step);
        let mut job = wait_job(host, see, |job| state_of(job) != "running")?;
        if state_of(&job) == "leftover" {
            let said = domkeep(host, see, &["jobs", to_do, &id])?;
            // A save that nobody saw end is a person's to judge.
            if let Some(image) = unwatched(&said.to_string()) {
                domkeep(host, see, &["resume", &image, "--look-in", &image, "--yes", "--confirm", "twolog"])?;
                domkeep(host, see, &["jobs", "undo", &id])?;
            }
            job = wait_job(host, see, |job| state_of(job) == "ended")?;
        }
        let ended = outcome_is(&job, "done") || outcome_is(&job, "undone");
        see.that(ended, &format!("{way} killed in step {step} could not be brought to an end"), || job.to_string());
        let left = host.does("xl list twolog; lvs --noheadings -o lv_name xenvols | grep domkeep-; find /srv/backup -name '*partial*'; ps -C xl -o stat= | grep T; true")?;
        let text = left.text();
        let runs = text.lines().any(|line| line.starts_with("twolog") && !line.contains("--p---") && !line.contains("---s"));
        see.that(
            runs && !text.contains("domkeep-") && !text.contains("partial") && !text.contains("\nT"),
            &format!("{way} killed in step {step} would leave a mess"),
            || format!("{job}\n{left}"),
        );
        if outcome_is(&job, "done") {
            let bundle = newest_bundle(host, "/srv/backup")?;
            let verified = domkeep(host, see, &["verify", &bundle])?;
            see.exit(&verified, 0, "a backup that was killed and finished would be bad");
        }
        host.does("rm -rf /srv/backup/*")?;
    }
    if steps.len() < 8 {
        bail!("only the steps {steps:?} were tried");
    }
    Ok(())
}

fn unwatched(said: &str) -> Option<String> {
    let rest = said.split("was saved to ").nth(1)?;
    Some(rest.split(" while nobody").next()?.trim().to_owned())
}

/// The power goes while the guest is saved and its disks are copied, and the next boot starts it anew: its memory belongs to a past that its
/// disks have left.
fn power_cut_between_save_and_restore(host: &mut dyn Host, see: &mut See, to_do: &str) -> Result<()> {
    on_volumes(host, false)?;
    host.does("ln -s ../twolog.cfg /etc/xen/auto/twolog; sync; domkeep backup twolog --to /srv/backup --strategy save-copy --rate 2M --yes --detach")?;
    host.does("for n in $(seq 120); do ls /srv/backup/*/twolog/.*partial/*.img* >/dev/null 2>&1 && ! xl domid twolog 2>/dev/null && break; sleep 1; done; sleep 4; ! xl domid twolog 2>/dev/null")?;
    host.power_cut()?;
    host.does("for n in $(seq 120); do xl domid twolog 2>/dev/null && break; sleep 1; done; xl domid twolog && wait_for /var/log/xen/console/guest-twolog.log 'guest up' 180; sleep 3")?;
    let before = host.does("xl domid twolog")?;
    let list = ask(host, see, &["jobs"])?;
    let job = list.json["jobs"][0].clone();
    see.that(state_of(&job) == "leftover", "after a power cut nobody would be told that a domain was saved for a backup", || {
        job.to_string()
    });
    let id = job["id"].as_str().unwrap_or_default().to_owned();
    let said = domkeep(host, see, &["jobs", to_do, &id])?;
    let after = host.does("xl list; xl domid twolog; find /srv/backup -name manifest.toml; find /srv/backup /var/lib/xen -name '*.save*' -o -name '*partial*'")?;
    see.that(
        after.text().lines().any(|line| line == before.text().trim()),
        "the memory of a domain would be put over disks that have moved on",
        || format!("{said}\n{after}"),
    );
    if after.text().contains("manifest.toml") {
        let bundle = newest_bundle(host, "/srv/backup")?;
        let verified = domkeep(host, see, &["verify", &bundle])?;
        see.that(
            said.exit != Some(0) && verified.exit != Some(0) && verified.to_string().contains("torn"),
            "a backup whose disks were written meanwhile would be called good",
            || format!("{said}\n{verified}\n{after}"),
        );
    }
    if to_do == "undo" {
        let job = wait_job(host, see, |job| state_of(job) == "ended")?;
        see.that(outcome_is(&job, "undone"), "what a power cut left could not be cleared away", || format!("{said}\n{job}\n{after}"));
        see.that(!after.text().contains("partial"), "half a backup would be left", || after.to_string());
    }
    host.does("xl shutdown twolog; wait_gone twolog; rm -f /etc/xen/auto/twolog")?;
    lines_of(host, VOLUMES[0])?;
    lines_of(host, VOLUMES[1])?;
    Ok(())
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a running guest is saved, copied and resumed; its backup goes on from the same instant", |host, see| {
            on_volumes(host, false)?;
            there_and_back(host, see, "save-copy", VOLUMES)
        }),
        scenario("a running guest is saved, frozen and resumed; its backup goes on from the same instant", |host, see| {
            on_volumes(host, false)?;
            there_and_back(host, see, "save-snapshot", VOLUMES)
        }),
        scenario(
            "a checkpoint of a running guest: no restore, its shutdown is still seen, and its backup goes on from the same instant",
            |host, see| {
                on_volumes(host, false)?;
                there_and_back(host, see, "checkpoint", VOLUMES)?;
                // A reboot of a guest after its checkpoint is seen too.
                host.does("start twolog")?;
                let said = domkeep(host, see, &["backup", "twolog", "--to", "/srv/backup", "--strategy", "checkpoint", "--yes"])?;
                see.exit(&said, 0, "a second checkpoint would fail");
                host.does("id=$(xl domid twolog); xl reboot twolog; for i in $(seq 1 120); do new=$(xl domid twolog 2>/dev/null); [ -n \"$new\" ] && [ \"$new\" != \"$id\" ] && break; sleep 1; done; [ \"$new\" != \"$id\" ]")?;
                Ok(())
            },
        ),
        scenario("a live backup of a running guest boots as after a power cut, all disks of one instant", |host, see| {
            on_volumes(host, false)?;
            there_and_back(host, see, "live", VOLUMES)
        }),
        scenario("thin volumes are frozen without a size, live and as a checkpoint", |host, see| {
            on_volumes(host, true)?;
            there_and_back(host, see, "live", VOLUMES)?;
            host.does("start twolog\nsleep 2")?;
            there_and_back(host, see, "checkpoint", VOLUMES)
        }),
        scenario("disks in files on XFS are frozen by reflinks, live and saved", |host, see| {
            on_files(host)?;
            there_and_back(host, see, "live", FILES)?;
            host.does("start twolog\nsleep 2")?;
            there_and_back(host, see, "save-snapshot", FILES)
        }),
        scenario("kill -9 in each step of a checkpoint and of a save: the guest runs, and nothing is left", |host, see| {
            on_volumes(host, false)?;
            killed_in_each_step(host, see, "checkpoint")?;
            killed_in_each_step(host, see, "save-snapshot")
        }),
        scenario("the power goes between save and resume, and the host starts the domain anew: its save is not resumed", |host, see| {
            power_cut_between_save_and_restore(host, see, "finish")?;
            host.does("lvremove -q -y xenvols/la xenvols/lb; rm -rf /srv/backup /var/lib/domkeep")?;
            power_cut_between_save_and_restore(host, see, "undo")
        })
        .fresh(),
        scenario("disks in files on ext4: only what needs no freezing is offered, and it says why", |host, see| {
            host.does("start files")?;
            let table = ask(host, see, &["strategies", "files"])?;
            let rows: Vec<Value> = table.json["strategies"]["rows"].as_array().cloned().unwrap_or_default();
            let why = |way: &str| rows.iter().find(|row| row["strategy"] == way).map(|row| row["not_here"].clone()).unwrap_or_default();
            see.that(why("save-copy").is_null(), "the one way that works with every disk would not be offered", || table.json.to_string());
            for way in ["live", "save-snapshot", "checkpoint"] {
                see.that(why(way).to_string().contains("XFS"), "a user would not be told why a file cannot be frozen", || {
                    table.json.to_string()
                });
            }
            Ok(())
        }),
    ]
}
