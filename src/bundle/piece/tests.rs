//! A piece against its hashes: each thing that can be wrong with it is found and named.

use proptest::prelude::*;

use super::*;
use crate::bundle::hash_list::Writer;
use crate::bundle::testing::{disk, image};

fn list_of(bytes: &[u8]) -> (Vec<u8>, String) {
    let mut writer = Writer::new(Vec::new());
    bytes.chunks(1 << 20).for_each(|block| writer.push(BlockHash::of(block)).unwrap());
    let (list, summary) = writer.finish().unwrap();
    (list, summary.digest)
}

fn piece_of(bytes: &[u8]) -> (Piece, Vec<u8>) {
    let (list, digest) = list_of(bytes);
    (Piece { digest, ..disk("xvda.img", bytes.len() as u64) }, list)
}

fn read(piece: &Piece, bytes: &dyn ReadAt, length: u64, extents: &[Extent], list: &[u8]) -> PieceVerdict {
    verify_piece(piece, PieceFile { bytes, length, extents }, list, &|_| (), &AtomicBool::new(false))
}

fn verified(piece: &Piece, bytes: &[u8], list: &[u8]) -> PieceVerdict {
    read(piece, &bytes.to_vec(), bytes.len() as u64, &[], list)
}

#[test]
fn what_was_written_is_good_to_the_last_byte() {
    for bytes in [image(), Vec::new(), vec![0; 3 << 20], vec![7; 1 << 20]] {
        let (piece, list) = piece_of(&bytes);
        let told = Mutex::new(Progress::default());
        let file = PieceFile { bytes: &bytes, length: bytes.len() as u64, extents: &[] };
        let verdict = verify_piece(&piece, file, list.as_slice(), &|progress| *locked(&told) = *progress, &AtomicBool::new(false));
        assert!(verdict.good() && verdict.first_bad.is_none(), "a good backup was called bad: {verdict:?}");
        assert_eq!(locked(&told).done, bytes.len() as u64, "the bar would never reach its end");
    }
}

#[test]
fn neighbouring_wrong_blocks_are_one_range() {
    let (piece, list) = piece_of(&image());
    let mut wrong = image();
    wrong[(1 << 20) + 1] = 1;
    wrong[2 << 20] = 1;
    let verdict = verified(&piece, &wrong, &list);
    assert_eq!((verdict.first_bad, verdict.bad_blocks), (Some((1 << 20, 2 << 20)), 2));
    assert_eq!(verdict.troubles, ["2 of 4 blocks are not what was written, first bytes 1048576 to 3145727"]);
    wrong[(3 << 20) + 776] = 1;
    assert_eq!(verified(&piece, &wrong, &list).first_bad, Some((1 << 20, (2 << 20) + 777)), "the last block is shorter than the others");
}

#[test]
fn bytes_that_are_missing_or_too_many_are_named() {
    let (piece, list) = piece_of(&image());
    let verdict = verified(&piece, &image()[..(2 << 20) + 100], &list);
    assert_eq!(verdict.first_bad, Some(((2 << 20) + 100, (1 << 20) + 677)), "{verdict:?}");
    assert_eq!(verdict.troubles, ["its file has 2097252 bytes, not 3146505: it ends too early"]);
    let verdict = verified(&piece, &[image(), vec![0]].concat(), &list);
    assert_eq!(verdict.first_bad, Some(((3 << 20) + 777, 1)));
    assert!(!verified(&piece, &[], &list).good());
}

#[test]
fn a_list_that_is_not_the_manifests_is_told_even_when_the_bytes_fit() {
    let (piece, list) = piece_of(&image());
    let mut wrong = image();
    wrong[3] = 9;
    let (others, _) = list_of(&wrong);
    assert!(
        verified(&piece, &wrong, &others).troubles[0].contains("not the one"),
        "somebody changed a disk and its list, and nobody saw it"
    );
    let short = verified(&piece, &image(), &list[..list.len() - 65]);
    assert_eq!(short.troubles, ["its list of hashes has 3 lines for 4 blocks: the others could not be compared"]);
    let long = verified(&piece, &image(), &[list.as_slice(), b"zero\nzero\n"].concat());
    assert_eq!(long.troubles, ["its list of hashes has 6 lines for 4 blocks"]);
    let cut = verified(&piece, &image(), &list[..list.len() - 2]);
    assert!(cut.troubles[0].starts_with("its list of hashes is damaged at line 4:"), "{cut:?}");
}

#[test]
fn a_hole_is_zeros_and_is_not_read() {
    struct Never;
    impl ReadAt for Never {
        fn read_at(&self, _: &mut [u8], offset: u64) -> io::Result<usize> {
            panic!("a hole at {offset} was read: an empty disk of a TiB would take hours")
        }
    }
    let blocks = 65_536_u64;
    let mut writer = Writer::new(Vec::new());
    writer.zeros(blocks).unwrap();
    let (list, summary) = writer.finish().unwrap();
    let piece = Piece { digest: summary.digest, ..disk("xvda.img", blocks << 20) };
    let hole = |start: u64, length: u64| Extent { start, length, kind: ExtentKind::Zero };
    let verdict = read(&piece, &Never, blocks << 20, &[hole(0, 5000), hole(5000, (blocks << 20) - 5000)], &list);
    assert!(verdict.good(), "{verdict:?}");

    let (piece, list) = piece_of(&image());
    let verdict = read(&piece, &Never, piece.bytes, &[hole(0, piece.bytes)], &list);
    assert_eq!(verdict.first_bad, Some((0, 1 << 20)), "a disk that lost its data and became a hole passed for good");
    assert_eq!(verdict.bad_blocks, 3);
    let extents = [hole(0, (1 << 20) - 1), Extent { kind: ExtentKind::Data, ..hole((1 << 20) - 1, 1) }, hole(1 << 20, 1 << 20)];
    assert!(read(&piece, &image(), piece.bytes, &extents, &list).good(), "a block that is a hole only in part was not read");
}

#[test]
fn a_read_error_is_told_with_its_place_and_the_rest_is_read() {
    struct Broken(Vec<u8>);
    impl ReadAt for Broken {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            if (1 << 20..2 << 20).contains(&offset) {
                Err(io::Error::other("lost"))
            } else {
                self.0.read_at(&mut buffer[..1 << 19], offset)
            }
        }
    }
    let (piece, list) = piece_of(&vec![5; 4 << 20]);
    let verdict = read(&piece, &Broken(vec![5; 4 << 20]), piece.bytes, &[], &list);
    assert_eq!((verdict.first_bad, verdict.bad_blocks), (Some((1 << 20, 1 << 20)), 1));
    assert!(verdict.troubles.contains(&"it could not be read at byte 1048576: lost".to_owned()), "{verdict:?}");
}

#[test]
fn what_was_stopped_is_not_good() {
    let (piece, list) = piece_of(&image());
    let file = PieceFile { bytes: &image(), length: piece.bytes, extents: &[] };
    let verdict = verify_piece(&piece, file, list.as_slice(), &|_| (), &AtomicBool::new(true));
    assert!(!verdict.good(), "a backup of which nothing was read was called good");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_flipped_bit_anywhere_is_found_and_named(at in 0_usize..(3 << 20) + 777, bit in 0_u8..8) {
        let (piece, list) = piece_of(&image());
        let mut flipped = image();
        flipped[at] ^= 1 << bit;
        let verdict = verified(&piece, &flipped, &list);
        let (start, length) = verdict.first_bad.unwrap();
        prop_assert!(!verdict.good() && (start..start + length).contains(&(at as u64)), "{:?}", verdict);
    }
}
