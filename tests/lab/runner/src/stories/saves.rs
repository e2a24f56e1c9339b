//! Save images: found wherever they lie, whole or cut short, good or stale.

use serde_json::json;

use crate::host::ask;
use crate::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a save image is followed: found by content, its domain named, cut short, stale after a later boot", |host, see| {
            // In root's home under a name that says nothing: root's home is looked at without being named.
            host.does("start web1\nmkdir -p /root/kept\nxl save web1 /root/yesterday.img")?;
            let list = ask(host, see, &["list"])?;
            let image = "domains[name=web1].saves[path=/root/yesterday.img]";
            see.is(&list, "domains[name=web1].power", "saved", "a user would start web1 afresh and ruin its disk at the next restore");
            see.is(&list, "domains[name=web1].memory.state", "save-image", "a user would not see where web1's memory is");
            see.is(&list, &format!("{image}.format"), "xl", "a user would not find the save image in root's home");
            see.is(&list, &format!("{image}.complete"), true, "a user would throw a good save image away");
            see.one_of(&list, &format!("{image}.stale"), &[json!("no"), json!("unknown")], "a user would throw a good save image away");
            see.has(&list, "domains[name=web1].configs[source=save-image]", "a user would not see that the image packages a config of its own");
            see.has(&list, "findings[code=save-readable-by-others]", "nobody would be told that others may read web1's memory");

            // Under a directory that only the settings name, and of a domain that no config names.
            host.does(
                "mv /root/yesterday.img /srv/xen/kept/odd-name; rm /etc/xen/web1.cfg\n\
                 printf 'save_dirs = [\"/srv/xen/kept\"]\\n' >/root/lab/settings.toml",
            )?;
            let list = ask(host, see, &["list"])?;
            see.has_no(&list, "domains[name=web1].saves[*]", "this story would prove nothing: the directory is looked at unasked");
            let list = ask(host, see, &["--config", "/root/lab/settings.toml", "list"])?;
            let said = serde_json::to_string(&list.json)?;
            see.that(said.contains("/srv/xen/kept/odd-name"), "a user who names the directory would not find the image in it", || said.clone());
            see.that(said.contains("\"web1\""), "a user would not learn whose memory that is", || said);
            host.does("cp /root/lab/etc-xen/web1.cfg /etc/xen/")?;

            host.does("head -c 5000000 /srv/xen/kept/odd-name >/srv/xen/kept/short; head -c 20 /srv/xen/kept/odd-name >/srv/xen/kept/tiny; : >/srv/xen/kept/empty; echo no save >/srv/xen/kept/notes")?;
            let list = ask(host, see, &["--config", "/root/lab/settings.toml", "list"])?;
            see.is(&list, "domains[name=web1].saves[path=/srv/xen/kept/short].complete", false, "a user would rely on a save image that was cut short");
            see.has(&list, "findings[code=save-truncated,about~short]", "nobody would be told that the image cannot be resumed");
            see.is(&list, "domains[name=web1].saves[path=/srv/xen/kept/odd-name].complete", true, "a user would mistake the whole image for the short one");
            host.does("rm /srv/xen/kept/short /srv/xen/kept/tiny /srv/xen/kept/empty /srv/xen/kept/notes")?;

            // Booted afresh, written to, shut down: resuming the image now ruins the file system.
            host.does("start web1 /etc/xen/web1.cfg 'extra=\"lab.interval=2\"'\nsleep 4\nxl shutdown -w web1; wait_gone web1")?;
            let list = ask(host, see, &["--config", "/root/lab/settings.toml", "list"])?;
            see.is(&list, "domains[name=web1].saves[path=/srv/xen/kept/odd-name].stale", "yes", "a user would resume web1 from an image whose disk has moved on, and ruin it");
            see.has(&list, "findings[code=save-stale,severity=danger,about~odd-name]", "nobody would be told before the disk is ruined");
            see.is(&list, "domains[name=web1].power", "off", "a user would take a stale image for web1's state");
            let check = host.domkeep(&["--config", "/root/lab/settings.toml", "check"])?;
            see.exit(&check, 3, "a script would resume the stale image");
            Ok(())
        })
        .short(),
        scenario("an image of a domain that runs again is stale by that alone", |host, see| {
            host.does("start web1\nxl save -c web1 /root/checkpoint\nxl unpause web1\nxl list web1")?;
            let list = ask(host, see, &["list"])?;
            see.one_of(&list, "domains[name=web1].power", &[json!("running"), json!("paused")], "a user would not see that web1 went on after its checkpoint");
            see.has(&list, "domains[name=web1].saves[path=/root/checkpoint]", "a user would not see the checkpoint of a domain that runs");
            see.is(&list, "domains[name=web1].saves[path=/root/checkpoint].stale", "yes", "a user would restore a checkpoint over a domain that went on");
            host.does("rm /root/checkpoint")?;
            Ok(())
        })
        .both(),
        scenario("a file's domain: its image is stale once the file was written", |host, see| {
            host.does("start files /etc/xen/files.cfg 'extra=\"lab.interval=2\"'\nxl save files /root/files.save")?;
            let list = ask(host, see, &["list"])?;
            see.one_of(&list, "domains[name=files].saves[path=/root/files.save].stale", &[json!("no"), json!("unknown")], "a user would throw a good save image away");
            see.is(&list, "domains[name=files].power", "saved", "a user would not see that files is saved");
            // What is written within ten seconds after a save may be the guest's own, brought to the disk while it was torn down.
            host.does("sleep 12; mkdir -p /root/lab/mnt; mount -o loop /srv/xen/img/file0.img /root/lab/mnt && touch /root/lab/mnt/by-hand && umount /root/lab/mnt")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=files].saves[path=/root/files.save].stale", "yes", "a user would resume files from an image whose disk was mounted and written");
            host.does("rm /root/files.save")?;
            Ok(())
        }),
        scenario("an image where the next boot of the host resumes it is said", |host, see| {
            host.does("start web1\nmkdir -p /var/lib/xen/save\nxl save web1 /var/lib/xen/save/web1")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=web1].saves[path=/var/lib/xen/save/web1].complete", true, "a user would not find web1's image where Xen puts it");
            see.has(&list, "findings[code=save-resumed-at-boot]", "nobody would be told that the next boot resumes web1 from here");
            host.does("xl restore /var/lib/xen/save/web1")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=web1].power", "running", "a user would not see that web1 runs again");
            see.is(&list, "domains[name=web1].saves[path=/var/lib/xen/save/web1].stale", "yes", "a user would resume an image a second time");
            Ok(())
        })
        .both(),
        scenario("an image of no known domain is listed as such", |host, see| {
            host.does("place nobody /etc/xen/auto1.cfg 'name=\"nobody\"'; xl destroy nobody\nstart web1\nxl save web1 /root/orphan.save; rm /etc/xen/web1.cfg")?;
            let list = ask(host, see, &["list"])?;
            let said = serde_json::to_string(&list.json)?;
            see.that(said.contains("/root/orphan.save"), "a user would lose sight of web1 altogether", || said);
            host.does("rm /root/orphan.save")?;
            Ok(())
        }),
        scenario("what the host saves when it goes down is shown as saved, and as running when it is back", |host, see| {
            host.does("start web1\nsystemctl stop xendomains")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=web1].power", "saved", "a user of a host that is going down would believe that web1 is lost");
            see.is(&list, "domains[name=web1].saves[*].resumed_at_boot", true, "a user would not see that web1 comes back by itself");
            host.does("systemctl start xendomains\nwait_state web1 '^[-rb]' 120")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=web1].power", "running", "a user would not see that web1 is back");
            see.is(&list, "domains[name=web1].saves", json!([]), "a user would see an image that the host has used up");
            see.is(&list, "domains[name=auto1].power", "running", "a user would not see that auto1 was started by the host");
            Ok(())
        })
        .fresh(),
    ]
}
