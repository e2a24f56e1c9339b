//! Files of the demo machine that share their blocks: the machine's file systems are only described, so that the bytes are copied below them,
//! holes left out.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::host::Answer;

const PIECE: u64 = 1 << 20;

pub fn copy(from: &File, to: &File) -> Answer<()> {
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let mut at = 0;
    while at < length {
        let data = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(data) => data,
            // Nothing but a hole up to its end.
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let hole = rustix::fs::seek(from, SeekFrom::Hole(data))?;
        at = data;
        while at < hole {
            let mut piece = vec![0; usize::try_from((hole - at).min(PIECE)).unwrap_or(0)];
            let read = from.read_at(&mut piece, at)?;
            if read == 0 {
                break;
            }
            to.write_all_at(piece.get(..read).unwrap_or_default(), at)?;
            at += read as u64;
        }
        at = at.max(hole);
    }
    Ok(())
}
