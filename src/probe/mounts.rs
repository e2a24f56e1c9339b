//! Mounts of dom0: /proc/self/mountinfo, or /proc/mounts where that is not there (proc(5)).

use crate::model::{HostPath, MountUse};

/// A mount with the device number that mountinfo tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    pub number: Option<(u32, u32)>,
    pub mount: MountUse,
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`.
pub fn parse_mountinfo(bytes: &[u8]) -> Vec<Mount> {
    bytes.split(|b| *b == b'\n').filter_map(mountinfo_line).collect()
}

fn mountinfo_line(line: &[u8]) -> Option<Mount> {
    let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let dash = words.iter().position(|word| *word == b"-")?;
    let (major, minor) = std::str::from_utf8(words.get(2)?).ok()?.split_once(':')?;
    Some(Mount {
        number: Some((major.parse().ok()?, minor.parse().ok()?)),
        mount: mount(
            words.get(dash + 2)?,
            words.get(4)?,
            words.get(dash + 1)?,
            words.get(5)?,
            words.get(dash + 3).copied().unwrap_or_default(),
        ),
    })
}

/// `/dev/vda / ext4 rw,noatime 0 0`.
pub fn parse_proc_mounts(bytes: &[u8]) -> Vec<Mount> {
    bytes
        .split(|b| *b == b'\n')
        .filter_map(|line| {
            let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
            Some(Mount { number: None, mount: mount(words.first()?, words.get(1)?, words.get(2)?, words.get(3)?, b"") })
        })
        .collect()
}

fn mount(source: &[u8], at: &[u8], fs: &[u8], options: &[u8], super_options: &[u8]) -> MountUse {
    let read_only = |options: &[u8]| options.split(|b| *b == b',').any(|option| option == b"ro");
    MountUse {
        source: String::from_utf8_lossy(&unescape(source)).into_owned(),
        at: HostPath::from_bytes(&unescape(at)),
        read_write: !read_only(options) && !read_only(super_options),
        fs: String::from_utf8_lossy(&unescape(fs)).into_owned(),
    }
}

/// Blanks, tabs, line ends and backslashes stand as `\040` and so on.
pub fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|digits| byte == b'\\' && digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        if let Some(digits) = octal {
            let value = digits.iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
            out.push((value & 0xff) as u8);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    out
}

/// File systems whose answer can take for ever when a server is gone: nothing on them is asked but by name.
pub fn is_network(fs: &str) -> bool {
    fs.starts_with("nfs")
        || matches!(fs, "cifs" | "smb3" | "ceph" | "9p" | "glusterfs" | "fuse.glusterfs" | "fuse.sshfs" | "afs" | "lustre")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let info = parse_mountinfo(b"36 35 253:0 / /mnt/a\\040b rw,noatime shared:1 - ext4 /dev/mapper/vg-a rw\nrubbish\n");
        let plain = parse_proc_mounts(b"/dev/mapper/vg-a /mnt/a\\040b ext4 rw,noatime 0 0\n");
        assert_eq!(info[0].mount, plain[0].mount, "a mounted guest disk would be seen on one kernel and not on another");
        assert_eq!(info[0].number, Some((253, 0)));
        assert!(!parse_proc_mounts(b"/dev/a /b ext4 ro 0 0")[0].mount.read_write);
    }

    proptest::proptest! {
        #[test]
        fn no_table_can_panic_the_readers(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse_mountinfo(&bytes);
            let _ = parse_proc_mounts(&bytes);
        }
    }
}
