//! The documented command lines, run as a person types them: what they print and how they exit.

/// Every `tests/cli/*.trycmd` is a page of examples. `TRYCMD=overwrite cargo test --test cli` writes what is printed now.
#[test]
fn the_examples_are_true() {
    let state = tempfile::tempdir().unwrap();
    let cases = trycmd::TestCases::new();
    for (name, value) in [
        ("HOME", state.path().to_str().unwrap()),
        ("XDG_STATE_HOME", state.path().to_str().unwrap()),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("NO_COLOR", "1"),
    ] {
        cases.env(name, value);
    }
    cases.case("tests/cli/*.trycmd");
}
