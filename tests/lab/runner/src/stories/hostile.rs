//! What a guest may write, and what must not come of it.

use crate::host::ask;
use crate::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("what a guest writes into xenstore neither changes the picture nor reaches the terminal", |host, see| {
            host.does("start hostile && wait_for $CONSOLES/guest-hostile.log 'guest was hostile' 60")?;
            let wrote = host.does("xenstore-ls -f /local/domain/$(xl domid hostile) | head -60; grep wrote $CONSOLES/guest-hostile.log")?;
            see.that(wrote.text().contains("wrote data/evil"), "this story would prove nothing: the guest could write nothing", || {
                wrote.to_string()
            });
            let list = ask(host, see, &["list"])?;
            see.count(&list, "domains[name=hostile]", 1, "a user would lose sight of a hostile guest");
            see.count(&list, "domains[name=hostile].disks[*]", 1, "a user would see disks that a guest made up");
            see.is(
                &list,
                "domains[name=hostile].disks[vdev=xvda].path",
                "/dev/xenvols/hot0",
                "a guest could make a user believe that its disk is another one",
            );
            see.is(&list, "domains[name=hostile].disks[vdev=xvda].attached", true, "a guest could make its disk look detached");
            see.is(&list, "drift", serde_json::json!([]), "a guest could raise an alarm about drift");
            for args in [&["list"][..], &["list", "--json"], &["show", "hostile"], &["check"]] {
                let said = host.domkeep(args)?;
                see.that(!said.out.contains(&0x1b) && !said.err.contains(&0x1b), "a guest could write to an admin's terminal", || {
                    said.to_string()
                });
                see.that(!said.text().contains('\u{202e}'), "a guest could turn an admin's text around", || said.to_string());
            }
            Ok(())
        }),
        scenario("hostile values in a guest's part of xenstore, written before it starts, harm nothing", |host, see| {
            host.does(
                "place web1\nd=/local/domain/$(xl domid web1)\n\
                 xenstore-write $d/data/evil \"$(printf 'a\\033[2J\\033]0;owned\\007')\"\n\
                 xenstore-write $d/device/vbd/51984/backend /local/domain/0/backend/vbd/999/51712\n\
                 xenstore-write $d/device/vbd/51712/backend /local/domain/0/backend/vbd/999/1\n\
                 xenstore-write $d/device/vbd/51712/state 99999999999999999999\n\
                 xenstore-write $d/device/vbd/51712/virtual-device 4294967296\n\
                 xenstore-write $d/data/lines \"$(printf 'x\\n/local/domain/0/name = \"lie\"')\"\n\
                 xenstore-write $d/data/long \"$(head -c 2000 /dev/zero | tr '\\0' A)\"",
            )?;
            let list = ask(host, see, &["list"])?;
            see.count(&list, "domains[name=web1].disks[*]", 1, "a user would see disks that a guest made up");
            see.is(
                &list,
                "domains[name=web1].disks[vdev=xvda].path",
                "/dev/xenvols/web1-disk",
                "a guest could make a user believe that its disk is another one",
            );
            see.is(&list, "domains[name=web1].disks[vdev=xvda].attached", true, "a guest could make its disk look detached");
            let text = host.domkeep(&["show", "web1"])?;
            see.that(!text.out.contains(&0x1b), "a guest could write to an admin's terminal", || text.to_string());
            Ok(())
        })
        .short(),
    ]
}
