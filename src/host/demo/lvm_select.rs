//! Selection of rows, as `-S` of LVM's tools has it (lvmreport(7)): `lv_tags=x && lv_full_name=vg/lv && lv_attr!~^[oO]`.

/// A criterion, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    Is { field: String, relation: Relation, value: String },
    Not(Box<Select>),
    All(Vec<Select>),
    Any(Vec<Select>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Equal,
    Differs,
    Fits,
    FitsNot,
    AtLeast,
    AtMost,
    More,
    Less,
}

/// The longer word first.
const RELATIONS: [(&str, Relation); 8] = [
    ("=~", Relation::Fits),
    ("!~", Relation::FitsNot),
    ("!=", Relation::Differs),
    (">=", Relation::AtLeast),
    ("<=", Relation::AtMost),
    ("=", Relation::Equal),
    (">", Relation::More),
    ("<", Relation::Less),
];

/// Understands a selection; nothing when it is none.
pub fn parse(text: &str) -> Option<Select> {
    let mut rest = text;
    let select = any(&mut rest)?;
    rest.trim().is_empty().then_some(select)
}

fn takes(rest: &mut &str, words: &[&str]) -> bool {
    let trimmed = rest.trim_start();
    match words.iter().find_map(|word| trimmed.strip_prefix(word)) {
        Some(left) => {
            *rest = left;
            true
        }
        None => false,
    }
}

fn any(rest: &mut &str) -> Option<Select> {
    let mut parts = vec![all(rest)?];
    while takes(rest, &["||", "#"]) {
        parts.push(all(rest)?);
    }
    Some(if parts.len() == 1 { parts.remove(0) } else { Select::Any(parts) })
}

fn all(rest: &mut &str) -> Option<Select> {
    let mut parts = vec![one(rest)?];
    while takes(rest, &["&&", ","]) {
        parts.push(one(rest)?);
    }
    Some(if parts.len() == 1 { parts.remove(0) } else { Select::All(parts) })
}

fn one(rest: &mut &str) -> Option<Select> {
    if takes(rest, &["("]) {
        let inner = any(rest)?;
        return takes(rest, &[")"]).then_some(inner);
    }
    if takes(rest, &["!"]) {
        return Some(Select::Not(Box::new(one(rest)?)));
    }
    let trimmed = rest.trim_start();
    let name = trimmed.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|length| *length > 0)?;
    let (field, left) = trimmed.split_at(name);
    let left = left.trim_start();
    let (word, relation) = RELATIONS.into_iter().find(|(word, _)| left.starts_with(word))?;
    let (value, left) = value(left.get(word.len()..)?.trim_start())?;
    *rest = left;
    Some(Select::Is { field: field.to_owned(), relation, value })
}

/// A value: in quotes, or up to a blank or what goes on with the selection.
fn value(text: &str) -> Option<(String, &str)> {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            let (value, left) = inner.split_once(quote)?;
            return Some((value.to_owned(), left));
        }
    }
    let end = text.find(|c: char| c.is_whitespace() || ",&|)#".contains(c)).unwrap_or(text.len());
    let (value, left) = text.split_at(end);
    Some((value.to_owned(), left))
}

impl Select {
    /// Whether a row is selected; nothing when it asks for a field that there is not, or compares what has no order.
    pub fn chooses(&self, field: &dyn Fn(&str) -> Option<String>) -> Option<bool> {
        match self {
            Self::Not(inner) => inner.chooses(field).map(|chosen| !chosen),
            Self::All(parts) => parts.iter().try_fold(true, |so_far, part| Some(part.chooses(field)? && so_far)),
            Self::Any(parts) => parts.iter().try_fold(false, |so_far, part| Some(part.chooses(field)? || so_far)),
            Self::Is { field: name, relation, value } => compare(name, &field(name)?, *relation, value),
        }
    }
}

fn compare(name: &str, has: &str, relation: Relation, asked: &str) -> Option<bool> {
    // A list of tags fits when one of them does.
    let items: Vec<&str> = if name.ends_with("tags") { has.split(',').collect() } else { vec![has] };
    let number = |text: &str| super::ids::size(text).or_else(|| text.parse().ok());
    // A volume without such a size is not selected by it.
    let ordered = |wanted: fn(&u64, &u64) -> bool| {
        let asked = number(asked)?;
        if has.is_empty() { Some(false) } else { Some(wanted(&number(has)?, &asked)) }
    };
    match relation {
        Relation::Equal => Some(items.contains(&asked) || number(has).is_some_and(|has| number(asked) == Some(has))),
        Relation::Differs => Some(!items.contains(&asked)),
        Relation::Fits => Some(items.iter().any(|item| fits(asked, item))),
        Relation::FitsNot => Some(!items.iter().any(|item| fits(asked, item))),
        Relation::AtLeast => ordered(u64::ge),
        Relation::AtMost => ordered(u64::le),
        Relation::More => ordered(u64::gt),
        Relation::Less => ordered(u64::lt),
    }
}

/// The part of regular expressions that selections are written with: `^`, `$`, `.`, `*`, `[abc]`, `[^abc]`, and plain characters.
fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    match pattern.split_first() {
        Some(('^', rest)) => fits_here(rest, &text),
        _ => (0..=text.len()).any(|start| text.get(start..).is_some_and(|text| fits_here(&pattern, text))),
    }
}

fn fits_here(pattern: &[char], text: &[char]) -> bool {
    let length = match pattern {
        [] => return true,
        ['$'] => return text.is_empty(),
        ['[', ..] => pattern.iter().skip(2).position(|c| *c == ']').map_or(1, |at| at + 3),
        _ => 1,
    };
    let (atom, rest) = pattern.split_at(length.min(pattern.len()));
    if let Some(('*', after)) = rest.split_first() {
        let most = text.iter().take_while(|c| is_of(atom, **c)).count();
        return (0..=most).any(|skipped| text.get(skipped..).is_some_and(|text| fits_here(after, text)));
    }
    text.split_first().is_some_and(|(first, left)| is_of(atom, *first) && fits_here(rest, left))
}

fn is_of(atom: &[char], c: char) -> bool {
    match atom {
        ['.'] => true,
        ['[', '^', set @ .., ']'] => !set.contains(&c),
        ['[', set @ .., ']'] => set.contains(&c),
        _ => atom == [c],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chooses(text: &str) -> Option<bool> {
        let row = |field: &str| {
            Some(
                match field {
                    "lv_tags" => "domkeep.aa,other",
                    "lv_full_name" => "vg0/web01-disk",
                    "lv_attr" => "owi-a-s---",
                    "lv_size" => "67108864B",
                    _ => return None,
                }
                .to_owned(),
            )
        };
        parse(text)?.chooses(&row)
    }

    #[test]
    fn rows_are_selected_as_lvm_selects_them() {
        for (text, chosen) in [
            ("lv_tags=domkeep.aa", true),
            ("lv_tags=domkeep.a", false),
            ("lv_tags=domkeep.aa && lv_full_name=vg0/web01-disk", true),
            ("lv_tags=domkeep.aa && lv_full_name=vg0/web01", false),
            ("lv_tags=domkeep.aa && lv_full_name=vg0/web01-disk && lv_attr!~^[oO]", false),
            ("lv_attr=~^[^oO]", false),
            ("lv_attr=~a-s", true),
            ("lv_attr=~^o.*s---$", true),
            ("lv_size>=64m", true),
            ("lv_size=64m", true),
            ("lv_size>64m", false),
            ("(lv_tags=none || lv_tags='other') , lv_size<1g", true),
            ("!(lv_tags=other)", false),
        ] {
            assert_eq!(chooses(text), Some(chosen), "{text}: the wrong volumes would be shown or removed");
        }
    }

    #[test]
    fn what_is_no_selection_selects_nothing() {
        for text in ["", "lv_tags", "nosuch=1", "lv_tags=a &&", "(lv_tags=a", "lv_tags=a b", "lv_attr>=x"] {
            assert_eq!(chooses(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_selection_can_panic(text in "\\PC{0,60}", pattern in "[\\[\\]^$.*a]{0,12}") {
            let _ = chooses(&text);
            let _ = fits(&pattern, "aaaa");
        }
    }
}
