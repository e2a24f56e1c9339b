//! A screen as SVG. The same screen gives the same bytes.

use std::fmt::Write as _;

use domkeep_terminal::{Cell, Screen};

use crate::glyph::{HEIGHT, Shape, WIDTH, shape};
use crate::palette::{BAR, INK, PAPER, QUIET, Rgb, dimmed, hex, resolve};

const MARGIN: f64 = 14.0;
const TITLE: f64 = 32.0;
const FONT_SIZE: f64 = 15.0;
/// From the top of a cell to the feet of its letters.
const BASELINE: f64 = 14.5;

/// What a cell looks like once inverse and faint are worked out.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    ink: Rgb,
    paper: Rgb,
    bold: bool,
    italic: bool,
    underline: bool,
}

fn look(cell: &Cell) -> Look {
    let (mut ink, mut paper) = (resolve(cell.fg, INK), resolve(cell.bg, PAPER));
    if cell.inverse {
        (ink, paper) = (paper, ink);
    }
    if cell.dim {
        ink = dimmed(ink, paper);
    }
    Look { ink, paper, bold: cell.bold, italic: cell.italic, underline: cell.underline }
}

/// Draws the screen in a window with a title; `alt` describes the picture to those who do not see it.
pub fn svg(screen: &Screen, title: &str, alt: &str) -> String {
    let width = f64::from(screen.cols) * WIDTH + 2.0 * MARGIN;
    let height = f64::from(screen.rows) * HEIGHT + TITLE + 2.0 * MARGIN;
    let mut out = String::new();
    let _ = writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{0}" height="{1}" viewBox="0 0 {0} {1}" font-family="'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="{FONT_SIZE}">"#,
        number(width),
        number(height)
    );
    let _ = writeln!(out, "<title>{}</title>", escaped(alt));
    let _ = writeln!(out, r#"<rect width="{}" height="{}" rx="9" fill="{}"/>"#, number(width), number(height), hex(PAPER));
    let _ = writeln!(out, r#"<path d="M0 {TITLE}V9a9 9 0 0 1 9-9H{}a9 9 0 0 1 9 9V{TITLE}z" fill="{}"/>"#, number(width - 9.0), hex(BAR));
    for at in 0..3 {
        let _ = writeln!(out, r#"<circle cx="{}" cy="16" r="5.5" fill="{}" fill-opacity="0.45"/>"#, 20 + 19 * at, hex(QUIET));
    }
    let _ = writeln!(
        out,
        r#"<text x="{}" y="21" text-anchor="middle" font-size="13" fill="{}">{}</text>"#,
        number(width / 2.0),
        hex(QUIET),
        escaped(title)
    );
    let _ = writeln!(out, r#"<g transform="translate({MARGIN} {})">"#, number(TITLE + MARGIN));
    for row in 0..screen.rows {
        let cells = screen.row(row);
        let top = f64::from(row) * HEIGHT;
        papers(&mut out, cells, top);
        shapes(&mut out, cells, top);
        texts(&mut out, cells, top);
    }
    if let Some((row, col)) = screen.cursor {
        let (x, y) = (f64::from(col) * WIDTH, f64::from(row) * HEIGHT);
        let _ = writeln!(out, r#"<rect x="{}" y="{}" width="2" height="{HEIGHT}" fill="{}"/>"#, number(x), number(y), hex(INK));
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// The texts of a picture in their order, for telling what is new in it.
pub fn text_lines(svg: &str) -> Vec<String> {
    let texts = svg.lines().filter_map(|line| line.strip_prefix("<text ")?.split_once('>')?.1.strip_suffix("</text>"));
    texts.map(str::to_owned).collect()
}

fn x_of(column: usize) -> f64 {
    f64::from(u32::try_from(column).unwrap_or_default()) * WIDTH
}

fn papers(out: &mut String, cells: &[Cell], top: f64) {
    let mut column = 0;
    for run in cells.chunk_by(|one, next| look(one).paper == look(next).paper) {
        if let Some(paper) = run.first().map(|cell| look(cell).paper).filter(|paper| *paper != PAPER) {
            let (x, width) = (number(x_of(column)), number(x_of(run.len())));
            let _ = writeln!(out, r#"<rect x="{x}" y="{}" width="{width}" height="{HEIGHT}" fill="{}"/>"#, number(top), hex(paper));
        }
        column += run.len();
    }
}

/// The character, when the cell has exactly one.
fn single(cell: &Cell) -> Option<char> {
    let mut characters = cell.text.chars();
    let first = characters.next()?;
    characters.next().is_none().then_some(first)
}

fn drawn(cell: &Cell) -> Option<Shape> {
    single(cell).and_then(shape)
}

fn shapes(out: &mut String, cells: &[Cell], top: f64) {
    let mut column = 0;
    for run in cells.chunk_by(|one, next| one.text == next.text && look(one) == look(next)) {
        let (first, x) = (run.first(), x_of(column));
        column += run.len();
        let Some((cell, shape)) = first.and_then(|cell| Some((cell, drawn(cell)?))) else { continue };
        let ink = hex(look(cell).ink);
        let length = run.len();
        match shape {
            Shape::Shade(part) => {
                let (x, y, width) = (number(x), number(top), number(x_of(length)));
                let _ = writeln!(out, r#"<rect x="{x}" y="{y}" width="{width}" height="{HEIGHT}" fill="{ink}" fill-opacity="{part}"/>"#);
            }
            Shape::Arc([from_x, from_y, to_x, to_y]) => {
                for at in 0..length {
                    let x = x + x_of(at);
                    let [from_x, to_x] = [from_x, to_x].map(|side| number(x + side));
                    let [from_y, to_y] = [from_y, to_y].map(|side| number(top + side));
                    let centre = format!("{from_x} {to_y}");
                    let _ = writeln!(out, r#"<path d="M{from_x} {from_y}Q{centre} {to_x} {to_y}" fill="none" stroke="{ink}"/>"#);
                }
            }
            Shape::Rects(rects) => {
                let mut path = String::new();
                for [left, y, width, height] in rects {
                    // A rectangle as wide as its cell is one with its neighbours'.
                    let (copies, width) = if width >= WIDTH { (1, x_of(length)) } else { (length, width) };
                    for at in 0..copies {
                        let (x, y) = (number(x + x_of(at) + left), number(top + y));
                        let _ = write!(path, "M{x} {y}h{0}v{1}h-{0}z", number(width), number(height));
                    }
                }
                let _ = writeln!(out, r#"<path d="{path}" fill="{ink}"/>"#);
            }
        }
    }
}

/// One run of letters in one style, with a place for each.
struct Run {
    look: Look,
    text: String,
    places: Vec<String>,
}

fn texts(out: &mut String, cells: &[Cell], top: f64) {
    let mut run: Option<Run> = None;
    for (column, cell) in cells.iter().enumerate() {
        let style = look(cell);
        let blank = cell.text.trim().is_empty();
        if (blank && !style.underline) || drawn(cell).is_some() {
            // Blanks within a run stay, so that words copied out of the picture stay apart.
            if let Some(run) = run.as_mut().filter(|run| blank && !run.look.underline) {
                run.text.push(' ');
                run.places.push(number(x_of(column)));
            } else {
                flush(out, run.take(), top);
            }
            continue;
        }
        // Marks that combine must not get a place of their own, so such a character is a run by itself.
        let alone = cell.text.chars().count() != 1 || cell.wide;
        let same = run.as_ref().is_some_and(|run| same_letters(run.look, style));
        if alone || !same {
            flush(out, run.take(), top);
        }
        let current = run.get_or_insert_with(|| Run { look: style, text: String::new(), places: Vec::new() });
        current.text.push_str(if blank { " " } else { &cell.text });
        current.places.push(number(x_of(column)));
        if alone {
            flush(out, run.take(), top);
        }
    }
    flush(out, run, top);
}

fn same_letters(one: Look, other: Look) -> bool {
    one.ink == other.ink && one.bold == other.bold && one.italic == other.italic && one.underline == other.underline
}

fn flush(out: &mut String, run: Option<Run>, top: f64) {
    let Some(mut run) = run else { return };
    if !run.look.underline {
        run.text.truncate(run.text.trim_end().len());
    }
    run.places.truncate(run.text.chars().count());
    let weight = if run.look.bold { r#" font-weight="bold""# } else { "" };
    let slant = if run.look.italic { r#" font-style="italic""# } else { "" };
    let line = if run.look.underline { r#" text-decoration="underline""# } else { "" };
    let _ = writeln!(
        out,
        r#"<text x="{}" y="{}" fill="{}"{weight}{slant}{line} xml:space="preserve">{}</text>"#,
        run.places.join(" "),
        number(top + BASELINE),
        hex(run.look.ink),
        escaped(&run.text)
    );
}

/// At most two digits after the point and none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domkeep_terminal::Color;

    fn screen(cells: Vec<Cell>) -> Screen {
        let cols = u16::try_from(cells.len()).unwrap();
        Screen { cols, rows: 1, cells, cursor: None, alternate: true }
    }

    fn letters(text: &str) -> Vec<Cell> {
        text.chars().map(|character| Cell { text: character.to_string(), ..Cell::default() }).collect()
    }

    #[test]
    fn every_letter_has_its_own_place() {
        let svg = svg(&screen(letters("ab c")), "t", "a");
        assert!(svg.contains(r##"<text x="0 9 18 27" y="14.5" fill="#d3d7de" xml:space="preserve">ab c</text>"##), "{svg}");
    }

    #[test]
    fn a_stranger_s_name_cannot_become_markup() {
        let svg = svg(&screen(letters("<b>&\"")), "<t>", "a & b");
        assert!(svg.contains("&lt;b&gt;&amp;&quot;") && svg.contains("<title>a &amp; b</title>") && !svg.contains("<t>"), "{svg}");
    }

    #[test]
    fn a_selected_row_is_seen_as_selected() {
        let mut cells = letters("web");
        for cell in &mut cells {
            cell.inverse = true;
            cell.fg = Color::Index(2);
        }
        let svg = svg(&screen(cells), "t", "a");
        assert!(svg.contains(r##"width="27" height="19" fill="#8cc26e"/>"##), "the bar is one rectangle in the text's colour: {svg}");
        assert!(svg.contains(r##"fill="#15181e" xml:space="preserve">web"##), "the letters take the background's colour: {svg}");
    }

    #[test]
    fn lines_are_shapes_and_a_long_one_is_one_shape() {
        let svg = svg(&screen(letters("───│")), "t", "a");
        assert!(svg.contains(r#"<path d="M0 9h27v1h-27z""#) && svg.contains(r#"<path d="M31 0h1v19h-1z""#), "{svg}");
        assert!(!svg.contains('─'), "a font would leave gaps: {svg}");
    }

    #[test]
    fn combined_characters_are_not_torn_apart() {
        let mut cells = letters("ab");
        cells.push(Cell { text: "e\u{301}".to_owned(), ..Cell::default() });
        let svg = svg(&screen(cells), "t", "a");
        assert!(svg.contains(r#"<text x="18" "#), "{svg}");
    }
}
