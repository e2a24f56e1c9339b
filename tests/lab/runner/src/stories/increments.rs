//! Backups that take over what did not change: the thin pool's or the snapshot's own book says what is to be read, and what comes of it is byte by
//! byte what the disk was at its instant.

use anyhow::{Context as _, Result};

use super::changes::{domkeep, newest_bundle};
use super::strategies::DROP_KEPT;
use crate::host::Host;
use crate::scenario::{Scenario, scenario};
use crate::see::See;

/// The bytes that were read of a piece, as its manifest says.
fn read_of(manifest: &str) -> Result<Vec<u64>> {
    let lines = manifest.lines().filter_map(|line| line.trim().strip_prefix("read = "));
    lines.map(|number| number.trim().parse().with_context(|| number.to_owned())).collect()
}

fn on_volumes(host: &mut dyn Host, see: &mut See, thin: bool) -> Result<()> {
    let make = if thin { "-V 96M --thinpool pool0 xenvols" } else { "-L 96M xenvols" };
    host.does(&format!(
        "mkdir -p /srv/backup\nfor v in la lb; do lvcreate -q -y --addtag scratch -n $v {make} || exit 1; done\n\
         log_guest twolog /dev/xenvols/la /dev/xenvols/lb\nstart twolog\nsleep 3"
    ))?;
    let mut bundles = Vec::new();
    for round in 0..3 {
        let said =
            domkeep(host, see, &["backup", "twolog", "--to", "/srv/backup", "--strategy", "live", "--incremental", "auto", "--yes"])?;
        see.exit(&said, 0, "a user could not make an incremental backup");
        let bundle = newest_bundle(host, "/srv/backup")?;
        let manifest = host.does(&format!("cat {bundle}/manifest.toml"))?;
        if round > 0 {
            let read = read_of(&manifest.text())?;
            see.that(read.len() == 2 && read.iter().all(|bytes| *bytes < 48 << 20), "an increment would read what did not change", || {
                manifest.to_string()
            });
        }
        // The snapshot that stays holds the instant.
        let same = host.does(&format!(
            "for n in 0 1; do s=$(lvs --noheadings -o lv_name,lv_tags xenvols | awk -v e=-$n$ '/domkeep.base/ && $1 ~ e {{ print $1 }}'); \
             lvchange -q -ay -K xenvols/$s; vdev=xvda; [ $n = 0 ] || vdev=xvdb; cat {bundle}/$vdev.img.d/* | cmp - /dev/xenvols/$s || exit 1; done; \
             lvs --noheadings -o lv_name xenvols | grep -c domkeep-"
        ))?;
        see.that(same.text().trim() == "2", "snapshots of earlier backups would pile up", || same.to_string());
        bundles.push(bundle);
        host.does("sleep 2")?;
    }
    host.does("xl shutdown twolog\nwait_gone twolog")?;
    // The oldest go; what shares its segments with them stays whole.
    let pruned = domkeep(host, see, &["prune", "/srv/backup", "--keep-last", "1", "--min-age", "0", "--yes", "--confirm", "/srv/backup"])?;
    see.exit(&pruned, 0, "a user could not remove old restore points");
    let newest = bundles.last().cloned().unwrap_or_default();
    let verified = domkeep(host, see, &["verify", &newest])?;
    see.exit(&verified, 0, "a backup would fall with those before it");
    let restored = domkeep(host, see, &["restore", &newest, "--to", "old-place", "--yes", "--confirm", "twolog"])?;
    see.exit(&restored, 0, "an increment could not be brought back");
    host.does(DROP_KEPT)?;
    host.does(&format!("cat {newest}/xvda.img.d/* | cmp - /dev/xenvols/la\nread_log /dev/xenvols/la\nread_log /dev/xenvols/lb"))?;
    Ok(())
}

/// The first is a full one, ten increments follow; each is brought back before and after the older half is gone.
fn ten_in_a_row(host: &mut dyn Host, see: &mut See, thin: bool) -> Result<()> {
    let make = if thin { "-V 64M --thinpool pool0 xenvols" } else { "-L 64M xenvols" };
    host.does(&format!(
        "mkdir -p /srv/backup /srv/restored\nfor v in la lb; do lvcreate -q -y --addtag scratch -n $v {make} || exit 1; done\n\
         log_guest twolog /dev/xenvols/la /dev/xenvols/lb\nstart twolog\nsleep 3"
    ))?;
    let mut bundles = Vec::new();
    for round in 0..11 {
        let incremental = if round == 0 { "auto" } else { "yes" };
        let way = ["backup", "twolog", "--to", "/srv/backup", "--strategy", "live", "--incremental", incremental, "--yes"];
        let said = domkeep(host, see, &way)?;
        see.exit(&said, 0, "a user could not make ten increments in a row");
        bundles.push(newest_bundle(host, "/srv/backup")?);
        // What the disks were at that instant, by the snapshots that stay until the next one.
        host.does(&format!(
            "for n in 0 1; do s=$(lvs --noheadings -o lv_name,lv_tags xenvols | awk -v e=-$n$ '/domkeep.base/ && $1 ~ e {{ print $1 }}'); \
             lvchange -q -y -ay -K xenvols/$s && md5sum </dev/xenvols/$s >/root/lab/instant-{round}-$n || exit 1; done"
        ))?;
    }
    let all_back = |host: &mut dyn Host, see: &mut See, from: usize| -> Result<()> {
        for (round, bundle) in bundles.iter().enumerate().skip(from) {
            let restored = domkeep(
                host,
                see,
                &["restore", bundle, "--to", "beside", "--directory", "/srv/restored", "--pieces", "xvda.img,xvdb.img", "--yes"],
            )?;
            see.exit(&restored, 0, "an increment could not be brought back by itself");
            let same = host.does(&format!(
                "ls -R /srv/restored >&2; for n in 0 1; do vdev=xvda; [ $n = 0 ] || vdev=xvdb; f=$(find /srv/restored -name \"*$vdev*.img\"); md5sum <\"$f\" | cmp - /root/lab/instant-{round}-$n || exit 1; done; \
                 rm -rf /srv/restored; mkdir -p /srv/restored; echo same"
            ));
            see.that(
                same.as_ref().is_ok_and(|said| said.text().contains("same")),
                "an increment would not be the disk of its instant",
                || format!("increment {round}: {same:?}"),
            );
        }
        Ok(())
    };
    all_back(host, see, 0)?;
    let pruned = domkeep(host, see, &["prune", "/srv/backup", "--keep-last", "5", "--min-age", "0", "--yes", "--confirm", "/srv/backup"])?;
    see.exit(&pruned, 0, "a user could not remove the oldest restore points");
    let left = host.does("find /srv/backup -name manifest.toml | wc -l")?;
    see.that(left.text().trim() == "5", "other restore points would be removed than was said", || left.to_string());
    all_back(host, see, 6)?;
    host.does("xl shutdown twolog\nwait_gone twolog").map(drop)
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("increments of thin volumes read what changed, and each is the disk of its instant", |host, see| {
            on_volumes(host, see, true)
        }),
        scenario("increments of volumes read what the snapshot's store says, and each is the disk of its instant", |host, see| {
            on_volumes(host, see, false)
        }),
        scenario("ten increments of thin volumes come back byte by byte, also when the oldest are gone", |host, see| {
            ten_in_a_row(host, see, true)
        }),
        scenario("ten increments of volumes come back byte by byte, also when the oldest are gone", |host, see| {
            ten_in_a_row(host, see, false)
        }),
    ]
}
