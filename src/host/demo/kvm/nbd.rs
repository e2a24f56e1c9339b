//! QEMU's NBD server, as far as somebody who only reads asks it: one connection, on a thread of this process, over a pair of sockets.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

/// QEMU tells what is data in clusters of this size.
const CLUSTER: usize = 64 << 10;

/// Names and files of the exports; the other end of the connection.
pub fn serve(exports: Vec<(String, File)>) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    std::thread::Builder::new().name("demo-nbd".to_owned()).spawn(move || {
        // Who hangs up is served no more.
        let _ = Server { stream: ours, exports, export: None, map: false }.run();
    })?;
    Ok(theirs)
}

struct Server {
    stream: UnixStream,
    exports: Vec<(String, File)>,
    export: Option<usize>,
    /// `base:allocation` was asked for.
    map: bool,
}

impl Server {
    fn run(mut self) -> io::Result<()> {
        // Fixed newstyle, no padding.
        self.stream.write_all(b"NBDMAGICIHAVEOPT\0\x03")?;
        let _flags: [u8; 4] = self.take()?;
        while self.export.is_none() {
            let _magic: [u8; 8] = self.take()?;
            let option = u32::from_be_bytes(self.take()?);
            let length = u32::from_be_bytes(self.take()?).min(4096);
            let data = self.bytes(length)?;
            match option {
                7 => self.go(&data)?,
                8 => self.answer(option, 1, &[])?,
                10 => {
                    if data.windows(15).any(|part| part == b"base:allocation") {
                        self.map = true;
                        self.answer(option, 4, b"\0\0\0\x01base:allocation")?;
                    }
                    self.answer(option, 1, &[])?;
                }
                _ => self.answer(option, (1 << 31) | 1, b"unknown")?,
            }
        }
        while self.request()? {}
        Ok(())
    }

    fn go(&mut self, data: &[u8]) -> io::Result<()> {
        let length = data.first_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length) as usize);
        let name = data.get(4..4 + length).unwrap_or_default();
        let Some(at) = self.exports.iter().position(|(export, _)| export.as_bytes() == name) else {
            return self.answer(7, (1 << 31) | 6, b"no such export");
        };
        let size = self.file(at)?.metadata()?.len();
        let mut info = vec![0, 0];
        info.extend(size.to_be_bytes());
        // Has flags, read-only.
        info.extend(3_u16.to_be_bytes());
        self.answer(7, 3, &info)?;
        self.answer(7, 1, &[])?;
        self.export = Some(at);
        Ok(())
    }

    fn file(&self, at: usize) -> io::Result<&File> {
        self.exports.get(at).map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Whether there may be more.
    fn request(&mut self) -> io::Result<bool> {
        let head: [u8; 28] = self.take()?;
        let number =
            |from: usize| head.get(from..from + 8).and_then(|bytes| bytes.first_chunk::<8>()).map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let kind = u16::from_be_bytes([head[6], head[7]]);
        let (cookie, offset) = (number(8), number(16));
        let length = u64::from(u32::from_be_bytes([head[24], head[25], head[26], head[27]]));
        let file = self.file(self.export.unwrap_or_default())?;
        let size = file.metadata()?.len();
        if kind != 2 && offset.saturating_add(length) > size {
            self.chunk(cookie, 0x8001, b"\0\0\0\x16\0\0")?;
            return Ok(true);
        }
        match kind {
            0 => {
                let mut bytes = offset.to_be_bytes().to_vec();
                bytes.resize(8 + usize::try_from(length).unwrap_or(0), 0);
                file.read_exact_at(bytes.get_mut(8..).unwrap_or_default(), offset)?;
                self.chunk(cookie, 1, &bytes)?;
            }
            7 if self.map => {
                let status = status(file, offset, length)?;
                self.chunk(cookie, 5, &status)?;
            }
            7 => self.chunk(cookie, 0x8001, b"\0\0\0\x16\0\0")?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn chunk(&mut self, cookie: u64, kind: u16, payload: &[u8]) -> io::Result<()> {
        let mut message = 0x668e_33ef_u32.to_be_bytes().to_vec();
        message.extend(1_u16.to_be_bytes());
        message.extend(kind.to_be_bytes());
        message.extend(cookie.to_be_bytes());
        message.extend(u32::try_from(payload.len()).unwrap_or(0).to_be_bytes());
        message.extend(payload);
        self.stream.write_all(&message)
    }

    fn answer(&mut self, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
        let mut message = 0x0003_e889_0455_65a9_u64.to_be_bytes().to_vec();
        message.extend(option.to_be_bytes());
        message.extend(kind.to_be_bytes());
        message.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
        message.extend(data);
        self.stream.write_all(&message)
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn bytes(&mut self, length: u32) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// The context's number, then length and flags of each range: a hole that reads as zeros, or data.
fn status(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut out = 1_u32.to_be_bytes().to_vec();
    let (mut at, end) = (offset, offset.saturating_add(length));
    let mut last: Option<(u32, bool)> = None;
    let mut room = vec![0; CLUSTER];
    let push = |out: &mut Vec<u8>, (length, zero): (u32, bool)| {
        out.extend(length.to_be_bytes());
        out.extend(if zero { 3_u32 } else { 0 }.to_be_bytes());
    };
    while at < end {
        let now = usize::try_from(end - at).unwrap_or(CLUSTER).min(CLUSTER);
        let part = room.get_mut(..now).unwrap_or_default();
        file.read_exact_at(part, at)?;
        let zero = part.iter().all(|byte| *byte == 0);
        let length = u32::try_from(now).unwrap_or(0);
        last = match last {
            Some((before, was)) if was == zero => Some((before.saturating_add(length), zero)),
            other => {
                if let Some(run) = other {
                    push(&mut out, run);
                }
                Some((length, zero))
            }
        };
        at = at.saturating_add(now as u64);
    }
    if let Some(run) = last {
        push(&mut out, run);
    }
    Ok(out)
}
