//! The shapes of a capture's files, as the module above describes them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::host::{DeviceFacts, HostError, Listing, Space, Stat};
use crate::model::{Extent, HostPath};

pub const SCHEMA: u32 = 1;
pub const HEAD: &str = "capture.toml";
pub const ANSWERS: &str = "answers.jsonl";
pub const BLOBS: &str = "blobs";

/// `capture.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub schema: u32,
    pub domkeep: String,
    pub host: String,
    pub taken: DateTime<Utc>,
    pub place: String,
    #[serde(default)]
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bytes {
    Text(String),
    Hex { hex: String },
    Blob { blob: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Got<T> {
    Answer(T),
    Failed(HostError),
}

impl<T> Got<T> {
    pub fn into_result(self) -> Result<T, HostError> {
        match self {
            Self::Answer(answer) => Ok(answer),
            Self::Failed(error) => Err(error),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub exit: i32,
    pub stdout: Bytes,
    pub stderr: Bytes,
    pub milliseconds: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    pub bytes: Bytes,
    #[serde(default)]
    pub end: bool,
}

/// One line of `answers.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Line {
    Run {
        program: String,
        args: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stdin: Option<Bytes>,
        #[serde(flatten)]
        got: Got<Said>,
    },
    Read {
        path: HostPath,
        offset: u64,
        #[serde(flatten)]
        got: Got<Piece>,
    },
    List {
        path: HostPath,
        #[serde(flatten)]
        got: Got<Listing>,
    },
    Stat {
        path: HostPath,
        follow: bool,
        #[serde(flatten)]
        got: Got<Stat>,
    },
    Resolve {
        path: HostPath,
        #[serde(flatten)]
        got: Got<HostPath>,
    },
    Readlink {
        path: HostPath,
        #[serde(flatten)]
        got: Got<HostPath>,
    },
    Extents {
        path: HostPath,
        #[serde(flatten)]
        got: Got<Vec<Extent>>,
    },
    Space {
        path: HostPath,
        #[serde(flatten)]
        got: Got<Space>,
    },
    Device {
        path: HostPath,
        #[serde(flatten)]
        got: Got<DeviceFacts>,
    },
    Missing {
        path: HostPath,
    },
}

pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// A blob is named by one plain component, so that no name leads out of the folder.
pub fn is_blob_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
