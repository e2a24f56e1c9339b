//! Compares `list --json` with what a fixture's `expected.json` says, by the rules of its README: `null` counts, a key that is missing
//! is not compared, an entry with `"optional": true` may be left out, order means nothing.

use serde_json::Value;

/// One sentence for each thing that a user would not see, or would see wrongly.
pub fn differences(expected: &Value, actual: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    domains(expected, actual, &mut wrong);
    list(expected, actual, "saves_without_domain", &["path"], &mut wrong);
    list(expected, actual, "unreadable_configs", &["path"], &mut wrong);
    list(expected, actual, "shared_disks", &["path"], &mut wrong);
    list(expected, actual, "drift", &["domain", "vdev", "path"], &mut wrong);
    list(expected, actual, "snapshots", &["lv"], &mut wrong);
    wrong
}

fn items<'v>(value: &'v Value, key: &str) -> Vec<&'v Value> {
    value.get(key).and_then(Value::as_array).map(|list| list.iter().collect()).unwrap_or_default()
}

fn identity(value: &Value, keys: &[&str]) -> String {
    keys.iter().map(|key| value.get(key).map(ToString::to_string).unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

fn is_optional(value: &Value) -> bool {
    value.get("optional") == Some(&Value::Bool(true))
}

fn list(expected: &Value, actual: &Value, name: &str, keys: &[&str], wrong: &mut Vec<String>) {
    pair(&items(expected, name), &items(actual, name), keys, name, wrong, &|want, got, path, wrong| {
        if name == "shared_disks" {
            users(want, got, path, wrong);
        } else {
            fields(want, got, path, &["optional", "why"], wrong);
        }
    });
}

/// `modes` goes with `domains`, by position.
fn users(want: &Value, got: &Value, path: &str, wrong: &mut Vec<String>) {
    let pairs = |value: &Value| {
        let mut pairs: Vec<(String, String)> =
            items(value, "domains").iter().map(ToString::to_string).zip(items(value, "modes").iter().map(ToString::to_string)).collect();
        pairs.sort();
        pairs
    };
    if pairs(want) != pairs(got) {
        wrong.push(format!("{path}: its users and modes are {:?}, shown are {:?}", pairs(want), pairs(got)));
    }
}

type Compare<'f> = &'f dyn Fn(&Value, &Value, &str, &mut Vec<String>);

fn pair(wanted: &[&Value], got: &[&Value], keys: &[&str], name: &str, wrong: &mut Vec<String>, compare: Compare) {
    let mut left: Vec<&Value> = got.to_vec();
    for want in wanted {
        let id = identity(want, keys);
        match left.iter().position(|have| keys.iter().all(|key| want.get(key).is_none() || have.get(key) == want.get(key))) {
            Some(at) => compare(want, left.remove(at), &format!("{name} {id}"), wrong),
            None if is_optional(want) => {}
            None => wrong.push(format!("{name} {id}: a user would not see it")),
        }
    }
    for extra in left {
        wrong.push(format!("{name} {}: a user would see it, and it is not so", identity(extra, keys)));
    }
}

fn fields(want: &Value, got: &Value, path: &str, skip: &[&str], wrong: &mut Vec<String>) {
    let Some(object) = want.as_object() else { return };
    for (key, value) in object.iter().filter(|(key, _)| !skip.contains(&key.as_str())) {
        let shown = got.get(key).unwrap_or(&Value::Null);
        // A capture that holds only the head of an image may leave it open, but never say the opposite.
        let left_open = key == "complete" && shown.is_null();
        if shown != value && !left_open {
            wrong.push(format!("{path}: `{key}` is {value}, a user would see {shown}"));
        }
    }
}

fn domains(expected: &Value, actual: &Value, wrong: &mut Vec<String>) {
    pair(&items(expected, "domains"), &items(actual, "domains"), &["name"], "domain", wrong, &|want, got, path, wrong| {
        fields(want, got, path, &["optional", "memory", "saves", "configs", "disks"], wrong);
        fields(&want["memory"], &got["memory"], &format!("{path} memory"), &[], wrong);
        let nested = |name: &str, keys: &[&str], wrong: &mut Vec<String>| {
            if want.get(name).is_some() {
                pair(&items(want, name), &items(got, name), keys, &format!("{path} {name}"), wrong, &|want, got, path, wrong| {
                    fields(want, got, path, &["optional"], wrong);
                });
            }
        };
        nested("saves", &["path"], wrong);
        nested("configs", &["path"], wrong);
        nested("disks", &["vdev", "path"], wrong);
    });
}
