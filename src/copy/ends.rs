//! The ends of a copy, one call at a time: so that a test can break any call, and that an end may one day have no path.

use std::io;
use std::ops::Range;

/// Buffers that a copier hands over begin at a multiple of this in memory exactly when their offset on the disk does: what O_DIRECT asks for.
pub const ALIGN: usize = 4096;

/// Where bytes come from. Called from several threads.
pub trait Source: Sync {
    /// How many bytes it has.
    fn bytes(&self) -> io::Result<u64>;

    /// Reads from `offset` into the beginning of `into`; may read fewer. 0: there is nothing at `offset` or beyond. `into` may reach beyond the
    /// end of the source, up to a multiple of [`ALIGN`].
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The smallest piece that can be readable while its neighbour is not, in bytes.
    fn sector(&self) -> usize {
        512
    }
}

/// Which bytes of a source are data. Everything else reads as zeros.
pub trait Map: Send {
    /// The first run of data at or after `from`; nothing: there is none. All data is always right.
    fn next_data(&mut self, from: u64) -> io::Result<Option<Range<u64>>>;
}

/// Where bytes go. Called from several threads, never for the same byte at once.
pub trait Sink: Sync {
    /// Bytes that it can hold; nothing: it grows.
    fn capacity(&self) -> io::Result<Option<u64>>;

    /// Called once before the first write. Below `keep` stands what an earlier copy wrote. Tells from which byte on it is known to read as zeros
    /// where nothing is written; nothing: it is not.
    fn prepare(&self, total: u64, keep: u64) -> io::Result<Option<u64>>;

    /// Writes the beginning of `bytes` at `offset`; may write fewer, 0 is an error.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes a range read as zeros without writing them. False: it cannot do that here, and zeros must be written.
    fn zero(&self, offset: u64, length: u64) -> io::Result<bool>;

    /// Runs of zeros shorter than this are written rather than left out or zeroed: each has its price.
    fn zero_grain(&self) -> usize {
        32 << 10
    }

    /// Everything that was written has reached the disk when it returns.
    fn sync(&self) -> io::Result<()>;

    /// Reads back what was written, past the page cache where that is possible.
    fn reader(&self) -> &dyn Source;

    /// Which bytes can hold something else than zeros, now; for reading back.
    fn written(&self) -> io::Result<Box<dyn Map + '_>>;
}
