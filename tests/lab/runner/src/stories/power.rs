//! What a domain is doing, and where its memory is.

use anyhow::Result;
use serde_json::json;

use crate::host::{Host, ask};
use crate::scenario::{Scenario, scenario};
use crate::see::See;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a domain runs, is paused, is shut down: each is shown as what it is", |host, see| {
            host.does("start web1")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=web1].power", "running", "a user would not see that web1 runs");
            see.is(&list, "domains[name=web1].memory.state", "in-ram", "a user would not see that web1's memory is in RAM");
            see.between(
                &list,
                "domains[name=web1].memory.bytes",
                80.0 * 1_048_576.0,
                96.0 * 1_048_576.0,
                "a user would not see how much memory web1 has",
            );
            see.has(&list, "domains[name=web1].domid", "a user could not match web1 with what xl list says");
            see.has(&list, "domains[name=web1].started", "a user would not see since when web1 runs");
            let said = host.does("xl domid web1")?;
            let domid: u64 = said.text().trim().parse().unwrap_or(0);
            see.is(&list, "domains[name=web1].domid", domid, "a user would act on another domain than web1");

            host.does("xl pause web1")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=web1].power", "paused", "a user would believe that web1 works");

            host.does("xl unpause web1\nxl shutdown -w web1\nwait_gone web1")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=web1].power", "off", "a user would believe that web1 still runs");
            see.is(&list, "domains[name=web1].domid", serde_json::json!(null), "a user would be given the number of a domain that is gone");
            Ok(())
        })
        .short()
        .both(),
        scenario("a domain that a hanging save holds is suspended, and stays so when the save is killed", |host, see| {
            host.does(
                "start web1\nmkdir -p /root/kept; mkfifo /root/kept/slow\n\
                 sleep 1000 >/dev/null 2>&1 </root/kept/slow & echo $! >>/root/lab/children\n\
                 xl save web1 /root/kept/slow >/dev/null 2>&1 & echo $! >>/root/lab/children\n\
                 wait_state web1 'ss' 120",
            )?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=web1].power", "suspended", "a user would not see that web1 stands still while it is saved");
            host.does("kill -9 $(pgrep -f 'xl save web1'; pgrep -f libxl-save-helper); rm -f /root/kept/slow; sleep 2; xl list web1")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=web1].power", "suspended", "a user would not see that web1 stands still for good");
            see.has(
                &list,
                "findings[code=suspended-without-save,subject~web1]",
                "nobody would be told that web1 does not come back by itself",
            );
            Ok(())
        }),
        scenario("a domain that was shut down and kept still holds its disks", |host, see| {
            host.does("start web1 /etc/xen/web1.cfg 'on_poweroff=\"preserve\"'\nxl shutdown web1\nwait_state web1 '^---s--' 120")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=web1].power", "preserved", "a user would believe that web1 is off");
            see.has(&list, "findings[code=preserved-holds-disks,subject~web1]", "nobody would be told why web1's disks are in use");
            Ok(())
        })
        .both(),
        scenario("a running domain whose config was deleted is shown, with what would be lost", |host, see| {
            host.does("place files\nrm /etc/xen/files.cfg")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=files].power", "paused", "a user would lose sight of a domain whose config is gone");
            see.is(&list, "domains[name=files].configs", serde_json::json!([]), "a user would look for a config that is gone");
            see.is(
                &list,
                "domains[name=files].disks[vdev=xvda].path",
                "/srv/xen/img/file0.img",
                "a user would not find the disk of a domain whose config is gone",
            );
            see.is(&list, "domains[name=files].disks[vdev=xvda].in_config", false, "a user would believe that a config names the disk");
            see.has(&list, "findings[code=domain-without-config,about~files]", "nobody would be told that files cannot be started again");
            Ok(())
        })
        .short()
        .both(),
        scenario("show tells one domain's whole state, in words and in JSON", |host, see| {
            host.does("place forms")?;
            let text = host.domkeep(&["show", "forms"])?;
            for part in ["forms", "/etc/xen/forms.cfg", "/dev/xenvols/rel0", "xvdd", "qcow2"] {
                see.that(text.text().contains(part), &format!("a user who asks for forms would not see {part}"), || text.to_string());
            }
            ask(host, see, &["show", "forms"])?;
            let none = host.domkeep(&["show", "nobody"])?;
            see.that(none.exit != Some(0), "a script would not notice that there is no such domain", || none.to_string());
            Ok(())
        })
        .short()
        .both(),
        scenario("a domain that xl and libvirt both know is shown once, with both its homes", |host, see| {
            host.does(
                "virsh -c xen:///system domxml-from-native --format xen-xl --config /etc/xen/web1.cfg >/root/lab/web1.xml && virsh -q -c xen:///system define /root/lab/web1.xml",
            )?;
            let both = |host: &mut dyn Host, see: &mut See, power: &str| -> Result<()> {
                let list = ask(host, see, &["list"])?;
                see.is(&list, "domains[name=web1].power", power, "one domain would be shown twice, or in another state than it is in");
                see.is(
                    &list,
                    "domains[name=web1].toolstacks",
                    json!(["xl", "libvirt-xen"]),
                    "a user would not see that two toolstacks may start it",
                );
                see.has(&list, "domains[name=web1].configs[path=/etc/xen/web1.cfg]", "the configuration that xl starts would not be shown");
                see.has(
                    &list,
                    "domains[name=web1].configs[path~/etc/libvirt/libxl/web1.xml]",
                    "the definition that libvirt starts would not be shown",
                );
                Ok(())
            };
            both(host, see, "off")?;
            host.does("virsh -q -c xen:///system start web1")?;
            both(host, see, "running")?;
            host.does("virsh -q -c xen:///system destroy web1; virsh -q -c xen:///system undefine web1; rm /root/lab/web1.xml").map(drop)
        }),
    ]
}
