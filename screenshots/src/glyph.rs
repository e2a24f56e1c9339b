//! Lines, blocks and shades as shapes: a font leaves gaps between rows, and each viewer has another font.

/// Pixels of one cell; DejaVu Sans Mono at 15 px is 9 px wide.
pub const WIDTH: f64 = 9.0;
pub const HEIGHT: f64 = 19.0;

#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// x, y, width, height within the cell.
    Rects(Vec<[f64; 4]>),
    /// Covers the whole cell, this much of it.
    Shade(f64),
    /// A quarter of a circle between two edges: from (x, y) by way of the centre to (x, y).
    Arc([f64; 4]),
}

/// The shape of a character, if it is one to be drawn.
pub fn shape(character: char) -> Option<Shape> {
    let [up, right, down, left] = match character {
        '─' => [0, 1, 0, 1],
        '│' => [1, 0, 1, 0],
        '┌' => [0, 1, 1, 0],
        '┐' => [0, 0, 1, 1],
        '└' => [1, 1, 0, 0],
        '┘' => [1, 0, 0, 1],
        '├' => [1, 1, 1, 0],
        '┤' => [1, 0, 1, 1],
        '┬' => [0, 1, 1, 1],
        '┴' => [1, 1, 0, 1],
        '┼' => [1, 1, 1, 1],
        '╴' => [0, 0, 0, 1],
        '╵' => [1, 0, 0, 0],
        '╶' => [0, 1, 0, 0],
        '╷' => [0, 0, 1, 0],
        '━' => [0, 3, 0, 3],
        '┃' => [3, 0, 3, 0],
        '┏' => [0, 3, 3, 0],
        '┓' => [0, 0, 3, 3],
        '┗' => [3, 3, 0, 0],
        '┛' => [3, 0, 0, 3],
        '┣' => [3, 3, 3, 0],
        '┫' => [3, 0, 3, 3],
        '┳' => [0, 3, 3, 3],
        '┻' => [3, 3, 0, 3],
        '╋' => [3, 3, 3, 3],
        '╭' => return Some(Shape::Arc([MIDDLE_X, HEIGHT, WIDTH, MIDDLE_Y])),
        '╮' => return Some(Shape::Arc([MIDDLE_X, HEIGHT, 0.0, MIDDLE_Y])),
        '╰' => return Some(Shape::Arc([MIDDLE_X, 0.0, WIDTH, MIDDLE_Y])),
        '╯' => return Some(Shape::Arc([MIDDLE_X, 0.0, 0.0, MIDDLE_Y])),
        _ => return block(character),
    };
    Some(Shape::Rects(arms(up, right, down, left)))
}

const MIDDLE_X: f64 = 4.5;
const MIDDLE_Y: f64 = 9.5;

/// Four arms from the middle, each so many pixels thick, 0 for none. They overlap in the middle, so that corners are closed.
fn arms(up: u8, right: u8, down: u8, left: u8) -> Vec<[f64; 4]> {
    let half = |thick: u8| f64::from(thick) / 2.0;
    let mut rects = Vec::new();
    let (across, along) = (half(left.max(right)), half(up.max(down)));
    if left > 0 && right > 0 {
        rects.push([0.0, MIDDLE_Y - across, WIDTH, across * 2.0]);
    } else if left > 0 {
        rects.push([0.0, MIDDLE_Y - across, MIDDLE_X + along, across * 2.0]);
    } else if right > 0 {
        rects.push([MIDDLE_X - along, MIDDLE_Y - across, WIDTH - MIDDLE_X + along, across * 2.0]);
    }
    if up > 0 && down > 0 {
        rects.push([MIDDLE_X - along, 0.0, along * 2.0, HEIGHT]);
    } else if up > 0 {
        rects.push([MIDDLE_X - along, 0.0, along * 2.0, MIDDLE_Y + across]);
    } else if down > 0 {
        rects.push([MIDDLE_X - along, MIDDLE_Y - across, along * 2.0, HEIGHT - MIDDLE_Y + across]);
    }
    rects
}

fn block(character: char) -> Option<Shape> {
    let eighths = |n: u32| f64::from(n) / 8.0;
    let rect = match character {
        '▀' => [0.0, 0.0, WIDTH, HEIGHT / 2.0],
        '▁'..='█' => {
            let part = HEIGHT * eighths(u32::from(character) - 0x2580);
            [0.0, HEIGHT - part, WIDTH, part]
        }
        '▉'..='▏' => [0.0, 0.0, WIDTH * eighths(0x2590 - u32::from(character)), HEIGHT],
        '▐' => [WIDTH / 2.0, 0.0, WIDTH / 2.0, HEIGHT],
        '▔' => [0.0, 0.0, WIDTH, HEIGHT / 8.0],
        '▕' => [WIDTH * 7.0 / 8.0, 0.0, WIDTH / 8.0, HEIGHT],
        '░' => return Some(Shape::Shade(0.25)),
        '▒' => return Some(Shape::Shade(0.5)),
        '▓' => return Some(Shape::Shade(0.75)),
        _ => return None,
    };
    Some(Shape::Rects(vec![rect]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_reach_the_edges_so_that_boxes_are_closed() {
        assert_eq!(shape('─'), Some(Shape::Rects(vec![[0.0, 9.0, 9.0, 1.0]])));
        assert_eq!(shape('│'), Some(Shape::Rects(vec![[4.0, 0.0, 1.0, 19.0]])));
        assert_eq!(shape('┌'), Some(Shape::Rects(vec![[4.0, 9.0, 5.0, 1.0], [4.0, 9.0, 1.0, 10.0]])));
    }

    #[test]
    fn bars_are_as_long_as_their_eighths() {
        assert_eq!(shape('█'), Some(Shape::Rects(vec![[0.0, 0.0, 9.0, 19.0]])));
        assert_eq!(shape('▌'), Some(Shape::Rects(vec![[0.0, 0.0, 4.5, 19.0]])));
        assert_eq!(shape('▄'), Some(Shape::Rects(vec![[0.0, 9.5, 9.0, 9.5]])));
        assert_eq!(shape('x'), None);
    }
}
