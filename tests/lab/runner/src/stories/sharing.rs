//! Disks that more than one domain, or the dom0 too, writes to.

use crate::host::ask;
use crate::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a file that two running domains write, which Xen let through, is a danger", |host, see| {
            host.does("place shared-a\nplace shared-b")?;
            let list = ask(host, see, &["list"])?;
            let shared = "shared_disks[path=/srv/xen/img/shared0.img]";
            see.has(&list, shared, "a user would not see that two domains write to one file");
            see.holds(&list, &format!("{shared}.domains"), "shared-a", "a user would not see who shares the file");
            see.holds(&list, &format!("{shared}.domains"), "shared-b", "a user would not see who shares the file");
            see.has(&list, "findings[code=disk-shared-rw,severity=danger]", "nobody would be told before the file system is ruined");
            let check = host.domkeep(&["check"])?;
            see.exit(&check, 3, "a script that runs `domkeep check` would go on although data is being lost");
            Ok(())
        })
        .short()
        .both(),
        scenario("two configs of domains that are off and share a disk are told apart from two that run", |host, see| {
            let list = ask(host, see, &["list"])?;
            see.has(&list, "shared_disks[path=/srv/xen/img/shared0.img]", "a user would not see that two configs name one file");
            see.has_no(&list, "findings[code=disk-shared-rw,severity=danger]", "domains that are off would be called a danger now");
            Ok(())
        })
        .both(),
        scenario("a volume that xl refuses a second writer is not shown as shared", |host, see| {
            host.does("place web1\nrefused xl create -p /etc/xen/web1.cfg 'name=\"second\"'")?;
            let list = ask(host, see, &["list"])?;
            see.has_no(&list, "shared_disks[path=/dev/xenvols/web1-disk]", "a user would be warned of a second writer that Xen refused");
            Ok(())
        })
        .both(),
        scenario("a running domain's disk that is mounted in the dom0 is a danger", |host, see| {
            host.does("place web1\nmkdir -p /root/lab/mnt && mount /dev/xenvols/web1-disk /root/lab/mnt")?;
            let list = ask(host, see, &["list"])?;
            host.does("umount /root/lab/mnt")?;
            see.has(
                &list,
                "findings[code=disk-mounted-in-dom0,severity=danger]",
                "nobody would be told that the dom0 and web1 write to one file system",
            );
            Ok(())
        }),
        scenario("a file of a domain that is off, mounted by loop in the dom0, is said", |host, see| {
            host.does("mkdir -p /root/lab/mnt && mount -o loop /srv/xen/img/file0.img /root/lab/mnt")?;
            let list = ask(host, see, &["list"])?;
            host.does("umount /root/lab/mnt")?;
            see.has(&list, "findings[code=disk-mounted-in-dom0]", "nobody would be told that the dom0 has the disk of a domain mounted");
            Ok(())
        }),
    ]
}
