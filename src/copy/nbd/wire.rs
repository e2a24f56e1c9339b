//! The messages of the protocol, one by one. All numbers are big-endian.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

pub const MAGIC: &[u8; 8] = b"NBDMAGIC";
pub const OPTION: &[u8; 8] = b"IHAVEOPT";
pub const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
pub const REQUEST: u32 = 0x2560_9513;
pub const STRUCTURED_REPLY: u32 = 0x668e_33ef;

/// Handshake flags of both sides: fixed newstyle, no padding of zeros.
pub const FIXED_NEWSTYLE: u16 = 1;
pub const NO_ZEROES: u16 = 2;

pub const OPT_GO: u32 = 7;
pub const OPT_STRUCTURED_REPLY: u32 = 8;
pub const OPT_SET_META_CONTEXT: u32 = 10;

pub const REP_ACK: u32 = 1;
pub const REP_INFO: u32 = 3;
pub const REP_META_CONTEXT: u32 = 4;
pub const REP_ERROR: u32 = 1 << 31;
pub const INFO_EXPORT: u16 = 0;

pub const CMD_READ: u16 = 0;
pub const CMD_DISC: u16 = 2;
pub const CMD_BLOCK_STATUS: u16 = 7;

pub const CHUNK_DONE: u16 = 1;
pub const CHUNK_NONE: u16 = 0;
pub const CHUNK_DATA: u16 = 1;
pub const CHUNK_HOLE: u16 = 2;
pub const CHUNK_STATUS: u16 = 5;
/// Any type with this bit is an error, also one that is not known yet.
const CHUNK_IS_ERROR: u16 = 1 << 15;

/// Of one answer while options are haggled about, and of one that is no data.
const MOST_SAID: u32 = 64 << 10;
/// Of one answer with data or a map.
const MOST_ANSWERED: u32 = 40 << 20;

pub fn protocol(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the NBD server sent what it should not: {what}"))
}

/// A part of the answer to a read.
#[derive(Debug)]
pub enum Chunk<'a> {
    Data { offset: u64, bytes: &'a [u8] },
    Hole { offset: u64, length: usize },
    Error(io::Error),
}

/// One connection. After the first error it is closed: nobody knows where the next message begins.
#[derive(Debug)]
pub struct Wire {
    stream: Option<UnixStream>,
    cookie: u64,
    room: Vec<u8>,
    /// The options are settled: requests are understood.
    settled: bool,
}

impl Wire {
    /// The handshake up to structured replies, without which no map is told.
    pub fn greet(stream: UnixStream) -> io::Result<Self> {
        let mut wire = Self { stream: Some(stream), cookie: 0, room: Vec::new(), settled: false };
        let hello: [u8; 18] = wire.take()?;
        let flags = u16::from_be_bytes([hello[16], hello[17]]);
        if !hello.starts_with(MAGIC) || hello.get(8..16) != Some(OPTION.as_slice()) || flags & FIXED_NEWSTYLE == 0 {
            return Err(wire.broken("it is no NBD server of this century"));
        }
        let ours = FIXED_NEWSTYLE | (flags & NO_ZEROES);
        wire.send(&u32::from(ours).to_be_bytes())?;
        wire.option(OPT_STRUCTURED_REPLY, &[])?;
        match wire.option_reply(OPT_STRUCTURED_REPLY)? {
            (REP_ACK, _) => Ok(wire),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "the NBD server knows no structured replies")),
        }
    }

    /// Numbers and names of the contexts that the server keeps of those that are wanted.
    pub fn contexts(&mut self, export: &str, wanted: &[String]) -> io::Result<Vec<(u32, String)>> {
        let mut data = counted(export)?;
        data.extend(u32::try_from(wanted.len()).unwrap_or(0).to_be_bytes());
        for name in wanted {
            data.extend(counted(name)?);
        }
        self.option(OPT_SET_META_CONTEXT, &data)?;
        let mut found = Vec::new();
        loop {
            match self.option_reply(OPT_SET_META_CONTEXT)? {
                (REP_ACK, _) => return Ok(found),
                (REP_META_CONTEXT, said) => {
                    let id = said.first_chunk::<4>().map(|id| u32::from_be_bytes(*id));
                    let name = said.get(4..).map(|name| String::from_utf8_lossy(name).into_owned());
                    let Some(pair) = id.zip(name).filter(|_| found.len() < wanted.len()) else {
                        return Err(self.broken("a context of no sense"));
                    };
                    found.push(pair);
                }
                // It keeps none at all.
                (kind, _) if kind & REP_ERROR != 0 => return Ok(found),
                _ => {}
            }
        }
    }

    /// Begins to use an export. Gives its bytes.
    pub fn go(&mut self, export: &str) -> io::Result<u64> {
        let mut data = counted(export)?;
        data.extend(0_u16.to_be_bytes());
        self.option(OPT_GO, &data)?;
        let mut bytes = None;
        loop {
            let (kind, said) = self.option_reply(OPT_GO)?;
            match kind {
                REP_ACK => {
                    self.settled = true;
                    return bytes.ok_or_else(|| self.broken("no size of its export"));
                }
                REP_INFO if said.first_chunk::<2>().map(|kind| u16::from_be_bytes(*kind)) == Some(INFO_EXPORT) => {
                    bytes = said.get(2..10).and_then(|size| size.first_chunk::<8>()).map(|size| u64::from_be_bytes(*size));
                }
                kind if kind & REP_ERROR != 0 => {
                    let why = String::from_utf8_lossy(&said).into_owned();
                    let why = format!("the NBD server has no export {export:?} for us ({:#x}) {why}", kind & !REP_ERROR);
                    return Err(io::Error::new(io::ErrorKind::NotFound, crate::model::shown::text(&why)));
                }
                _ => {}
            }
        }
    }

    /// Lengths and flags of the ranges from an offset on, in order.
    pub fn status(&mut self, context: u32, offset: u64, length: u64) -> io::Result<Vec<(u32, u32)>> {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let cookie = self.request(CMD_BLOCK_STATUS, offset, length)?;
        let mut ranges = Vec::new();
        let mut trouble = None;
        loop {
            let (flags, kind) = self.chunk(cookie)?;
            match kind {
                CHUNK_NONE => {}
                CHUNK_STATUS => {
                    let numbers: Vec<u32> = self
                        .room
                        .chunks_exact(4)
                        .filter_map(|four| four.first_chunk::<4>())
                        .map(|four| u32::from_be_bytes(*four))
                        .collect();
                    let pairs = numbers.get(1..).unwrap_or_default().chunks_exact(2);
                    if numbers.first() == Some(&context) {
                        ranges.extend(pairs.filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))));
                    }
                }
                kind if kind & CHUNK_IS_ERROR != 0 => trouble = Some(error_of(&self.room)),
                _ => return Err(self.broken("an answer that does not fit a question for a map")),
            }
            if flags & CHUNK_DONE != 0 {
                return trouble.map_or(Ok(ranges), Err);
            }
        }
    }

    /// Reads, and hands each part over as it comes. What the taker does not like ends the connection.
    pub fn read(&mut self, offset: u64, length: usize, taker: &mut dyn FnMut(Chunk<'_>) -> Result<(), &'static str>) -> io::Result<()> {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let cookie = self.request(CMD_READ, offset, length)?;
        loop {
            let (flags, kind) = self.chunk(cookie)?;
            let room = std::mem::take(&mut self.room);
            let taken = match (kind, room.split_first_chunk::<8>().map(|(at, rest)| (u64::from_be_bytes(*at), rest))) {
                (CHUNK_NONE, _) => Ok(()),
                (CHUNK_DATA, Some((offset, bytes))) => taker(Chunk::Data { offset, bytes }),
                (CHUNK_HOLE, Some((offset, rest))) => match rest.first_chunk::<4>().map(|length| u32::from_be_bytes(*length)) {
                    Some(length) => taker(Chunk::Hole { offset, length: usize::try_from(length).unwrap_or(usize::MAX) }),
                    None => Err("a hole without a length"),
                },
                (kind, _) if kind & CHUNK_IS_ERROR != 0 => taker(Chunk::Error(error_of(&room))),
                _ => Err("an answer that does not fit a read"),
            };
            self.room = room;
            taken.map_err(|what| self.broken(what))?;
            if flags & CHUNK_DONE != 0 {
                return Ok(());
            }
        }
    }

    /// What was said makes no sense: nothing more is heard.
    pub fn broken(&mut self, what: &str) -> io::Error {
        self.stream = None;
        protocol(what)
    }

    fn request(&mut self, command: u16, offset: u64, length: u32) -> io::Result<u64> {
        self.cookie = self.cookie.wrapping_add(1);
        let mut message = Vec::with_capacity(28);
        message.extend(REQUEST.to_be_bytes());
        message.extend(0_u16.to_be_bytes());
        message.extend(command.to_be_bytes());
        message.extend(self.cookie.to_be_bytes());
        message.extend(offset.to_be_bytes());
        message.extend(length.to_be_bytes());
        self.send(&message)?;
        Ok(self.cookie)
    }

    /// One part of an answer, its payload in `room`: its flags and type.
    fn chunk(&mut self, cookie: u64) -> io::Result<(u16, u16)> {
        let head: [u8; 20] = self.take()?;
        let (magic, rest) = head.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
        let (flags, rest) = rest.split_first_chunk::<2>().unwrap_or((&[0; 2], &[]));
        let (kind, rest) = rest.split_first_chunk::<2>().unwrap_or((&[0; 2], &[]));
        let (whose, rest) = rest.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let length = rest.first_chunk::<4>().map_or(u32::MAX, |length| u32::from_be_bytes(*length));
        if u32::from_be_bytes(*magic) != STRUCTURED_REPLY || u64::from_be_bytes(*whose) != cookie {
            return Err(self.broken("an answer to nothing that was asked"));
        }
        if length > MOST_ANSWERED {
            return Err(self.broken("an answer without bounds"));
        }
        self.room.resize(usize::try_from(length).unwrap_or(0), 0);
        let mut room = std::mem::take(&mut self.room);
        let filled = self.fill(&mut room);
        self.room = room;
        filled?;
        Ok((u16::from_be_bytes(*flags), u16::from_be_bytes(*kind)))
    }

    fn option(&mut self, option: u32, data: &[u8]) -> io::Result<()> {
        let mut message = OPTION.to_vec();
        message.extend(option.to_be_bytes());
        message.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
        message.extend(data);
        self.send(&message)
    }

    fn option_reply(&mut self, option: u32) -> io::Result<(u32, Vec<u8>)> {
        let magic = u64::from_be_bytes(self.take()?);
        let whose = u32::from_be_bytes(self.take()?);
        let kind = u32::from_be_bytes(self.take()?);
        let length = u32::from_be_bytes(self.take()?);
        if magic != OPTION_REPLY || whose != option || length > MOST_SAID {
            return Err(self.broken("an answer to no option that was asked for"));
        }
        let mut said = vec![0; usize::try_from(length).unwrap_or(0)];
        self.fill(&mut said)?;
        Ok((kind, said))
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Err(gone()) };
        let sent = stream.write_all(message);
        if sent.is_err() {
            self.stream = None;
        }
        sent.map_err(|error| told(&error))
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, into: &mut [u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Err(gone()) };
        let read = stream.read_exact(into);
        if read.is_err() {
            self.stream = None;
        }
        read.map_err(|error| told(&error))
    }
}

impl Drop for Wire {
    /// A server that is told writes no complaint into its log.
    fn drop(&mut self) {
        if self.settled {
            let _ = self.request(CMD_DISC, 0, 0);
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the connection to the NBD server was lost")
}

/// In words that say what happened rather than which call failed. Never an error of one range of the disk.
fn told(error: &io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the NBD server closed the connection: the backup job has ended, or the domain stopped",
        ),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::ConnectionAborted, "the NBD server does not answer any more")
        }
        _ => io::Error::new(error.kind(), format!("the connection to the NBD server: {error}")),
    }
}

/// The numbers of the protocol are those of Linux.
fn error_of(payload: &[u8]) -> io::Error {
    let code = payload.first_chunk::<4>().and_then(|code| i32::try_from(u32::from_be_bytes(*code)).ok());
    code.filter(|code| *code > 0).map_or_else(|| protocol("an error without a number"), io::Error::from_raw_os_error)
}

fn counted(text: &str) -> io::Result<Vec<u8>> {
    let length = u32::try_from(text.len()).ok().filter(|length| *length <= 4096);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a name longer than the protocol has room for"))?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    Ok(bytes)
}
