//! Save images, recognised by content: whose format, which domain, and whether the file is whole.
//!
//! Only headers and the packaged configuration are read; never a page of a guest's memory.
//! A file's name tells nothing: people write `xl save web1 /backup/monday`.

pub mod build;
mod legacy;
mod libvirt;
mod packaged;
mod qemu_end;
mod stream;
mod xend;
mod xl;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::host::Answer;
use crate::model::SaveFormat;

use super::bytes_at::{self, BytesAt};

/// The configuration inside a save image, as bytes without the final NUL: a parser for its grammar makes a config of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Packaged {
    /// libxl's JSON (`xl list -l` shows the same below `config`).
    LibxlJson(Vec<u8>),
    /// The text of an xl config file (Xen 4.4 and older).
    XlText(Vec<u8>),
    /// xend's S-expression.
    Sxp(Vec<u8>),
    /// libvirt's domain XML.
    Xml(Vec<u8>),
    /// There should be one, but it cannot be read as what the header says it is.
    Damaged,
    /// The file has none, or the part that would hold it is not to be had.
    #[default]
    None,
}

impl Packaged {
    /// Length of the configuration.
    pub fn bytes(&self) -> usize {
        match self {
            Self::LibxlJson(bytes) | Self::XlText(bytes) | Self::Sxp(bytes) | Self::Xml(bytes) => bytes.len(),
            Self::Damaged | Self::None => 0,
        }
    }
}

/// What a save image says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveSeen {
    pub format: SaveFormat,
    /// Whether the records reach the end; `None` where the format has no end mark or the file could not be walked.
    pub complete: Option<bool>,
    /// Where and why it is not complete.
    pub cut: Option<String>,
    pub domain: Option<String>,
    pub uuid: Option<String>,
    pub memory_bytes: Option<u64>,
    pub packaged: Packaged,
    /// Facts for the detail view: the Xen that wrote it, `paused when saved`, compression, why completeness is unknown.
    pub notes: Vec<String>,
}

impl SaveSeen {
    fn new(format: SaveFormat) -> Self {
        Self {
            format,
            complete: None,
            cut: None,
            domain: None,
            uuid: None,
            memory_bytes: None,
            packaged: Packaged::None,
            notes: Vec::new(),
        }
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Certainly not whole, and why.
    fn broken(&mut self, why: impl Into<String>) {
        self.complete = Some(false);
        self.cut = Some(why.into());
    }
}

/// How much a walk over records may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Record headers read at most.
    pub records: u64,
    pub time: Duration,
}

impl Default for Budget {
    /// A save of 512 GiB has some 131 000 records of 1024 pages. Four million is far beyond any host, and still ends.
    fn default() -> Self {
        Self { records: 4_000_000, time: Duration::from_secs(20) }
    }
}

impl Budget {
    /// For a file of so many bytes: a stream has one record for up to 1024 pages, so a file with a record every few bytes was made to
    /// keep somebody busy.
    pub fn for_file(bytes: u64, time: Duration) -> Self {
        const FEW: u64 = 20_000;
        let most = Self::default().records;
        Self { records: FEW.saturating_add(bytes / 4096).min(most), time }
    }
}

/// What a walk has left.
struct Purse {
    records: u64,
    until: Instant,
}

impl Purse {
    fn new(budget: Budget) -> Self {
        let now = Instant::now();
        Self { records: budget.records, until: now.checked_add(budget.time).unwrap_or(now) }
    }

    /// Pays for one record header; `false` when nothing is left.
    fn pay(&mut self) -> bool {
        let Some(left) = self.records.checked_sub(1) else { return false };
        self.records = left;
        // The clock costs more than the count: it is asked now and then.
        left % 64 != 0 || Instant::now() < self.until
    }
}

/// Longest packaged configuration that is read; real ones have a few KiB.
const CONFIG_LIMIT: u64 = 2 << 20;

/// `cut at byte SIZE of at least NEEDED, inside WHAT`, for something that begins at `start`.
fn cut_inside(src: &dyn BytesAt, start: u64, needed: u64, what: &str) -> String {
    let place = if src.size() == start { "before" } else { "inside" };
    format!("cut at byte {} of at least {needed}, {place} {what}", src.size())
}

/// What kind of save image this is, or nothing when it is none.
///
/// An error only when not even the first bytes could be read; what is missing later is a note and an unknown.
pub fn recognise(src: &dyn BytesAt) -> Answer<Option<SaveSeen>> {
    recognise_within(src, Budget::default())
}

/// As [`recognise`], with a budget of the caller's.
pub fn recognise_within(src: &dyn BytesAt, budget: Budget) -> Answer<Option<SaveSeen>> {
    let magic = bytes_at::up_to(src, 0, xl::MAGIC.len())?;
    let mut purse = Purse::new(budget);
    let seen = if magic.starts_with(xl::MAGIC) {
        xl::look(src, &mut purse)
    } else if magic.starts_with(libvirt::XEN_MAGIC) {
        libvirt::look_xen(src, &mut purse)
    } else if magic.starts_with(libvirt::QEMU_SAVE) || magic.starts_with(libvirt::QEMU_PART) {
        libvirt::look_qemu(src)
    } else if magic.starts_with(xend::MAGIC) {
        xend::look(src)
    } else {
        return Ok(None);
    };
    Ok(Some(seen))
}
