//! What must not be the same in two domains: uuid and MAC addresses. Made of the job's random id, so that a plan is one and the same however
//! often it is made with that id.

use crate::model::JobId;

/// The first three bytes of every MAC address that Xen gives (its own range at the IEEE).
const XEN: &str = "00:16:3e";

fn bytes<const N: usize>(id: &JobId, clone: &str, what: &str) -> [u8; N] {
    let mut out = [0; N];
    let mut hash = blake3::Hasher::new();
    for part in [id.as_str(), clone, what] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize_xof().fill(&mut out);
    out
}

/// A uuid of version 4 (RFC 4122).
pub(super) fn uuid(id: &JobId, clone: &str, what: &str) -> String {
    let mut number = u128::from_be_bytes(bytes(id, clone, what));
    number = number & !(0xf << 76) | 4 << 76;
    number = number & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

pub(super) fn mac(id: &JobId, clone: &str, interface: usize) -> String {
    let [a, b, c] = bytes(id, clone, &format!("mac {interface}"));
    format!("{XEN}:{:02x}:{b:02x}:{c:02x}", a & 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::at;

    #[test]
    fn no_two_clones_have_the_same_identity() {
        let id = JobId::new(at(0), 7);
        let uuid = uuid(&id, "web02", "domain");
        assert_eq!((uuid.len(), uuid.as_bytes()[14], b"89ab".contains(&uuid.as_bytes()[19])), (36, b'4', true), "{uuid} is no uuid");
        assert_ne!(uuid, super::uuid(&id, "web03", "domain"));
        assert_ne!(mac(&id, "web02", 0), mac(&id, "web02", 1), "two interfaces of one clone would have one address");
        assert_ne!(mac(&id, "web02", 0), mac(&JobId::new(at(0), 8), "web02", 0), "every job would give the same addresses");
        assert!(mac(&id, "web02", 0).starts_with("00:16:3e:"));
    }
}
