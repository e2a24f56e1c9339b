//! The demo machine answers as the captured hosts did, obeys changes, and stays inside its directory.
#![allow(clippy::disallowed_methods, reason = "tests look at the directory from outside")]

mod acting;
mod changes;
mod files;
mod shapes;

use super::*;

struct Laid {
    dir: tempfile::TempDir,
    demo: Demo,
}

fn laid(name: &str) -> Laid {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::open(name, &dir.path().join("machine")).unwrap_or_else(|problem| panic!("{problem}"));
    Laid { dir, demo }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Runs a command that looks; its standard output.
fn ask(demo: &Demo, line: &str) -> String {
    let argv = words(line);
    let output = demo.run(&Cmd::reads(&argv[0], argv[1..].to_vec())).unwrap();
    assert_eq!(output.exit, 0, "{line}: {}", output.complaint());
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a line that must work.
fn do_it(demo: &Demo, line: &str) -> Output {
    let output = demo.machine(&words(line));
    assert_eq!(output.exit, 0, "{line}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn fixture(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/xen").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
