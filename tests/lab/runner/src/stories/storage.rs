//! LVM: snapshots and thin pools at several fill levels; what nobody refers to.

use crate::host::ask;
use crate::scenario::{Scenario, scenario};

const SNAP: &str = "snapshots[lv=xenvols/snap0]";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a snapshot is followed from empty over half and nearly full to overflowed", |host, see| {
            host.does("lvcreate -q -y -s -L 8M -n snap0 xenvols/origin0")?;
            let fresh = ask(host, see, &["list"])?;
            see.is(&fresh, &format!("{SNAP}.origin"), "origin0", "a user would not see what the snapshot is of");
            see.between(&fresh, &format!("{SNAP}.data_percent"), 0.0, 5.0, "a user would not see that the snapshot is empty");
            see.is(&fresh, &format!("{SNAP}.invalid"), false, "a user would take a good snapshot for a lost one");
            see.is(&fresh, &format!("{SNAP}.store_bytes"), 8 << 20, "a user would not see how much the snapshot can hold");
            see.has_no(&fresh, "findings[code=snapshot-nearly-full]", "an empty snapshot would be called nearly full");

            host.does("dd if=/dev/urandom of=/dev/xenvols/origin0 bs=1M count=4 oflag=direct 2>/dev/null")?;
            let half = ask(host, see, &["list"])?;
            see.between(&half, &format!("{SNAP}.data_percent"), 45.0, 60.0, "a user would not see that the snapshot is half full");

            host.does("dd if=/dev/urandom of=/dev/xenvols/origin0 bs=256k seek=16 count=14 oflag=direct 2>/dev/null")?;
            let nearly = ask(host, see, &["list"])?;
            see.between(&nearly, &format!("{SNAP}.data_percent"), 90.0, 99.9, "a user would not see that the snapshot is nearly full");
            see.has(&nearly, "findings[code=snapshot-nearly-full,subject~snap0]", "nobody would be told before the snapshot is lost");

            host.does("dd if=/dev/urandom of=/dev/xenvols/origin0 bs=1M seek=8 count=6 oflag=direct 2>/dev/null; true")?;
            let lost = ask(host, see, &["list"])?;
            see.is(&lost, &format!("{SNAP}.invalid"), true, "a user would trust a snapshot that is lost for ever");
            see.has(&lost, "findings[code=snapshot-overflowed,subject~snap0]", "nobody would be told that the snapshot is lost");
            see.has_no(&lost, "findings[code=snapshot-nearly-full,subject~snap0]", "a lost snapshot would be called nearly full");
            Ok(())
        })
        .short(),
        scenario("a thin pool and thin snapshots are shown with their fill, up to a full pool", |host, see| {
            host.does(
                "lvcreate -q -y -L 16M --poolmetadatasize 4M --errorwhenfull y --addtag scratch --thinpool pool1 xenvols\n\
                 lvcreate -q -y -V 64M --thin --addtag scratch -n big1 xenvols/pool1\n\
                 dd if=/dev/zero of=/dev/xenvols/big1 bs=1M count=8 oflag=direct 2>/dev/null\n\
                 lvcreate -q -y -s --addtag scratch -n big1-s xenvols/big1",
            )?;
            let half = ask(host, see, &["list"])?;
            see.is(&half, "snapshots[lv=xenvols/big1-s].origin", "big1", "a user would not see the thin snapshot under its origin");
            see.has_no(&half, "findings[code=thin-pool-nearly-full]", "a pool that is half full would be called nearly full");
            host.does("dd if=/dev/zero of=/dev/xenvols/big1 bs=1M seek=8 count=7 oflag=direct 2>/dev/null; true")?;
            let nearly = ask(host, see, &["list"])?;
            see.has(&nearly, "findings[code=thin-pool-nearly-full,subject~pool1]", "nobody would be told that the pool is nearly full");
            host.does("dd if=/dev/zero of=/dev/xenvols/big1 bs=1M seek=16 count=16 oflag=direct 2>/dev/null; true")?;
            let full = ask(host, see, &["list"])?;
            see.has(
                &full,
                "findings[code=thin-pool-nearly-full,subject~pool1,severity=danger]",
                "nobody would be told that guests on the pool get errors now",
            );
            Ok(())
        })
        .short(),
        scenario("what no domain refers to is listed: a forgotten file, an orphan volume", |host, see| {
            let list = ask(host, see, &["list"])?;
            see.has(&list, "unreferenced[path=/srv/xen/img/forgotten.img]", "a user would not find the file that nobody uses");
            see.has(&list, "unreferenced[path=/dev/xenvols/orphan]", "a user would not find the volume that nobody uses");
            for path in ["/dev/xenvols/web1-disk", "/srv/xen/img/file0.img", "/dev/xenvols/thin0", "/srv/xen/iso/tools.iso"] {
                see.has_no(&list, &format!("unreferenced[path={path}]"), &format!("a user would delete {path}, which a domain needs"));
            }
            see.has_no(&list, "unreferenced[path~pool0]", "a user would delete the pool that thin volumes live in");
            Ok(())
        })
        .short()
        .both(),
    ]
}
