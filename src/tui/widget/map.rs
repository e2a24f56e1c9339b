//! A map of a disk that is copied: data, holes, what is done, and where the copy stands.

use crate::tui::face::{Face, Glyphs};

/// Signs of the map, each one column wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    pub done: char,
    pub to_come: char,
    /// Data and holes, too fine for one cell.
    pub mixed: char,
    pub hole: char,
    pub here: char,
}

const UNICODE: Signs = Signs { done: '█', to_come: '▒', mixed: '░', hole: '·', here: '▸' };
const ASCII: Signs = Signs { done: '#', to_come: 'o', mixed: ':', hole: '.', here: '>' };

pub fn signs(face: &Face) -> Signs {
    if face.glyphs == Glyphs::ASCII { ASCII } else { UNICODE }
}

/// What the signs mean, in words.
pub fn legend(signs: Signs) -> String {
    let Signs { done, to_come, mixed, hole, here } = signs;
    format!("{done} done  {here} now  {to_come} data  {mixed} data and holes  {hole} hole")
}

/// The map in `columns` cells. `cells` is the copier's strip: `d` data, `h` hole, `m` both. A hole stays a hole, done or not: nothing is
/// read there.
pub fn map(cells: &str, done: u64, total: u64, columns: usize, signs: Signs) -> String {
    let cells: Vec<u8> = cells.bytes().collect();
    if cells.is_empty() || columns == 0 {
        return String::new();
    }
    let at = share(done, total, columns);
    (0..columns)
        .map(|column| {
            let first = column.saturating_mul(cells.len()) / columns;
            let end = (column.saturating_add(1).saturating_mul(cells.len())).div_ceil(columns).max(first.saturating_add(1));
            let part = cells.get(first..end.min(cells.len())).unwrap_or_default();
            let hole = part.iter().all(|cell| *cell == b'h');
            let data = part.iter().all(|cell| *cell == b'd');
            match (column.cmp(&at), hole, data) {
                (std::cmp::Ordering::Equal, ..) if done < total => signs.here,
                (_, true, _) => signs.hole,
                (std::cmp::Ordering::Less, ..) => signs.done,
                (_, _, true) => signs.to_come,
                _ => signs.mixed,
            }
        })
        .collect()
}

/// The column that `done` of `total` lies in; past the last one when all is done.
fn share(done: u64, total: u64, columns: usize) -> usize {
    if done >= total {
        return columns;
    }
    let at = u128::from(done).saturating_mul(columns as u128) / u128::from(total.max(1));
    usize::try_from(at).unwrap_or(columns).min(columns.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_shows_where_the_copy_is_and_what_it_leaves_out() {
        assert_eq!(map("ddhhmmdd", 0, 80, 8, ASCII), ">o..::oo");
        assert_eq!(map("ddhhmmdd", 45, 80, 8, ASCII), "##..>:oo", "what is done looks as if it were to come");
        assert_eq!(map("ddhhmmdd", 80, 80, 8, ASCII), "##..####", "a finished copy still points somewhere");
        assert_eq!(map("dh", 0, 10, 4, ASCII), ">o..", "a small map is not stretched");
        assert_eq!(map("dhhhhhhhhd", 9, 10, 2, ASCII), "#>", "data between holes was lost in a narrow window");
        assert_eq!(map("", 1, 2, 8, ASCII), "");
        assert_eq!(map("dd", 1, 0, 4, ASCII), "####", "a disk of no bytes");
    }
}
