//! One disk specification of a domain's configuration, read as libxlutil reads it.
//!
//! Sources: xl-disk-configuration(5); Xen's tools/libs/util (libxlu_disk_l.l, libxlu_disk.c), 4.19. At each step the longest of all
//! rules wins and among equals the first: `scan` keeps that order.

mod scan;

#[cfg(test)]
mod tests;

use crate::model::shown;

/// More bytes than this are not taken for a disk specification.
const MAX_BYTES: usize = 64 * 1024;

/// Bytes of the specification that a complaint quotes.
const MAX_QUOTED: usize = 100;

/// Image formats that xl knows. Case matters; there is no vmdk.
pub const FORMATS: [&str; 6] = ["raw", "qcow", "qcow2", "vhd", "qed", "empty"];

/// A disk as xl understands its specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSpec {
    /// As written: relative stays relative. `None` when never given, empty when given empty.
    pub target: Option<Vec<u8>>,
    /// Any text; [`super::vdev`] tells whether libxl takes it.
    pub vdev: Option<String>,
    /// One of [`FORMATS`].
    pub format: Option<&'static str>,
    pub readwrite: bool,
    pub removable: bool,
    pub is_cdrom: bool,
    /// `phy`, `qdisk`, `tap`, `standalone`; nothing when libxl shall choose.
    pub backend: Option<&'static str>,
    /// Name or number of the backend domain.
    pub backend_domname: Option<String>,
    pub script: Option<String>,
    /// `xen` or `virtio`.
    pub specification: Option<&'static str>,
    pub direct_io_safe: bool,
    pub discard: Option<bool>,
    pub colo: Option<bool>,
    pub trusted: Option<bool>,
    pub grant_usage: Option<bool>,
    /// Old prefixes that were stripped, without the colon: `phy`, `tap` ... They choose no backend.
    pub prefixes: Vec<String>,
}

impl Default for DiskSpec {
    fn default() -> Self {
        Self {
            target: None,
            vdev: None,
            format: None,
            readwrite: true,
            removable: false,
            is_cdrom: false,
            backend: None,
            backend_domname: None,
            script: None,
            specification: None,
            direct_io_safe: false,
            discard: None,
            colo: None,
            trusted: None,
            grant_usage: None,
            prefixes: Vec::new(),
        }
    }
}

/// Why xl refuses a specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskError {
    /// xl's own words: `unknown value for access`.
    pub xl: String,
    /// The text at which xl points, when it points at one.
    pub near: Option<String>,
    /// Byte offset of that text in the specification.
    pub offset: usize,
    /// For people: what is wrong, and what to write instead.
    pub what: String,
    /// What could be made out besides the error. Not what xl would do: it does nothing.
    pub partial: Box<DiskSpec>,
}

/// Reads one specification, without its quotes.
pub fn parse(spec: &[u8]) -> Result<DiskSpec, DiskError> {
    if spec.len() > MAX_BYTES {
        return Err(DiskError {
            xl: "bad disk syntax".to_owned(),
            near: None,
            offset: 0,
            what: "longer than any disk specification".to_owned(),
            partial: Box::default(),
        });
    }
    let (mut disk, mut first_error) = scan::scan(spec);
    disk.format = disk.format.or(Some("raw"));
    if disk.is_cdrom {
        disk.removable = true;
        disk.readwrite = false;
        if disk.target.as_ref().is_none_or(Vec::is_empty) {
            disk.format = Some("empty");
        }
    }
    if first_error.is_none() {
        if disk.vdev.is_none() {
            first_error = Some(scan::Wrong::whole("no vdev specified"));
        } else if disk.target.is_none() && !disk.removable {
            first_error = Some(scan::Wrong::whole("no target specified (and device not removable)"));
        }
    }
    match first_error {
        None => Ok(disk),
        Some(wrong) => {
            let what = words(&wrong, spec, &disk);
            let near = wrong.near.map(|near| String::from_utf8_lossy(&near).into_owned());
            Err(DiskError { xl: wrong.what.to_owned(), near, offset: wrong.offset, what, partial: Box::new(disk) })
        }
    }
}

/// The reason in a person's words, with what to write instead where that is sure.
fn words(wrong: &scan::Wrong, spec: &[u8], disk: &DiskSpec) -> String {
    let near = wrong.near.as_deref().unwrap_or_default();
    let quoted = shown::bytes(near.get(..MAX_QUOTED).unwrap_or(near));
    match wrong.what {
        "unknown value for access" if near == b"w!" => {
            "xl does not know the access `w!` (xm: write although somebody else has the disk); write `w`".to_owned()
        }
        "unknown value for access" => format!("xl does not know the access `{quoted}`; it is `r` or `w`"),
        "unknown value for format" if near.ends_with(b" ") => {
            format!("xl does not know the format `{quoted}`: blanks after a value belong to it")
        }
        "unknown value for format" if super::vdev::parse(&String::from_utf8_lossy(near)).is_some() => format!(
            "`{quoted}` stands where the format belongs; write `{},raw,{quoted},...`",
            shown::bytes(disk.target.as_deref().unwrap_or_default())
        ),
        "unknown value for format" => format!("xl does not know the format `{quoted}`; it knows {}", FORMATS.join(", ")),
        "no vdev specified" if swallowed(disk) => "no vdev: `target=` took the rest of the string, so it has to be the last one".to_owned(),
        "no vdev specified" if spec.iter().all(u8::is_ascii_whitespace) => "an empty disk specification".to_owned(),
        "no vdev specified" => "no vdev (the guest's name for the disk, as xvda)".to_owned(),
        "no target specified (and device not removable)" => "no target (the file or volume that holds the disk)".to_owned(),
        "too many positional parameters" => {
            format!("`{quoted}` is one field too many (xm took a fourth one for the backend domain; xl wants `backend=NAME`)")
        }
        "unknown deprecated disk prefix" => format!("xl does not know the prefix `{quoted}`"),
        "unknown deprecated type" => format!("xl does not know the device type `{quoted}`; it is `cdrom` or `disk`"),
        "unknown parameter" => format!("xl does not know the parameter at `{quoted}`"),
        "bad disk syntax" => format!("`{quoted}` cannot be read; a target with `=` in it has to be given with `target=`"),
        other if other.ends_with("respecified") => format!("{other} (given twice) at `{quoted}`"),
        other => format!("{other} `{quoted}`"),
    }
}

/// Whether a target holds what looks like further parameters.
fn swallowed(disk: &DiskSpec) -> bool {
    let target = disk.target.as_deref().unwrap_or_default();
    [b",vdev=".as_slice(), b", vdev="].iter().any(|key| target.windows(key.len()).any(|part| part == *key))
}
