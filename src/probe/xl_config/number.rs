//! Numbers as xl converts them: C's strtol with base 0, so that `010` is 8 and `0x10` is 16.

/// What strtol made of the start of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    pub value: i64,
    /// How many bytes were taken; 0 when there is no number at the start.
    pub taken: usize,
    /// The number does not fit and `value` is the nearest that does (ERANGE).
    pub out_of_range: bool,
}

/// Why a key has no number. xl warns and takes the key as not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberTrouble {
    NotSet,
    List,
    /// Built with `+=`.
    Added,
    Invalid,
    OutOfRange,
}

impl NumberTrouble {
    /// What xl does about it; nothing to say when the key simply is not set.
    pub fn words(self) -> Option<&'static str> {
        match self {
            Self::NotSet => None,
            Self::List => Some("a list stands where a single value belongs"),
            Self::Added => Some("a number cannot be built with `+=`"),
            Self::Invalid => Some("not a number"),
            Self::OutOfRange => Some("the number is too large"),
        }
    }
}

/// C's `strtol(text, &end, 0)` on a machine whose long has 64 bits.
pub fn strtol(text: &[u8]) -> Number {
    strtol_base(text, None)
}

/// [`strtol`] with a base of 10 or 16, or the C rule of prefixes for `None`.
pub(super) fn strtol_base(text: &[u8], base: Option<u32>) -> Number {
    let mut at = text.iter().take_while(|c| matches!(c, b' ' | b'\t'..=b'\r')).count();
    let negative = text.get(at) == Some(&b'-');
    if matches!(text.get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let hex_prefix =
        text.get(at) == Some(&b'0') && matches!(text.get(at + 1), Some(b'x' | b'X')) && text.get(at + 2).is_some_and(u8::is_ascii_hexdigit);
    let base = match base {
        Some(base) => base,
        None if hex_prefix => 16,
        None if text.get(at) == Some(&b'0') => 8,
        None => 10,
    };
    if base == 16 && hex_prefix {
        at += 2;
    }
    let first = at;
    let mut value: i64 = 0;
    let mut out_of_range = false;
    while let Some(digit) = text.get(at).and_then(|c| char::from(*c).to_digit(base)) {
        let step = value.checked_mul(i64::from(base)).and_then(|v| {
            let digit = i64::from(digit);
            if negative { v.checked_sub(digit) } else { v.checked_add(digit) }
        });
        match step {
            Some(next) if !out_of_range => value = next,
            _ => {
                out_of_range = true;
                value = if negative { i64::MIN } else { i64::MAX };
            }
        }
        at += 1;
    }
    if at == first { Number { value: 0, taken: 0, out_of_range: false } } else { Number { value, taken: at, out_of_range } }
}

/// A text that is nothing but a number.
pub fn whole(text: &[u8]) -> Result<i64, NumberTrouble> {
    let number = strtol(text);
    if number.out_of_range {
        Err(NumberTrouble::OutOfRange)
    } else if number.taken == 0 || number.taken != text.len() {
        Err(NumberTrouble::Invalid)
    } else {
        Ok(number.value)
    }
}
