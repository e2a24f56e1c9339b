//! Walks the records of a libxl migration stream (docs/specs/libxl-migration-stream.pandoc, libxc-migration-stream.pandoc in Xen's
//! source) to its end. Only headers are read.
//!
//! libxl's stream: 16 bytes of header (`LibxlFmt`, version, options; big-endian), then records: u32 type, u32 length, body padded to 8.
//! Behind a LIBXC_CONTEXT record stands libxc's image: 24 bytes of header (eight 0xff, `XENF`, version, options; big-endian), 16 bytes
//! of domain header, records of the same shape up to an END; then libxl's records go on up to theirs, and there the file must end.

use super::{BytesAt, Purse, SaveSeen, cut_inside};
use crate::host::HostError;
use crate::probe::bytes_at::{self, Order};

pub(super) const LIBXL_IDENT: &[u8] = b"LibxlFmt";
pub(super) const LIBXL_VERSION: u32 = 2;
pub(super) const LIBXC_IDENT: &[u8] = b"XENF";
/// Body of one libxc record at most (`REC_LENGTH_MAX` in xg_sr_stream_format.h).
const LIBXC_BODY_LIMIT: u64 = 128 << 20;
/// Records with this bit may be skipped by who does not know them.
const OPTIONAL: u32 = 1 << 31;

pub(super) mod libxl_record {
    pub const END: u32 = 0;
    pub const LIBXC_CONTEXT: u32 = 1;
    pub const EMULATOR_XENSTORE_DATA: u32 = 2;
    pub const EMULATOR_CONTEXT: u32 = 3;
    pub const NAMES: [&str; 6] =
        ["END", "LIBXC_CONTEXT", "EMULATOR_XENSTORE_DATA", "EMULATOR_CONTEXT", "CHECKPOINT_END", "CHECKPOINT_STATE"];
}

pub(super) mod libxc_record {
    pub const END: u32 = 0;
    pub const PAGE_DATA: u32 = 1;
    pub const X86_PV_INFO: u32 = 2;
    pub const SHARED_INFO: u32 = 7;
    pub const TSC_INFO: u32 = 8;
    pub const HVM_CONTEXT: u32 = 9;
    pub const STATIC_DATA_END: u32 = 16;
    pub const NAMES: [&str; 19] = [
        "END",
        "PAGE_DATA",
        "X86_PV_INFO",
        "X86_PV_P2M_FRAMES",
        "X86_PV_VCPU_BASIC",
        "X86_PV_VCPU_EXTENDED",
        "X86_PV_VCPU_XSAVE",
        "SHARED_INFO",
        "TSC_INFO",
        "HVM_CONTEXT",
        "HVM_PARAMS",
        "TOOLSTACK",
        "X86_PV_VCPU_MSRS",
        "VERIFY",
        "CHECKPOINT",
        "DIRTY_PFN_LIST",
        "STATIC_DATA_END",
        "X86_CPUID_POLICY",
        "X86_MSR_POLICY",
    ];
}

/// Why a walk ended before the END.
enum Stop {
    /// The file is not whole: why.
    Broken(String),
    /// It cannot be said: why.
    Unknown(String),
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Self {
        Self::Unknown(format!("its records could not be followed to the end: {error}"))
    }
}

type Walked<T> = Result<T, Stop>;

/// Walks from `start` and tells in `seen` whether the end is reached.
pub(super) fn walk(src: &dyn BytesAt, start: u64, purse: &mut Purse, seen: &mut SaveSeen) {
    let mut walk = Walk { src, at: start, purse };
    match walk.libxl(seen) {
        Ok(()) if walk.at == src.size() => seen.complete = Some(true),
        Ok(()) => {
            let more = src.size().saturating_sub(walk.at);
            seen.broken(format!("damaged: {more} bytes stand behind the last END record, which ends at byte {}", walk.at));
        }
        Err(Stop::Broken(why)) => seen.broken(why),
        Err(Stop::Unknown(why)) => seen.note(why),
    }
}

struct Record {
    kind: u32,
    body: u64,
    at: u64,
}

struct Walk<'a> {
    src: &'a dyn BytesAt,
    at: u64,
    purse: &'a mut Purse,
}

impl Walk<'_> {
    /// The next `len` bytes.
    fn take(&mut self, len: usize, what: &str) -> Walked<Vec<u8>> {
        let end = self.at.saturating_add(len as u64);
        let bytes = bytes_at::exact(self.src, self.at, len)?.ok_or_else(|| Stop::Broken(cut_inside(self.src, self.at, end, what)))?;
        self.at = end;
        Ok(bytes)
    }

    fn record(&mut self, order: Order, what: &str) -> Walked<Record> {
        if !self.purse.pay() {
            return Err(Stop::Unknown(format!("it has too many records to follow all: the walk ended at byte {}", self.at)));
        }
        let at = self.at;
        let header = self.take(8, what)?;
        let (Some(kind), Some(length)) = (order.u32(&header, 0), order.u32(&header, 4)) else {
            return Err(Stop::Broken(cut_inside(self.src, at, at.saturating_add(8), what)));
        };
        Ok(Record { kind, body: u64::from(length), at })
    }

    /// Goes over a record's body and its padding.
    fn skip(&mut self, record: &Record, names: &[&str]) -> Walked<()> {
        let end = record.body.checked_next_multiple_of(8).and_then(|padded| self.at.checked_add(padded)).unwrap_or(u64::MAX);
        if end > self.src.size() {
            let what = format!("a record of {} that begins at byte {}", name(record.kind, names), record.at);
            return Err(Stop::Broken(cut_inside(self.src, record.at, end, &what)));
        }
        self.at = end;
        Ok(())
    }

    fn libxl(&mut self, seen: &mut SaveSeen) -> Walked<()> {
        if self.at == self.src.size() {
            return Err(Stop::Broken(format!("cut at byte {}, before the guest's memory", self.at)));
        }
        let header = self.take(16, "the header of libxl's stream")?;
        if !header.starts_with(LIBXL_IDENT) {
            return Err(Stop::Broken(format!("damaged: no stream of libxl begins at byte {}, where the header says", self.at - 16)));
        }
        let version = bytes_at::be_u32(&header, 8).unwrap_or_default();
        if version != LIBXL_VERSION {
            return Err(Stop::Unknown(format!("libxl's stream has version {version}, not known here: whether it is whole is not known")));
        }
        let options = bytes_at::be_u32(&header, 12).unwrap_or_default();
        if options & 2 != 0 {
            seen.note("converted from the stream of Xen 4.5 or older");
        }
        let order = if options & 1 == 0 { Order::Little } else { Order::Big };
        let mut memory_seen = false;
        loop {
            if memory_seen && self.at == self.src.size() {
                return Err(Stop::Broken(format!(
                    "cut at byte {}, where a record of libxl should follow the guest's memory; \
                     xl restores a file that lacks only the last one, the END, without a word",
                    self.at
                )));
            }
            let record = self.record(order, "a record of libxl")?;
            match record.kind {
                libxl_record::END if record.body != 0 => {
                    return Err(Stop::Broken(format!("damaged: the END record at byte {} has a body", record.at)));
                }
                libxl_record::END if !memory_seen => {
                    return Err(Stop::Broken(format!("damaged: the records end at byte {} without a guest's memory", self.at)));
                }
                libxl_record::END => return Ok(()),
                libxl_record::LIBXC_CONTEXT => {
                    self.skip(&record, &libxl_record::NAMES)?;
                    self.libxc(seen)?;
                    memory_seen = true;
                }
                kind => {
                    known(kind, &libxl_record::NAMES, &record)?;
                    self.skip(&record, &libxl_record::NAMES)?;
                }
            }
        }
    }

    fn libxc(&mut self, seen: &mut SaveSeen) -> Walked<()> {
        let start = self.at;
        let image = self.take(24, "the header of the guest's memory")?;
        if image.get(..8) != Some(&[0xff; 8]) || image.get(8..12) != Some(LIBXC_IDENT) {
            return Err(Stop::Broken(format!("damaged: no memory of a guest begins at byte {start}, where the records say")));
        }
        let version = bytes_at::be_u32(&image, 12).unwrap_or_default();
        let order = if bytes_at::be_u16(&image, 16).unwrap_or_default() & 1 == 0 { Order::Little } else { Order::Big };
        let domain = self.take(16, "the header of the guest's memory")?;
        let field = |at| order.u32(&domain, at).unwrap_or_default();
        match (field(8), field(12)) {
            (0, 0) => {}
            (major, minor) => seen.note(format!("written by Xen {major}.{minor}")),
        }
        if !(2..=3).contains(&version) {
            return Err(Stop::Unknown(format!(
                "the guest's memory has version {version}, not known here: whether it is whole is not known"
            )));
        }
        loop {
            let record = self.record(order, "a record of the guest's memory")?;
            if record.kind == libxc_record::END {
                if record.body != 0 {
                    return Err(Stop::Broken(format!("damaged: the END record at byte {} has a body", record.at)));
                }
                return Ok(());
            }
            known(record.kind, &libxc_record::NAMES, &record)?;
            if record.body > LIBXC_BODY_LIMIT {
                let (body, at) = (record.body, record.at);
                return Err(Stop::Broken(format!("damaged: the record at byte {at} claims {body} bytes, more than a record may have")));
            }
            self.skip(&record, &libxc_record::NAMES)?;
        }
    }
}

fn name(kind: u32, names: &[&str]) -> String {
    let known = usize::try_from(kind).ok().and_then(|index| names.get(index));
    known.map_or_else(|| format!("type 0x{kind:x}"), |name| (*name).to_owned())
}

/// An unknown record that no reader may skip: xl refuses the file.
fn known(kind: u32, names: &[&str], record: &Record) -> Walked<()> {
    if kind & OPTIONAL != 0 || usize::try_from(kind).is_ok_and(|index| index < names.len()) {
        return Ok(());
    }
    Err(Stop::Broken(format!("damaged: the record at byte {} has type 0x{kind:x}, which is none", record.at)))
}
