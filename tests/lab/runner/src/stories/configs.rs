//! Configurations: what is said of domains that do not run.

use crate::host::ask;
use crate::scenario::{Scenario, scenario};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("domains that are off are listed from their configs, with what autostarts", |host, see| {
            let list = ask(host, see, &["list"])?;
            for name in ["web1", "db1", "forms", "spare1", "nfs1", "hvm1", "shared-a", "auto1"] {
                see.is(&list, &format!("domains[name={name}].power"), "off", &format!("a user would not see that there is a domain {name}, off"));
            }
            see.is(&list, "domains[name=web1].memory.state", "none", "a user would look for the memory of a domain that is off");
            see.is(&list, "domains[name=auto1].configs[path=/etc/xen/auto1.cfg].autostart", true, "a user would not see that auto1 starts with the host");
            see.is(&list, "domains[name=web1].configs[path=/etc/xen/web1.cfg].autostart", false, "a user would expect web1 to start with the host");
            see.count(&list, "domains[name=auto1]", 1, "a user would see auto1 twice because /etc/xen/auto links to it");
            see.has_no(&list, "domains[name=Domain-0]", "a user would see the dom0 among the domains");
            see.is(&list, "gaps", serde_json::json!([]), "root on a whole host would be told that something could not be looked at");
            Ok(())
        })
        .short()
        .both(),
        scenario("a config that is not named after its domain is found, and said", |host, see| {
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=db1].configs[*].path", "/etc/xen/database.cfg", "a user would not find the config of db1");
            see.is(&list, "domains[name=db1].uuid", "7d0c2a4e-3f0b-4a54-9a6e-5b1f1c0d0b01", "a user would not see the uuid that db1's config sets");
            see.has_no(&list, "domains[name=database]", "a user would see a domain named after the file");
            let check = ask(host, see, &["check"])?;
            see.has(&check, "findings[code=config-name-differs,about~database.cfg]", "nobody would be told that database.cfg makes db1");
            Ok(())
        })
        .short()
        .both(),
        scenario("two domains from one config: the second is shown with the config it probably came from", |host, see| {
            host.does("place db1 /etc/xen/database.cfg\nplace db2 /etc/xen/database.cfg 'name=\"db2\"' 'disk=[]' 'uuid=\"7d0c2a4e-3f0b-4a54-9a6e-5b1f1c0d0b02\"'")?;
            let list = ask(host, see, &["list"])?;
            see.is(&list, "domains[name=db1].power", "paused", "a user would not see db1");
            see.is(&list, "domains[name=db2].power", "paused", "a user would not see db2, which no config names");
            see.is(&list, "domains[name=db2].configs", serde_json::json!([]), "a user would believe that database.cfg starts db2");
            see.has(&list, "findings[code=domain-without-config,about~db2]", "nobody would be told that db2 is gone after a restart");
            see.has_no(&list, "findings[code=domain-without-config,about~db1]", "db1 would be called a domain without a config");
            Ok(())
        })
        .both(),
        scenario("two configs that name one domain are both shown", |host, see| {
            host.does("cp /etc/xen/web1.cfg /etc/xen/web1-old.cfg")?;
            let list = ask(host, see, &["list"])?;
            see.count(&list, "domains[name=web1]", 1, "a user would see two domains web1");
            see.count(&list, "domains[name=web1].configs[*]", 2, "a user would edit one config of web1 and start the other");
            Ok(())
        })
        .both(),
        scenario("configs that xl refuses are listed with line and column", |host, see| {
            host.does(
                "printf 'name = \"torn\"\\nmemory = = 5\\n' >/etc/xen/torn.cfg\n\
                 printf 'name = \"crlf\"\\r\\nmemory = 64\\r\\n' >/etc/xen/crlf.cfg\n\
                 printf 'name = \"comment\"\\nmemory = 64\\n# the last line has no end' >/etc/xen/comment.cfg\n\
                 for f in torn crlf comment; do ! xl create -n /etc/xen/$f.cfg >/dev/null 2>&1 || echo xl takes $f; done",
            )?;
            let list = ask(host, see, &["list"])?;
            for name in ["torn", "crlf", "comment"] {
                let place = format!("unreadable_configs[path=/etc/xen/{name}.cfg]");
                see.has(&list, &place, &format!("a user would not see that xl refuses {name}.cfg"));
            }
            see.is(&list, "unreadable_configs[path=/etc/xen/torn.cfg].line", 2, "a user would look for the error of torn.cfg in another line");
            Ok(())
        })
        .short(),
        scenario("odd things in /etc/xen are gaps, and hold nobody up", |host, see| {
            host.does(
                "mkfifo /etc/xen/pipe.cfg; ln -s loop.cfg /etc/xen/loop.cfg; ln -s /dev/zero /etc/xen/zero.cfg\n\
                 truncate -s 200M /etc/xen/huge.cfg; mkdir /etc/xen/folder.cfg\n\
                 printf 'name = \"evil\\033[2Jname\"\\nmemory = 64\\n' >\"$(printf '/etc/xen/evil\\033[31m\\n.cfg')\"",
            )?;
            let list = ask(host, see, &["list"])?;
            see.that(list.said.took.as_secs() < 30, "a user would wait for a file that never ends", || list.said.to_string());
            see.is(&list, "domains[name=web1].power", "off", "a user would lose sight of everything because of one odd file");
            for name in ["pipe", "zero", "huge"] {
                let shown = serde_json::to_string(&list.json)?;
                see.that(shown.contains(&format!("/etc/xen/{name}.cfg")), &format!("a user would not learn that {name}.cfg was not read"), || shown);
            }
            let text = host.domkeep(&["list"])?;
            see.that(!text.out.contains(&0x1b) && !list.said.out.contains(&0x1b), "a file's name would clear a user's screen", || text.to_string());
            Ok(())
        }),
        scenario("without root, what is not seen is said", |host, see| {
            let said = host.does("HOME=/nonexistent setpriv --reuid 65534 --clear-groups /usr/local/bin/domkeep list --json; echo \"exit $?\"")?;
            let text = said.text();
            let (json, exit) = text.rsplit_once("exit ").unwrap_or((&text, ""));
            see.that(exit.trim() == "2", "a script would take a partial list for the whole one", || said.to_string());
            let json: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
            let gaps = json.get("gaps").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
            see.that(gaps > 0, "a user who is not root would believe that nothing runs here", || said.to_string());
            Ok(())
        })
        .short(),
    ]
}
