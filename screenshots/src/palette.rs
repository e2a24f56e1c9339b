//! What the sixteen colours look like in the pictures. A user's terminal has its own.

use domkeep_terminal::Color;

pub type Rgb = (u8, u8, u8);

pub const PAPER: Rgb = (0x15, 0x18, 0x1e);
pub const INK: Rgb = (0xd3, 0xd7, 0xde);
pub const BAR: Rgb = (0x23, 0x27, 0x30);
pub const QUIET: Rgb = (0x8b, 0x93, 0xa1);

const SIXTEEN: [Rgb; 16] = [
    (0x2b, 0x30, 0x3a),
    (0xe0, 0x6c, 0x6c),
    (0x8c, 0xc2, 0x6e),
    (0xe0, 0xb0, 0x5a),
    (0x6f, 0xa8, 0xe6),
    (0xc5, 0x88, 0xdb),
    (0x5f, 0xc3, 0xc6),
    (0xc8, 0xcd, 0xd6),
    (0x76, 0x7e, 0x8c),
    (0xff, 0x8a, 0x85),
    (0xa9, 0xdd, 0x8b),
    (0xf5, 0xcd, 0x7a),
    (0x93, 0xc4, 0xff),
    (0xdd, 0xa8, 0xf2),
    (0x83, 0xe0, 0xe2),
    (0xf4, 0xf6, 0xf9),
];

/// The levels of xterm's colour cube.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

pub fn resolve(color: Color, default: Rgb) -> Rgb {
    match color {
        Color::Default => default,
        Color::Rgb(red, green, blue) => (red, green, blue),
        Color::Index(index) => indexed(index),
    }
}

fn indexed(index: u8) -> Rgb {
    if let Some(color) = SIXTEEN.get(usize::from(index)) {
        return *color;
    }
    if index >= 232 {
        let grey = 8 + 10 * (index - 232);
        return (grey, grey, grey);
    }
    let level = |n: u8| CUBE.get(usize::from(n % 6)).copied().unwrap_or_default();
    let index = index - 16;
    (level(index / 36), level(index / 6), level(index))
}

/// Halfway to the background, as terminals draw faint text.
pub fn dimmed(ink: Rgb, paper: Rgb) -> Rgb {
    let mix = |ink: u8, paper: u8| ink.midpoint(paper);
    (mix(ink.0, paper.0), mix(ink.1, paper.1), mix(ink.2, paper.2))
}

pub fn hex((red, green, blue): Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cube_and_the_greys_are_xterms() {
        assert_eq!(indexed(16), (0, 0, 0));
        assert_eq!(indexed(196), (255, 0, 0));
        assert_eq!(indexed(67), (95, 135, 175));
        assert_eq!((indexed(232), indexed(255)), ((8, 8, 8), (238, 238, 238)));
    }
}
