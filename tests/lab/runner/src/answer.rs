//! A place in domkeep's JSON, written as a person would point at it: `domains[name=web1].disks[vdev=xvdc].attached`.
//!
//! A name steps into an object. Brackets choose from an array: `[key=value]` the elements whose key is exactly that, `[key~text]` whose
//! key contains it (objects and arrays as compact JSON), several conditions after commas, `[*]` every element.

use serde_json::Value;

/// What lies at a place: every element that the brackets chose.
pub fn at<'a>(root: &'a Value, place: &str) -> Vec<&'a Value> {
    steps(place).iter().fold(vec![root], |here, step| here.into_iter().flat_map(|value| step.take(value)).collect())
}

/// The nearest thing on the way to a place that is there, and how far the way went: what to show when the place is not.
pub fn nearest<'a>(root: &'a Value, place: &str) -> (String, &'a Value) {
    let all = steps(place);
    let mut here = (0, root);
    for count in 1..=all.len() {
        let found = all.iter().take(count).fold(vec![root], |from, step| from.into_iter().flat_map(|value| step.take(value)).collect());
        match found.first() {
            Some(value) => here = (count, value),
            None => break,
        }
    }
    let way: Vec<&str> = all.iter().take(here.0).map(Step::text).collect();
    (way.join(" "), here.1)
}

enum Step {
    Into(String),
    Choose { text: String, conditions: Vec<Condition> },
}

struct Condition {
    key: String,
    contains: bool,
    wanted: String,
}

impl Step {
    fn text(&self) -> &str {
        match self {
            Self::Into(name) => name,
            Self::Choose { text, .. } => text,
        }
    }

    fn take<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Into(name) => value.get(name).into_iter().collect(),
            Self::Choose { conditions, .. } => {
                value.as_array().into_iter().flatten().filter(|element| conditions.iter().all(|c| c.holds(element))).collect()
            }
        }
    }
}

impl Condition {
    fn holds(&self, element: &Value) -> bool {
        let text = element.get(&self.key).map(plain).unwrap_or_default();
        if self.contains { text.contains(&self.wanted) } else { text == self.wanted }
    }
}

/// A string without its quotes, everything else as compact JSON.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn steps(place: &str) -> Vec<Step> {
    let mut found = Vec::new();
    let mut rest = place;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (text, after) = inside.split_once(']').unwrap_or((inside, ""));
            let conditions = text.split(',').filter(|part| *part != "*").map(condition).collect();
            found.push(Step::Choose { text: format!("[{text}]"), conditions });
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if !name.is_empty() {
                found.push(Step::Into(name.to_owned()));
            }
            rest = after;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    found
}

fn condition(text: &str) -> Condition {
    let contains = text.find('~').is_some_and(|tilde| text.find('=').is_none_or(|equals| tilde < equals));
    let (key, wanted) = text.split_once(if contains { '~' } else { '=' }).unwrap_or((text, ""));
    Condition { key: key.to_owned(), contains, wanted: wanted.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn host() -> Value {
        json!({"schema": 1, "domains": [
            {"name": "web1", "disks": [{"vdev": "xvda", "path": "/dev/vg/web1"}, {"vdev": "xvdc", "attached": true, "path": "/a.b[1"}]},
            {"name": "db1", "disks": []}],
            "findings": [{"code": "disk-missing", "subject": {"disk": {"domain": "spare1", "vdev": "xvdb"}}}]})
    }

    #[test]
    fn a_place_is_found_by_what_its_elements_say() {
        let host = host();
        assert_eq!(at(&host, "domains[name=web1].disks[vdev=xvdc].attached"), [&json!(true)]);
        assert_eq!(at(&host, "domains[*].name").len(), 2);
        assert_eq!(at(&host, "domains[name=web1].disks[vdev=xvda,path=/dev/vg/web1]").len(), 1);
        assert_eq!(at(&host, "findings[code=disk-missing,subject~spare1]").len(), 1, "a finding is not found by its subject");
        assert_eq!(at(&host, "schema"), [&json!(1)]);
    }

    #[test]
    fn what_is_not_there_is_nothing() {
        let host = host();
        for place in [
            "domains[name=web9].disks",
            "domains[name=web1].saves",
            "schema.deeper",
            "domains.name",
            "findings[code=disk-missing,subject~web1]",
        ] {
            assert_eq!(at(&host, place), Vec::<&Value>::new(), "{place} was found");
        }
    }

    #[test]
    fn a_failure_shows_the_nearest_thing_that_is_there() {
        let host = host();
        let (way, value) = nearest(&host, "domains[name=web1].disks[vdev=xvdq].attached");
        assert_eq!(way, "domains [name=web1] disks");
        assert_eq!(value.as_array().map(Vec::len), Some(2));
        assert_eq!(nearest(&host, "nothing").0, "");
    }
}
