//! The NBD source against QEMU's own server, and against servers that lie.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may stop at what it did not expect"
)]
#![allow(clippy::disallowed_methods, reason = "a test lays images out in a directory of its own")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use domkeep::copy::{Map, NbdSource, Source};

/// Ends with the test, whatever becomes of it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn qemus_server_is_read_as_its_image_is() {
    let dir = tempfile::tempdir().unwrap();
    let (image, socket) = (dir.path().join("disk.qcow2"), dir.path().join("sock"));
    let made = |words: &[&str]| {
        let output = Command::new(words[0]).args(&words[1..]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let image_name = image.to_str().unwrap();
    let write = "write -q -P 0x5a 1M 192k";
    if !made(&["qemu-img", "create", "-q", "-f", "qcow2", image_name, "9M"]) || !made(&["qemu-io", "-f", "qcow2", "-c", write, image_name])
    {
        eprintln!("skipped: there is no qemu-img here");
        return;
    }
    let mut command = Command::new("qemu-nbd");
    command.args(["-r", "-t", "-e", "4", "-f", "qcow2", "-x", "vda", "-k"]).arg(&socket).arg(&image).stdin(Stdio::null());
    let _server = Server(command.spawn().unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    let stream = loop {
        match UnixStream::connect(&socket) {
            Ok(stream) => break stream,
            Err(error) if Instant::now() > until => panic!("qemu-nbd does not listen: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let source = NbdSource::open(stream, "vda", None).unwrap();
    assert_eq!(source.bytes().unwrap(), 9 << 20);
    let mut map = source.map().unwrap();
    assert_eq!(map.next_data(0).unwrap(), Some((1 << 20)..(1 << 20) + (192 << 10)), "what is zero would be read, or what is data left out");
    assert_eq!(map.next_data((1 << 20) + (192 << 10)).unwrap(), None);
    let mut bytes = vec![1; 1 << 20];
    assert_eq!(source.read_at(&mut bytes, (1 << 20) - 4096).unwrap(), 1 << 20);
    let filled = |range: std::ops::Range<usize>, byte: u8| bytes[range].iter().all(|found| *found == byte);
    assert!(
        filled(0..4096, 0) && filled(4096..4096 + (192 << 10), 0x5a) && filled(4096 + (192 << 10)..1 << 20, 0),
        "other bytes than the image's"
    );
    assert_eq!(source.read_at(&mut bytes, (9 << 20) - 512).unwrap(), 512, "the end of the disk is read wrongly");
    assert_eq!(source.read_at(&mut bytes, 9 << 20).unwrap(), 0);
    let other = NbdSource::open(UnixStream::connect(&socket).unwrap(), "vdb", None).unwrap_err();
    assert!(other.to_string().contains("no export"), "{other}");
    assert!(
        NbdSource::open(UnixStream::connect(&socket).unwrap(), "vda", Some("backup-vda")).is_err(),
        "a bitmap that is not kept was believed"
    );
}

const DISK: u64 = 1 << 20;

/// Shakes hands as a server does, then answers each request with what `answer` makes of its type, cookie, offset and length.
fn liar(answer: impl Fn(u16, [u8; 8], u64, u32) -> Vec<u8> + Send + 'static) -> std::io::Result<NbdSource> {
    let (mut stream, theirs) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        let mut serve = || -> std::io::Result<()> {
            stream.write_all(b"NBDMAGICIHAVEOPT\0\x03")?;
            let mut flags = [0; 4];
            stream.read_exact(&mut flags)?;
            loop {
                let mut head = [0; 16];
                stream.read_exact(&mut head)?;
                let option = u32::from_be_bytes(head[8..12].try_into().unwrap());
                let mut data = vec![0; u32::from_be_bytes(head[12..16].try_into().unwrap()) as usize];
                stream.read_exact(&mut data)?;
                let mut say = |kind: u32, data: &[u8]| {
                    let mut message = 0x0003_e889_0455_65a9_u64.to_be_bytes().to_vec();
                    message.extend([option.to_be_bytes(), kind.to_be_bytes(), (data.len() as u32).to_be_bytes()].concat());
                    message.extend(data);
                    stream.write_all(&message)
                };
                if option == 10 {
                    say(4, b"\0\0\0\x07base:allocation")?;
                }
                if option == 7 {
                    say(3, &[&[0, 0], DISK.to_be_bytes().as_slice(), &[0, 3]].concat())?;
                }
                say(1, &[])?;
                if option == 7 {
                    break;
                }
            }
            loop {
                let mut head = [0; 28];
                stream.read_exact(&mut head)?;
                let kind = u16::from_be_bytes(head[6..8].try_into().unwrap());
                let offset = u64::from_be_bytes(head[16..24].try_into().unwrap());
                let length = u32::from_be_bytes(head[24..28].try_into().unwrap());
                let said = answer(kind, head[8..16].try_into().unwrap(), offset, length);
                if said.is_empty() {
                    return Ok(());
                }
                stream.write_all(&said)?;
            }
        };
        let _ = serve();
    });
    NbdSource::open(theirs, "vda", None)
}

fn chunk(cookie: [u8; 8], flags: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut message = 0x668e_33ef_u32.to_be_bytes().to_vec();
    message.extend([flags.to_be_bytes(), kind.to_be_bytes()].concat());
    message.extend(cookie);
    message.extend((payload.len() as u32).to_be_bytes());
    message.extend(payload);
    message
}

fn data(offset: u64, length: u32) -> Vec<u8> {
    let mut payload = offset.to_be_bytes().to_vec();
    payload.resize(8 + length as usize, 0x77);
    payload
}

#[test]
fn a_server_that_sends_less_or_more_or_elsewhere_is_not_believed() {
    type Lie = fn([u8; 8], u64, u32) -> Vec<u8>;
    let lies: [(&str, Lie); 7] = [
        ("half of it", |cookie, offset, length| chunk(cookie, 1, 1, &data(offset, length / 2))),
        ("bytes from beyond", |cookie, offset, length| chunk(cookie, 1, 1, &data(offset + 4096, length))),
        ("bytes from before", |cookie, offset, length| chunk(cookie, 1, 1, &data(offset.saturating_sub(4096), length))),
        ("the first half twice", |cookie, offset, length| {
            [chunk(cookie, 0, 1, &data(offset, length / 2)), chunk(cookie, 1, 1, &data(offset, length / 2))].concat()
        }),
        ("an answer to somebody else", |_, offset, length| chunk([9; 8], 1, 1, &data(offset, length))),
        ("a hole without end", |cookie, offset, _| {
            chunk(cookie, 1, 2, &[offset.to_be_bytes().as_slice(), &u32::MAX.to_be_bytes()].concat())
        }),
        ("nothing", |_, _, _| Vec::new()),
    ];
    for (what, lie) in lies {
        let source = liar(move |_, cookie, offset, length| lie(cookie, offset, length)).unwrap();
        let mut bytes = vec![0; 8192];
        assert!(source.read_at(&mut bytes, 8192).is_err(), "{what} was taken for the disk");
        assert!(source.read_at(&mut bytes, 0).is_err(), "after {what} the connection was used again");
    }
}

#[test]
fn an_error_of_one_range_is_no_error_of_the_connection() {
    let source = liar(|_, cookie, offset, length| match offset {
        0 => chunk(cookie, 1, 0x8001, &[0, 0, 0, 5, 0, 0]),
        _ => chunk(cookie, 1, 1, &data(offset, length)),
    });
    let source = source.unwrap();
    let mut bytes = vec![0; 4096];
    assert_eq!(source.read_at(&mut bytes, 0).unwrap_err().raw_os_error(), Some(5), "a bad sector would end the backup, or hide in it");
    assert_eq!(source.read_at(&mut bytes, 4096).unwrap(), 4096, "the rest of the disk could not be read any more");
    assert!(bytes.iter().all(|byte| *byte == 0x77));
}

#[test]
fn a_cut_connection_is_never_a_bad_sector() {
    let source = liar(|_, _, _, _| Vec::new()).unwrap();
    let error = source.read_at(&mut [0; 4096], 0).unwrap_err();
    assert_eq!(error.raw_os_error(), None, "zeros would stand in the backup for all that was not read: {error}");
    assert!(error.to_string().contains("closed the connection"), "{error}");
}

#[test]
fn a_map_that_ends_nowhere_is_refused() {
    for lengths in [&[0_u32][..], &[]] {
        let source = liar(move |_, cookie, _, _| {
            let mut payload = 7_u32.to_be_bytes().to_vec();
            payload.extend(lengths.iter().flat_map(|length| [length.to_be_bytes(), 0_u32.to_be_bytes()].concat()));
            chunk(cookie, 1, 5, &payload)
        });
        assert!(source.unwrap().map().is_err(), "a map that tells nothing was asked for again and again, or believed");
    }
    let source = liar(|_, cookie, _, length| {
        let mut payload = 7_u32.to_be_bytes().to_vec();
        payload.extend([(length / 2).to_be_bytes(), 3_u32.to_be_bytes(), u32::MAX.to_be_bytes(), 0_u32.to_be_bytes()].concat());
        chunk(cookie, 1, 5, &payload)
    });
    let mut map = source.unwrap().map().unwrap();
    assert_eq!(map.next_data(0).unwrap(), Some(DISK / 2..DISK), "what reaches beyond the disk is cut off at its end");
}
