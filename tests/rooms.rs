//! Who may import whom, as `src/lib.rs` says it: each room's sources are read, and a room that looks where it may not fails with a sentence.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic, reason = "a test reads the sources it is about")]
#![expect(clippy::disallowed_methods, reason = "it reads domkeep's own sources")]

use std::path::{Path, PathBuf};

/// A room, and the rooms that it may name. Everybody but `model` may name `config` and `problem`.
const RULES: &[(&str, &[&str])] = &[
    ("model", &["model"]),
    ("copy", &["copy", "model"]),
    ("changed", &["changed", "model"]),
    ("check", &["check", "model"]),
    ("plan", &["plan", "model"]),
    ("host", &["host", "model", "config", "problem"]),
    ("witness", &["witness", "host", "copy", "model"]),
    ("probe", &["probe", "witness", "host", "bundle", "model", "config", "problem"]),
    ("bundle", &["bundle", "model", "problem"]),
    ("job", &["job", "witness", "host", "copy", "changed", "bundle", "model", "config", "problem"]),
    ("engine", &["engine", "probe", "check", "plan", "job", "copy", "bundle", "host", "model", "config", "problem"]),
    ("tui", &["tui", "engine", "model", "config", "problem"]),
    ("cli", &["cli", "engine", "model", "config", "problem"]),
    ("config", &["config", "check", "model", "problem"]),
    ("problem", &["problem", "model"]),
];

#[test]
fn no_room_looks_where_it_may_not() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut read = 0;
    let mut trespasses = Vec::new();
    for (room, allowed) in RULES {
        for file in sources(&src, room) {
            read += 1;
            let text = std::fs::read_to_string(&file).unwrap();
            for (line, named) in rooms_named(&text) {
                if !allowed.contains(&named.as_str()) {
                    let shown = file.strip_prefix(&src).unwrap().display();
                    trespasses.push(format!("src/{shown}:{line}: `{room}` may not import `{named}`, only {}", allowed.join(", ")));
                }
            }
        }
    }
    assert!(read > 40, "only {read} files were read: the rule is not being checked");
    assert!(
        trespasses.is_empty(),
        "A border of src/lib.rs is crossed. Move the code, or hand over the data instead:\n{}",
        trespasses.join("\n")
    );
}

#[test]
fn every_room_has_a_rule() {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    for line in guide.lines() {
        let Some(room) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) else { continue };
        assert!(RULES.iter().any(|(known, _)| *known == room), "the room `{room}` has no rule: it could import anything");
    }
}

#[test]
fn the_reader_of_imports_sees_them_all() {
    let text = "use crate::host::{Look};\n// use crate::tui::x;\n/// [`crate::job`]\nuse crate::{model, engine::Engine};\nlet x = crate::probe::xl::parse();\nuse crate::{\n    copy::Map,\n    plan,\n};\n";
    let named: Vec<String> = rooms_named(text).into_iter().map(|(_, room)| room).collect();
    assert_eq!(named, ["host", "model", "engine", "probe", "copy", "plan"], "an import that is not seen is not checked");
}

fn sources(src: &Path, room: &str) -> Vec<PathBuf> {
    let mut files = vec![src.join(format!("{room}.rs"))];
    let mut dirs = vec![src.join(room)];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.retain(|file| file.is_file());
    files
}

/// Every room that a source names by `crate::`, with its line; comments are left out.
fn rooms_named(text: &str) -> Vec<(usize, String)> {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut named = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => named.extend(heads_of_list(list).into_iter().map(|room| (line, room))),
            None => named.push((line, word(rest))),
        }
    }
    named.retain(|(_, room)| !room.is_empty());
    named
}

/// The first words of `a::b, c::{d, e}, f}`.
fn heads_of_list(list: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 1;
    let mut item = String::new();
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && character == ',') {
            heads.push(word(item.trim()));
            item.clear();
        } else {
            item.push(character);
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn word(text: &str) -> String {
    text.chars().take_while(|character| character.is_ascii_lowercase() || *character == '_').collect()
}
