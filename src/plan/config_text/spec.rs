//! Reading a disk specification, in the two shapes that are in common use. Anything else is not understood, and then not touched.

/// What must stay when a disk gets another file.
pub(crate) struct Source {
    pub vdev: String,
    pub format: String,
    pub writes: bool,
    /// A drive without a medium.
    pub empty: bool,
}

const FORMATS: [&str; 5] = ["raw", "qcow", "qcow2", "vhd", "qed"];
/// Prefixes of xm's time, which xl strips.
const PREFIXES: [&str; 3] = ["phy:", "file:", "tap:aio:"];

/// `/path,raw,xvda,rw`, `phy:/path,xvda,w` or `format=raw,vdev=xvda,access=rw,target=/path`.
pub(crate) fn source_of(spec: &[u8]) -> Result<Source, String> {
    let text = std::str::from_utf8(spec).map_err(|_| "a disk is not named in UTF-8".to_owned())?;
    let unclear = || format!("the disk `{}` is not surely understood", crate::model::shown::text(text));
    let found = if text.contains("vdev=") { named(text) } else { positional(text) };
    let source = found.ok_or_else(unclear)?;
    let plain = source.vdev.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if plain && !source.vdev.is_empty() { Ok(source) } else { Err(unclear()) }
}

fn positional(text: &str) -> Option<Source> {
    let (prefix, rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix).map(|rest| (true, rest))).unwrap_or((false, text));
    let fields: Vec<&str> = rest.split(',').collect();
    let (target, format, vdev, access) = match (prefix, fields.as_slice()) {
        (true, [target, vdev, access]) => (target, "raw", vdev, access),
        (false, [target, format, vdev, access]) => (target, if format.is_empty() { "raw" } else { format }, vdev, access),
        _ => return None,
    };
    if !target.starts_with('/') || target.contains('=') || !FORMATS.contains(&format) {
        return None;
    }
    Some(Source { vdev: (*vdev).to_owned(), format: format.to_owned(), writes: writes(access)?, empty: false })
}

fn named(text: &str) -> Option<Source> {
    let (options, target) = match text.find("target=") {
        Some(at) => (text.get(..at)?, text.get(at + "target=".len()..)?),
        None => (text, ""),
    };
    let mut source = Source { vdev: String::new(), format: "raw".into(), writes: true, empty: target.is_empty() };
    let mut removable = false;
    for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("vdev", vdev)) => vdev.clone_into(&mut source.vdev),
            Some(("format", format)) if FORMATS.contains(&format) => format.clone_into(&mut source.format),
            Some(("access", access)) => source.writes = writes(access)?,
            Some(("devtype", "cdrom")) => removable = true,
            _ => return None,
        }
    }
    // A CD-ROM with a medium would lose its kind.
    (removable == source.empty).then_some(source)
}

fn writes(access: &str) -> Option<bool> {
    match access {
        "w" | "rw" => Some(true),
        "r" | "ro" => Some(false),
        _ => None,
    }
}
