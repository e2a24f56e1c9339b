//! A path on the looked-at host, which need not be UTF-8 and need not be on this machine.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path of the looked-at host.
///
/// In JSON it is the path itself when it is UTF-8; otherwise U+0000 followed by `hex:` and its bytes in hexadecimal
/// (no path holds a NUL, so the two cannot be confused). On a screen it goes through [`crate::model::shown`].
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPath(PathBuf);

const NOT_UTF8: &str = "\0hex:";

impl HostPath {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(PathBuf::from(OsStr::from_bytes(bytes)))
    }

    pub fn as_path(&self) -> &Path {
        &self.0
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_os_str().as_bytes()
    }

    pub fn is_absolute(&self) -> bool {
        self.0.is_absolute()
    }

    pub fn is_empty(&self) -> bool {
        self.0.as_os_str().is_empty()
    }

    /// The last part of the path, or nothing for `/` and `..`.
    pub fn file_name(&self) -> Option<String> {
        self.0.file_name().map(|n| n.to_string_lossy().into_owned())
    }

    #[must_use]
    pub fn join(&self, part: impl AsRef<Path>) -> Self {
        Self(self.0.join(part))
    }

    pub fn starts_with(&self, base: impl AsRef<Path>) -> bool {
        self.0.starts_with(base)
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::shown::bytes(self.as_bytes()))
    }
}

impl fmt::Debug for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl From<&str> for HostPath {
    fn from(text: &str) -> Self {
        Self(PathBuf::from(text))
    }
}

impl From<String> for HostPath {
    fn from(text: String) -> Self {
        Self(PathBuf::from(text))
    }
}

impl From<&Path> for HostPath {
    fn from(path: &Path) -> Self {
        Self(path.to_path_buf())
    }
}

impl From<PathBuf> for HostPath {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

impl AsRef<Path> for HostPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Serialize for HostPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = self.0.to_str() {
            serializer.serialize_str(text)
        } else {
            let mut text = String::from(NOT_UTF8);
            for byte in self.as_bytes() {
                text.push_str(&format!("{byte:02x}"));
            }
            serializer.serialize_str(&text)
        }
    }
}

impl<'de> Deserialize<'de> for HostPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let Some(hex) = text.strip_prefix(NOT_UTF8) else {
            return Ok(Self::from(text));
        };
        let digits: Option<Vec<u8>> =
            (0..hex.len()).step_by(2).map(|at| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect();
        let bytes = digits.ok_or_else(|| serde::de::Error::custom("a path in hexadecimal has a digit that is none"))?;
        Ok(Self(PathBuf::from(std::ffi::OsString::from_vec(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_json_whatever_its_bytes() {
        for bytes in [b"/etc/xen/web.cfg".as_slice(), b"/tmp/\xff\x01\n", b""] {
            let path = HostPath::from_bytes(bytes);
            let back: HostPath = serde_json::from_str(&serde_json::to_string(&path).unwrap()).unwrap();
            assert_eq!(back, path, "a file that a capture names could not be found again in the replay");
        }
    }
}
