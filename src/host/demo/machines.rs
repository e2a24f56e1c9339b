//! The demo machines there are: their descriptions, and what is made by code because a description would not be readable.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::describe::{Description, Domain, TextFile, Volume};
use super::machine::{Machine, Power};
use super::tree::Tree;
use crate::host::Answer;
use crate::problem::Problem;

/// For people.
pub const NAMES: [&str; 6] = ["guides", "empty", "bare", "crowded", "hostile", "hung"];
/// For tests: opened by name, named nowhere.
pub const FOR_TESTS: [&str; 2] = ["lab", "kvm"];

pub fn describe(name: &str) -> Result<Description, Problem> {
    let text = match name {
        "guides" => include_str!("../../../assets/demo/guides.toml"),
        "empty" => include_str!("../../../assets/demo/empty.toml"),
        "bare" => include_str!("../../../assets/demo/bare.toml"),
        "crowded" => include_str!("../../../assets/demo/crowded.toml"),
        "hostile" => include_str!("../../../assets/demo/hostile.toml"),
        "hung" => include_str!("../../../assets/demo/hung.toml"),
        "lab" => include_str!("../../../assets/demo/lab.toml"),
        "kvm" => include_str!("../../../assets/demo/kvm.toml"),
        other => {
            return Err(Problem::usage(format!("There is no demo machine `{other}`.")).hint(format!("There are: {}.", NAMES.join(", "))));
        }
    };
    let mut description: Description = toml::from_str(text)
        .map_err(|error| Problem::new(format!("The description of the demo machine `{name}` is wrong.")).because(error))?;
    match name {
        "crowded" => crowd(&mut description),
        "hostile" => long_name(&mut description),
        _ => {}
    }
    Ok(description)
}

/// Sixty domains with names, sizes and states that differ, forty of them running.
fn crowd(description: &mut Description) {
    const PURPOSES: [&str; 10] = ["web", "app", "db", "mail", "cache", "queue", "build", "files", "dns", "test"];
    const DAY: chrono::TimeDelta = chrono::Duration::days(1);
    for index in 0..60_u32 {
        let purpose = PURPOSES.get(index as usize % PURPOSES.len()).unwrap_or(&"vm");
        let name = format!("{purpose}{:02}", index / 10 + 1);
        let age = DAY * i32::try_from(1 + index * 7 % 90).unwrap_or(1);
        let memory = 256 << (index % 3);
        let volume = Volume {
            name: format!("{name}-disk"),
            size: Some((u64::from(index % 7) + 2) << 30),
            created: description.clock - age - DAY,
            format: Some(super::content::Format {
                fs: "ext4".to_owned(),
                made: description.clock - age - DAY,
                mounted: Some(description.clock - age),
                mounted_at: Some("/".to_owned()),
                in_use: index % 3 != 2,
                mounts: 3,
                ..Default::default()
            }),
            tags: Vec::new(),
            origin: None,
            store: None,
            used: None,
            pool_metadata: None,
            pool: None,
            mapped: None,
            inactive: false,
        };
        if let Some(group) = description.group.first_mut() {
            group.volume.push(volume);
        }
        let config = format!("/etc/xen/{name}.cfg");
        description.file.push(TextFile {
            path: config.clone(),
            text: format!(
                "name = \"{name}\"\nkernel = \"/var/lib/xen/images/vmlinuz\"\nramdisk = \"/var/lib/xen/images/initrd.gz\"\n\
                 memory = {memory}\nvcpus = {}\ndisk = [ \"phy:/dev/crowd/{name}-disk,xvda,w\" ]\n",
                index % 4 + 1
            ),
            modified: Some(description.clock - age),
            mode: None,
        });
        if index % 3 != 2 {
            let power = match index {
                13 => Power::Paused,
                _ if index % 9 == 0 => Power::Running,
                _ => Power::Idle,
            };
            description.domain.push(Domain {
                config,
                overrides: Vec::new(),
                started: description.clock - age,
                power,
                cpu_seconds: f64::from(index * 37 % 911) * 1.7,
                attached: Vec::new(),
                name: None,
            });
        }
    }
}

/// A name as long as the longest path.
fn long_name(description: &mut Description) {
    if let Some(last) = description.domain.last_mut() {
        last.name = Some("abcdefghij".repeat(400));
    }
}

/// What no description can say: names that are not UTF-8.
pub fn finish(machine: &Machine, tree: &Tree) -> Answer<()> {
    if machine.name != "hostile" {
        return Ok(());
    }
    for name in [
        b"not-utf8-\xff\xfe.cfg".as_slice(),
        b"two\nlines.cfg",
        b"\x1b[2Jcleared.cfg",
        b"\x1b]0;owned\x07.cfg",
        "\u{202e}gfc.exe".as_bytes(),
    ] {
        let path = Path::new("/etc/xen").join(std::ffi::OsStr::from_bytes(name));
        tree.write(&path, b"name = \"strange\"\nmemory = 64\n", 0o644)?;
        tree.set_time(&path, machine.clock - chrono::Duration::days(2))?;
    }
    // A link to itself and one out of the tree: both must end in an error, not in the real /etc.
    tree.symlink(Path::new("loop.cfg"), Path::new("/etc/xen/loop.cfg"))?;
    tree.symlink(Path::new("../../../../../../etc/passwd"), Path::new("/etc/xen/out.cfg"))
}
