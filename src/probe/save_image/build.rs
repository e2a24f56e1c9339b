//! Writes save images in the real formats, for the demo machine and for tests. Nothing here is a guest's memory: pages are zero.
//!
//! A builder gives the pieces that are not zero with their offsets, so that a save image of many GiB can be laid out as a sparse file.

use super::stream::{LIBXC_IDENT, LIBXL_IDENT, LIBXL_VERSION, libxc_record, libxl_record};
use super::{libvirt, qemu_end, xend, xl};
use crate::probe::laid::Laid;

/// What stands in the stream behind the packaged configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Pages of 4 KiB.
    pub pages: u64,
    /// A guest with an emulator (HVM): its state follows the memory.
    pub hvm: bool,
    /// Major and minor version of the Xen that writes.
    pub xen: (u32, u32),
}

impl Default for Memory {
    fn default() -> Self {
        Self { pages: 4, hvm: false, xen: (4, 17) }
    }
}

/// A file of `xl save`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XlSave {
    /// libxl's JSON, without a NUL.
    pub json: String,
    pub memory: Memory,
}

impl XlSave {
    pub fn laid(&self) -> Laid {
        let config = with_nul(&self.json);
        let mut out = Laid::default();
        out.push(xl::MAGIC);
        for field in [0x0102_0304, xl::CONFIG_IS_JSON | xl::STREAM_IS_V2, 0, length(&config).saturating_add(4), length(&config)] {
            out.push(&field.to_le_bytes());
        }
        out.push(&config);
        stream(&mut out, self.memory);
        out
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.laid().bytes()
    }
}

/// A file of `virsh save` or `virsh managedsave` with the Xen driver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibvirtXenSave {
    pub xml: String,
    pub memory: Memory,
}

impl LibvirtXenSave {
    pub fn laid(&self) -> Laid {
        let xml = with_nul(&self.xml);
        let mut out = Laid::default();
        out.push(libvirt::XEN_MAGIC);
        out.push(&2_u32.to_le_bytes());
        out.push(&length(&xml).to_le_bytes());
        out.push(&[0; 40]);
        out.push(&xml);
        stream(&mut out, self.memory);
        out
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.laid().bytes()
    }
}

/// A file of `virsh save` or `virsh managedsave` with the QEMU driver, memory not compressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibvirtQemuSave {
    pub xml: String,
    /// The mark of a file that was never finished.
    pub partial: bool,
    pub paused: bool,
    /// Bytes of memory between the start and the end of the stream.
    pub memory_bytes: u64,
}

impl LibvirtQemuSave {
    pub fn laid(&self) -> Laid {
        const ROOM_FOR_EDITS: u32 = 64 << 10;
        let xml = with_nul(&self.xml);
        let mut out = Laid::default();
        out.push(if self.partial { libvirt::QEMU_PART } else { libvirt::QEMU_SAVE });
        for field in [2, length(&xml).saturating_add(ROOM_FOR_EDITS), u32::from(!self.paused), 0, 0] {
            out.push(&field.to_le_bytes());
        }
        out.push(&[0; 56]);
        out.push(&xml);
        out.skip(u64::from(ROOM_FOR_EDITS));
        out.push(b"QEVM\0\0\0\x03");
        out.skip(self.memory_bytes);
        out.push(&qemu_end::bytes());
        out
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.laid().bytes()
    }
}

/// A file of xend's `xm save`, or a managed domain's `checkpoint.chk`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XendSave {
    pub sxp: String,
    /// Bytes of the old stream behind it.
    pub memory_bytes: u64,
}

impl XendSave {
    pub fn laid(&self) -> Laid {
        let mut out = Laid::default();
        out.push(xend::MAGIC);
        out.push(&length(self.sxp.as_bytes()).to_be_bytes());
        out.push(self.sxp.as_bytes());
        out.skip(self.memory_bytes);
        out
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.laid().bytes()
    }
}

fn with_nul(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn stream(out: &mut Laid, memory: Memory) {
    out.push(LIBXL_IDENT);
    out.push(&LIBXL_VERSION.to_be_bytes());
    out.push(&0_u32.to_be_bytes());
    record(out, libxl_record::LIBXC_CONTEXT, &[], 0);
    libxc(out, memory);
    if memory.hvm {
        record(out, libxl_record::EMULATOR_XENSTORE_DATA, &EMULATOR_HEAD, 0);
        record(out, libxl_record::EMULATOR_CONTEXT, &EMULATOR_HEAD, 64 << 10);
    }
    record(out, libxl_record::END, &[], 0);
}

/// QEMU upstream (2), first of its kind.
const EMULATOR_HEAD: [u8; 8] = [2, 0, 0, 0, 0, 0, 0, 0];

fn libxc(out: &mut Laid, memory: Memory) {
    const PAGE: u64 = 4096;
    const PAGES_A_RECORD: u64 = 1024;
    out.push(&[0xff; 8]);
    out.push(LIBXC_IDENT);
    out.push(&3_u32.to_be_bytes());
    out.push(&[0; 8]);
    let guest: u32 = if memory.hvm { 2 } else { 1 };
    for field in [guest, 12, memory.xen.0, memory.xen.1] {
        out.push(&field.to_le_bytes());
    }
    record(out, libxc_record::STATIC_DATA_END, &[], 0);
    if !memory.hvm {
        record(out, libxc_record::X86_PV_INFO, &[8, 4, 0, 0, 0, 0, 0, 0], 0);
    }
    let mut done = 0;
    while done < memory.pages {
        let count = (memory.pages - done).min(PAGES_A_RECORD);
        let mut head = count.to_le_bytes().to_vec();
        for pfn in done..done.saturating_add(count) {
            head.extend_from_slice(&pfn.to_le_bytes());
        }
        record(out, libxc_record::PAGE_DATA, &head, count * PAGE);
        done += count;
    }
    if memory.hvm {
        record(out, libxc_record::HVM_CONTEXT, &[], 4096);
    } else {
        record(out, libxc_record::TSC_INFO, &[], 24);
        record(out, libxc_record::SHARED_INFO, &[], 4096);
    }
    record(out, libxc_record::END, &[], 0);
}

/// One record: `body`, then `zeros` more bytes of body, then padding.
fn record(out: &mut Laid, kind: u32, body: &[u8], zeros: u64) {
    let total = zeros.saturating_add(body.len() as u64);
    out.push(&kind.to_le_bytes());
    out.push(&u32::try_from(total).unwrap_or(u32::MAX).to_le_bytes());
    out.push(body);
    out.skip(zeros.saturating_add(total.next_multiple_of(8) - total));
}
