//! What would tell that somebody wrote to a disk: size, times and inode of files, write counters of devices, samples of the bytes, the volume's
//! identity. Remembered in one moment and compared in another: while a disk is copied, and as long as a save image waits to be resumed.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`disk`] | looks at one disk, and tells what differs |
//! | [`record`] | the file beside a save image, and what it says of the disks now |

pub mod disk;
pub mod record;

pub use disk::{Disk, Reading, Seen};
