//! Sizes as they are written, and identifiers that are always the same for the same seed.

/// A size as LVM's options and the machines' descriptions write it: a number and one of k, m, g, t; MiB without one.
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let shift = match text.get(digits.len()..)?.trim().to_ascii_lowercase().as_str() {
        "b" | "byte" | "bytes" => 0,
        "k" | "kib" => 10,
        "" | "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A uuid that is always the same for the same seed, so that screens can be compared.
pub fn uuid(seed: &str) -> String {
    let hash = blake3::hash(seed.as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    uuid_text(bytes)
}

pub fn uuid_text(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&at) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

pub fn uuid_bytes(text: &str) -> [u8; 16] {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let mut bytes = [0; 16];
    for (to, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *to = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0);
    }
    bytes
}

/// An LVM identifier, 6-4-4-4-4-4-6 letters and digits.
pub fn lvm_uuid(seed: &str) -> String {
    const LETTERS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let hash = blake3::hash(seed.as_bytes());
    let mut text = String::new();
    for (at, byte) in hash.as_bytes().iter().enumerate() {
        if [6, 10, 14, 18, 22, 26].contains(&at) {
            text.push('-');
        }
        text.extend(LETTERS.get(usize::from(*byte) % LETTERS.len()).map(|letter| char::from(*letter)));
    }
    text
}
