//! A small reader of xl configs, enough to start the demo's guests: `key = value` with strings, numbers and lists of strings, and the
//! usual forms of a disk. It is far simpler than xl's grammar (no `;`, no `+=`, no nested lists) and on purpose apart from the reader
//! that the probes use, so that the one cannot hide a mistake of the other.

use super::guest::{Guest, GuestDisk, Nic, device_number};
use super::ids::uuid;

/// What a config says, in the order of the file.
pub type Settings = Vec<(String, Setting)>;

#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    Text(String),
    List(Vec<String>),
}

/// Reads a config's text. The error is what xl would print on standard error.
pub fn read(text: &str, file: &str) -> Result<Settings, String> {
    let mut settings = Settings::new();
    let mut rest = text;
    let line_of =
        |rest: &str| text.len().checked_sub(rest.len()).and_then(|at| text.get(..at)).map_or(1, |read| read.matches('\n').count() + 1);
    let wrong = |rest: &str, what: &str| {
        let near: String = rest.chars().take(1).collect();
        format!("{file}:{}: config parsing error near `{near}': {what}\nFailed to parse config: Invalid argument\n", line_of(rest))
    };
    loop {
        rest = skip_blank(rest, true).map_err(|at| wrong(at, "lexical error"))?;
        if rest.is_empty() {
            return Ok(settings);
        }
        let key_end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (key, after) = rest.split_at(key_end);
        if key.is_empty() {
            return Err(wrong(rest, "lexical error"));
        }
        let after = after.trim_start_matches([' ', '\t']);
        let Some(after) = after.strip_prefix('=') else {
            return Err(wrong(after, "syntax error, expecting '='"));
        };
        let after = after.trim_start_matches([' ', '\t']);
        let (value, after) = match after.strip_prefix('[') {
            Some(items) => list(items).map_err(|at| wrong(at, "lexical error"))?,
            None => scalar(after)
                .map(|(text, rest)| (Setting::Text(text), rest))
                .ok_or_else(|| wrong(after, "syntax error, expecting STRING or NUMBER or '['"))?,
        };
        settings.push((key.to_owned(), value));
        let after = after.trim_start_matches([' ', '\t']);
        if !(after.is_empty() || after.starts_with('\n') || after.starts_with('#')) {
            return Err(wrong(after, if after.starts_with('\r') { "lexical error" } else { "syntax error, expecting NEWLINE" }));
        }
        rest = after;
    }
}

/// Leaves out blanks, comments and (where `lines`) line ends. A comment takes its line end with it and needs one.
fn skip_blank(mut rest: &str, lines: bool) -> Result<&str, &str> {
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if lines && rest.starts_with('\n') {
            rest = rest.get(1..).unwrap_or("");
        } else if rest.starts_with('#') {
            let end = rest.find('\n').ok_or(rest)?;
            rest = rest.get(end + 1..).unwrap_or("");
        } else {
            return Ok(rest);
        }
    }
}

fn scalar(rest: &str) -> Option<(String, &str)> {
    if let Some(quote) = rest.chars().next().filter(|c| *c == '"' || *c == '\'') {
        let (text, after) = rest.get(1..)?.split_once(quote)?;
        return (!text.contains('\n')).then(|| (text.to_owned(), after));
    }
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    (!number.is_empty() && number.starts_with(|c: char| c.is_ascii_digit())).then(|| (number.to_owned(), after))
}

fn list(mut rest: &str) -> Result<(Setting, &str), &str> {
    let mut items = Vec::new();
    loop {
        rest = skip_blank(rest, true)?;
        if let Some(after) = rest.strip_prefix(']') {
            return Ok((Setting::List(items), after));
        }
        let (item, after) = scalar(rest).ok_or(rest)?;
        items.push(item);
        rest = skip_blank(after, true)?;
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        } else if !rest.starts_with(']') {
            return Err(rest);
        }
    }
}

/// The guest that the settings describe. A missing uuid is made from `seed`. The error is what xl would print.
pub fn guest(settings: &Settings, file: &str, seed: &str) -> Result<Guest, String> {
    let last = |key: &str| settings.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value);
    let text = |key: &str| match last(key) {
        Some(Setting::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let items = |key: &str| match last(key) {
        Some(Setting::List(items)) => items.clone(),
        _ => Vec::new(),
    };
    let name = text("name").ok_or_else(|| format!("{file}: missing parameter: name\n"))?;
    let kind = match (text("type").as_deref(), text("builder").as_deref()) {
        (Some(kind @ ("pvh" | "hvm")), _) => kind.to_owned(),
        (_, Some("hvm")) => "hvm".to_owned(),
        _ => "pv".to_owned(),
    };
    let mut cmdline: Vec<String> = Vec::new();
    cmdline.extend(text("cmdline"));
    if cmdline.is_empty() {
        cmdline.extend(text("root").map(|root| format!("root={root}")));
        cmdline.extend(text("extra"));
    }
    let mut disks = Vec::new();
    for spec in items("disk") {
        disks.push(disk(&spec).map_err(|why| format!("{file}: config parsing error in disk specification: {why} in `{spec}'\n"))?);
    }
    let number = |key: &str| text(key).and_then(|text| text.parse::<u64>().ok());
    let seed = format!("{seed}/{name}");
    Ok(Guest {
        uuid: text("uuid").unwrap_or_else(|| uuid(&seed)),
        vcpus: number("vcpus").and_then(|count| u32::try_from(count).ok()),
        memory_mib: number("memory").unwrap_or(64),
        maxmem_mib: number("maxmem"),
        kernel: text("kernel"),
        ramdisk: text("ramdisk"),
        bootloader: text("bootloader"),
        boot: text("boot"),
        cmdline: (!cmdline.is_empty()).then(|| cmdline.join(" ")),
        disks,
        nics: items("vif").iter().enumerate().map(|(index, spec)| nic(spec, &format!("{seed}/{index}"))).collect(),
        on_poweroff: text("on_poweroff"),
        on_crash: text("on_crash"),
        name,
        kind,
    })
}

fn nic(spec: &str, seed: &str) -> Nic {
    let part = |key: &str| spec.split(',').find_map(|part| part.trim().strip_prefix(key)).map(str::to_owned);
    let hash = blake3::hash(seed.as_bytes());
    let made = hash.as_bytes().iter().take(3).fold("00:16:3e".to_owned(), |mac, byte| format!("{mac}:{byte:02x}"));
    Nic { mac: part("mac=").unwrap_or(made), bridge: part("bridge=").unwrap_or_else(|| "xenbr0".to_owned()) }
}

/// One disk specification (xl-disk-configuration(5)): named values, or target, format, vdev, access by position.
pub fn disk(spec: &str) -> Result<GuestDisk, String> {
    let mut disk = GuestDisk::default();
    let mut access: Option<String> = None;
    let mut places: Vec<&str> = Vec::new();
    let (before, target) = match spec.split_once("target=") {
        Some((before, target)) => (before, Some(target)),
        None => (spec, None),
    };
    let mut prefixed = false;
    for (at, part) in before.split(',').map(|part| part.trim_start_matches([' ', '\t'])).enumerate() {
        match part.split_once('=') {
            Some(("format", value)) => value.clone_into(&mut disk.format),
            Some(("vdev", value)) => value.clone_into(&mut disk.vdev),
            Some(("access", value)) => access = Some(value.to_owned()),
            Some(("backendtype", value)) => disk.backend = Some(value.to_owned()),
            Some(("script", value)) => disk.script = Some(value.to_owned()),
            Some(("devtype", value)) => disk.cdrom = value == "cdrom",
            Some(_) => return Err(format!("unknown parameter: near `{part}'")),
            None if part == "cdrom" => disk.cdrom = true,
            None if ["discard", "no-discard", "direct-io-safe"].contains(&part) => {}
            None if part.is_empty() && target.is_some() => {}
            None => {
                let mut part = part;
                for prefix in ["phy:", "file:", "tap:", "tap2:", "aio:", "raw:", "qcow2:", "qcow:", "vhd:"] {
                    if let Some(after) = part.strip_prefix(prefix).filter(|_| at == 0) {
                        part = after;
                        prefixed = true;
                        if ["raw:", "qcow2:", "qcow:", "vhd:"].contains(&prefix) {
                            prefix.trim_end_matches(':').clone_into(&mut disk.format);
                        }
                    }
                }
                places.push(part);
            }
        }
    }
    let mut places = places.into_iter();
    match target {
        Some(target) => target.trim_end_matches(',').clone_into(&mut disk.path),
        None => places.next().unwrap_or("").clone_into(&mut disk.path),
    }
    // Right after an empty target a vdev with its device type may stand in the format's place.
    let typed = disk.path.is_empty() && places.clone().next().is_some_and(|place| place.contains(':'));
    if disk.format.is_empty() && !prefixed && !typed {
        match places.next() {
            Some(format @ ("raw" | "qcow" | "qcow2" | "vhd" | "qed" | "empty")) => format.clone_into(&mut disk.format),
            Some(other) if !other.is_empty() => return Err(format!("unknown value for format: near `{other}'")),
            Some(_) | None => {}
        }
    }
    if disk.vdev.is_empty() {
        places.next().unwrap_or("").clone_into(&mut disk.vdev);
    }
    if let Some(length) = disk.vdev.strip_suffix(":cdrom").map(str::len) {
        disk.vdev.truncate(length);
        disk.cdrom = true;
    }
    access = access.or_else(|| places.next().map(str::to_owned));
    disk.write = match access.as_deref() {
        None | Some("" | "w" | "rw") => !disk.cdrom,
        Some("r" | "ro") => false,
        Some(other) => return Err(format!("unknown value for access: near `{other}'")),
    };
    if disk.format.is_empty() {
        (if disk.cdrom && disk.path.is_empty() { "empty" } else { "raw" }).clone_into(&mut disk.format);
    }
    if device_number(&disk.vdev).is_none() {
        return Err("no vdev specified".to_owned());
    }
    Ok(disk)
}

/// `key=value` of `xl create FILE key=value`: as if the line stood at the end of the file.
pub fn override_with(settings: &mut Settings, text: &str, file: &str) -> Result<(), String> {
    settings.extend(read(&format!("{text}\n"), file)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_disks_are_read_as_xl_reads_them() {
        let is = |spec: &str| disk(spec).map(|d| (d.path, d.format, d.vdev, d.write, d.cdrom));
        let good = |path: &str, format: &str, vdev: &str, write, cdrom| Ok((path.into(), format.into(), vdev.into(), write, cdrom));
        assert_eq!(is("phy:/dev/vg/a,xvda,w"), good("/dev/vg/a", "raw", "xvda", true, false));
        assert_eq!(is("file:/srv/a.iso,xvdc:cdrom,r"), good("/srv/a.iso", "raw", "xvdc", false, true));
        assert_eq!(is("tap:qcow2:/srv/a.qcow2,xvda,w"), good("/srv/a.qcow2", "qcow2", "xvda", true, false));
        assert_eq!(is("/srv/a.img,raw,xvda,rw"), good("/srv/a.img", "raw", "xvda", true, false));
        assert_eq!(is("vdev=xvda,format=raw,access=ro,backendtype=qdisk,target=/a,b"), good("/a,b", "raw", "xvda", false, false));
        assert_eq!(is(",hdc:cdrom,r"), good("", "empty", "hdc", false, true), "an empty drive of the demo would not start");
        assert!(disk("phy:/dev/vg/a,xvda,w!").is_err(), "the demo starts what xl refuses");
    }

    #[test]
    fn what_xl_refuses_is_refused() {
        assert!(read("name = 'a'\r\n", "f").is_err(), "CR LF");
        assert!(read("name = 'a' # b", "f").is_err(), "a comment without a line end");
        assert!(read("name = 'a' + 'b'\n", "f").is_err(), "Python");
        assert!(read("name = 'a'", "f").is_ok());
        assert_eq!(
            read("disk = [ 'a', # one\n 'b',\n]\n", "f").unwrap(),
            [("disk".to_owned(), Setting::List(vec!["a".into(), "b".into()]))]
        );
    }
}
