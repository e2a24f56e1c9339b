//! xenstore: what is really attached (docs/misc/xenstore-paths.pandoc, xen/include/public/io/blkif.h).
//!
//! Only paths that guests cannot write are read: `/libxl` and the backend directories. A frontend's words (`/local/domain/N/device`) are
//! the guest's own, and nothing here believes them.

use std::collections::BTreeMap;

use crate::model::Cmd;

pub fn list(path: &str) -> Cmd {
    Cmd::reads("xenstore-ls", ["-f", path]).within(30)
}

/// The trees that are asked for.
pub const TREES: [&str; 3] = ["/libxl", "/local/domain/0/backend", "/vm"];

/// Values by their path.
pub type Tree = BTreeMap<String, String>;

/// `xenstore-ls -f`: a `PATH = "VALUE"` line each; odd bytes are escaped (`\n`, `\t`, `\\`, `\"`, `\xHH`, `\OOO`).
/// Returns the tree and how many lines were not of that form.
pub fn parse(text: &str) -> (Tree, usize) {
    let mut tree = Tree::new();
    let mut odd = 0;
    for line in text.lines() {
        // "   (path, perms)" is never printed without -p; a value never spans lines because line ends are escaped.
        match line.split_once(" = \"").and_then(|(path, rest)| Some((path, rest.strip_suffix('"')?))) {
            Some((path, value)) if path.starts_with('/') => {
                tree.insert(path.to_owned(), unescape(value));
            }
            _ if line.trim().is_empty() => {}
            _ => odd += 1,
        }
    }
    (tree, odd)
}

fn unescape(raw: &str) -> String {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let Some((&kind, tail)) = rest.split_first() else {
            bytes.push(b'\\');
            break;
        };
        rest = tail;
        match kind {
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'r' => bytes.push(b'\r'),
            b'x' => match tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(value) => {
                    bytes.push(value);
                    rest = tail.get(2..).unwrap_or_default();
                }
                None => bytes.extend(b"\\x"),
            },
            b'0'..=b'7' => {
                let digits =
                    std::iter::once(kind).chain(tail.iter().copied()).take(3).take_while(|b| (b'0'..=b'7').contains(b)).collect::<Vec<_>>();
                let value = digits.iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
                bytes.push((value & 0xff) as u8);
                rest = tail.get(digits.len() - 1..).unwrap_or_default();
            }
            other => bytes.push(other),
        }
    }
    crate::model::HostPath::from_bytes(&bytes).as_path().to_string_lossy().into_owned()
}

/// One virtual disk as libxl's private tree and its backend say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vbd {
    pub vdev: Option<String>,
    /// `phy`, `qdisk`, `vbd3`, `standalone`.
    pub backend_type: Option<String>,
    /// The domid that serves it.
    pub backend_domid: Option<u32>,
    /// The path, without the format that qdisk writes before it.
    pub target: Option<String>,
    pub format: Option<String>,
    pub writable: bool,
    pub cdrom: bool,
    pub script: Option<String>,
    /// Bytes, once the backend has opened it.
    pub bytes: Option<u64>,
    /// Major and minor of the device that blkback uses.
    pub device: Option<(u32, u32)>,
    /// What the hotplug script said when it refused.
    pub hotplug_error: Option<String>,
    /// `connected`, `busy`, `error`; nothing when no script ran.
    pub hotplug_status: Option<String>,
}

/// Whether libxl keeps anything of a domain here: only then is a disk that is not listed one that is not attached.
pub fn knows(tree: &Tree, domid: u32) -> bool {
    let base = format!("/libxl/{domid}");
    let below = format!("{base}/");
    tree.contains_key(&base) || tree.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below))
}

/// The virtual disks of one domain.
pub fn vbds(tree: &Tree, domid: u32) -> Vec<Vbd> {
    let base = format!("/libxl/{domid}/device/vbd/");
    let mut ids: Vec<&str> = tree
        .range(base.clone()..)
        .map(|(path, _)| path.as_str())
        .take_while(|path| path.starts_with(&base))
        .filter_map(|path| path.get(base.len()..)?.split('/').next())
        .collect();
    ids.dedup();
    ids.into_iter().map(|id| vbd(tree, &format!("{base}{id}"))).collect()
}

fn vbd(tree: &Tree, front: &str) -> Vbd {
    let backend = tree.get(&format!("{front}/backend")).cloned().unwrap_or_default();
    // The backend's own values are newer (a CD that was changed); libxl's copy is what it was made with.
    let value = |key: &str| {
        tree.get(&format!("{backend}/{key}")).or_else(|| tree.get(&format!("{front}/{key}"))).cloned().filter(|text| !text.is_empty())
    };
    let backend_type = value("type");
    let params = value("params");
    let (format, target) = match (&backend_type, params) {
        (Some(kind), Some(params)) if kind == "qdisk" => match params.split_once(':') {
            Some((format, path)) => (Some(if format == "aio" { "raw" } else { format }.to_owned()), Some(path.to_owned())),
            None => (None, Some(params)),
        },
        (_, params) => (None, params),
    };
    Vbd {
        vdev: value("dev"),
        backend_domid: backend.split('/').nth(3).and_then(|id| id.parse().ok()),
        target: target.filter(|path| !path.is_empty()),
        format,
        writable: value("mode").as_deref() == Some("w"),
        cdrom: value("device-type").as_deref() == Some("cdrom"),
        script: value("script"),
        bytes: value("sectors").and_then(|sectors| sectors.parse::<u64>().ok()).and_then(|sectors| sectors.checked_mul(512)),
        device: value("physical-device").and_then(|text| hex_device(&text)),
        hotplug_error: value("hotplug-error"),
        hotplug_status: value("hotplug-status"),
        backend_type,
    }
}

/// `fe:0`: major and minor in hexadecimal.
fn hex_device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?))
}

/// When a domain was booted or restored: `/vm/UUID/start_time`, unix seconds with hundredths.
pub fn started(tree: &Tree, uuid: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    let text = tree.get(&format!("/vm/{uuid}/start_time"))?;
    chrono::DateTime::from_timestamp(text.split('.').next()?.parse().ok()?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_bytes_come_back_and_hostile_lines_are_counted() {
        let (tree, odd) = parse("/libxl/1 = \"a\\nb\\x41\\\\\\\"\\101\"\nrubbish\n/x = \"open\n");
        assert_eq!(tree.get("/libxl/1").map(String::as_str), Some("a\nbA\\\"A"));
        assert_eq!(odd, 2);
    }

    proptest::proptest! {
        #[test]
        fn no_store_can_panic_the_reader(text in "(/libxl/1/device/vbd/[0-9]{1,3}/[a-z]{1,4} = \"\\PC{0,9}\"\n|\\PC{0,20}\n){0,9}") {
            let (tree, _) = parse(&text);
            let _ = vbds(&tree, 1);
        }
    }
}
