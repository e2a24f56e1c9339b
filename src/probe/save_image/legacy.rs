//! What can be said of a stream in the old libxc format (Xen 4.5 and older): it has neither a magic nor an end mark.

use super::{BytesAt, SaveSeen};

/// `start`: where the stream should begin.
pub(super) fn look(src: &dyn BytesAt, start: u64, seen: &mut SaveSeen) {
    if src.size() <= start {
        seen.broken(format!("cut at byte {}, before the guest's memory", src.size()));
    } else {
        seen.note("a memory stream of Xen 4.5 or older, which has no end mark: whether it is whole cannot be told from the file");
    }
}
