//! What tests of several probes need.

use super::bytes_at::testing::Sparse;

/// The bytes of an `xxd` dump; they are placed at the dump's first offset, and lines that are no dump are passed over.
pub fn from_xxd(dump: &str) -> Vec<u8> {
    let lines = dump.lines().filter(|line| !line.starts_with(['#', '.']));
    let columns = lines.filter_map(|line| line.split_once(": ")).map(|(_, rest)| rest.split("  ").next().unwrap_or_default());
    let digits: String = columns.flat_map(str::chars).filter(char::is_ascii_hexdigit).collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// A large, mostly empty file out of a dump whose rows of zeros are left out; its size stands in a line `# size N`.
pub fn sparse_from_xxd(dump: &str) -> Sparse {
    let size = dump.lines().find_map(|line| line.strip_prefix("# size ")).and_then(|size| size.parse().ok()).unwrap();
    let rows = dump.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": "));
    Sparse::new(
        size,
        rows.map(|(at, _)| u64::from_str_radix(at, 16).unwrap()).zip(dump.lines().filter(|l| !l.starts_with('#')).map(from_xxd)).collect(),
    )
}
