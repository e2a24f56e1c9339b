use proptest::prelude::*;

use super::*;

fn text(bytes: &[u8], key: &str) -> Option<String> {
    let parsed = parse(bytes);
    assert_eq!(parsed.errors, [], "xl takes {:?}", String::from_utf8_lossy(bytes));
    parsed.string(key)
}

fn number(bytes: &[u8], key: &str) -> Result<i64, NumberTrouble> {
    parse(bytes).number(key)
}

fn first_error(bytes: &[u8]) -> SyntaxError {
    let parsed = parse(bytes);
    parsed.errors.first().cloned().unwrap_or_else(|| panic!("xl refuses {:?}", String::from_utf8_lossy(bytes)))
}

fn refused_at(bytes: &[u8]) -> (u32, u32) {
    let at = first_error(bytes).at;
    (at.line, at.column)
}

#[test]
fn files_that_xl_takes_are_taken() {
    for good in [
        "",
        "\n\n",
        "name='a'",
        "name='a'\n# comment\n",
        "# comment with a carriage return\r\nname='a'\n",
        "s='a';t=[1,\n2];u=3",
        "a.b_c='x'",
        "disk=[]",
        "disk=[\n]\n",
        "disk=['a',]",
        "disk=['a'\n,\n'b' # c\n,\n]\n",
        "d=[['a','b'],'c',5]",
        "x=\"it's\"",
        "x='\u{e9}' # \u{e9}\n",
        "x += 'a'",
        ";;name='a';",
    ] {
        assert_eq!(parse(good.as_bytes()).errors, [], "{good:?} would be called unreadable though xl starts it");
    }
}

#[test]
fn files_that_xl_refuses_are_refused_with_line_and_column() {
    for (bad, place) in [
        ("name='a' # c", (1, 10)),
        ("name='a'\nmemory=5\r\n", (2, 9)),
        ("\u{feff}name='a'\n", (1, 1)),
        ("memory=0xFF\n", (1, 10)),
        ("memory=512M\n", (1, 11)),
        ("memory=-1\n", (1, 8)),
        ("memory=1.5\n", (1, 9)),
        ("memory=True\n", (1, 8)),
        ("memory=foo\n", (1, 8)),
        ("Name='a'\n", (1, 1)),
        ("_x='a'\n", (1, 1)),
        ("x-y='a'\n", (1, 2)),
        ("disk=[,]\n", (1, 7)),
        ("disk=['a',,'b']\n", (1, 11)),
        ("disk=['a' 'b']\n", (1, 11)),
        ("d =\n['a']\n", (1, 4)),
        ("name='a' memory=5\n", (1, 10)),
        ("x='a\nb'\n", (1, 3)),
        ("x='a\\\nb'\n", (1, 3)),
        ("x='\\x41'\n", (1, 3)),
        ("x='\\7'\n", (1, 3)),
        ("x='\\q'\n", (1, 3)),
        ("x='a\0b'\n", (1, 3)),
        ("\u{a0}x='a'\n", (1, 1)),
        ("a='\u{e9}\u{e9}' b\n", (1, 8)),
        ("a='x'\na+=['y']\n", (2, 4)),
        ("disk=['a'\n", (2, 1)),
        ("name = \"x\nmemory = = 5\n", (1, 8)),
    ] {
        assert_eq!(refused_at(bad.as_bytes()), place, "{bad:?}: the person would look for the fault at another place");
    }
}

#[test]
fn the_usual_faults_are_told_in_words() {
    for (bad, words) in [
        (b"name='a'\r\n".as_slice(), "CR LF line ends"),
        (b"name='a'\n# end", "comment without a line end"),
        (b"\xef\xbb\xbfname='a'\n", "byte order mark"),
        (b"name='a'\nmemory=True\n", "true and false as 1 and 0"),
        (b"name = 'vm' + str(3)\n", "Python"),
        (b"disk = ['a' 'b']\n", "comma"),
        (b"disk = ['a',\nname = 'x'\n", "line 1"),
    ] {
        let what = first_error(bad).what;
        assert!(what.contains(words), "{:?} is explained as {what:?}, which helps nobody", String::from_utf8_lossy(bad));
    }
}

#[test]
fn a_line_with_a_bad_character_is_complained_about_once() {
    let parsed = parse(b"name = \"x\nmemory = = 5\n");
    let lines: Vec<u32> = parsed.errors.iter().map(|e| e.at.line).collect();
    assert_eq!(lines, [1, 2], "xl prints one error for each of the two lines: {:?}", parsed.errors);
}

#[test]
fn python_is_suspected_where_xl_suspects_it() {
    assert!(parse(b"name = 'a' + 'b'\n").looks_like_python);
    assert!(parse(b"import os\nx = f(1)\n").looks_like_python);
    assert!(!parse(b"name = 'a' % 3\n").looks_like_python);
}

#[test]
fn numbers_are_read_as_c_reads_them() {
    assert_eq!(number(b"m=0x200", "m"), Ok(512));
    assert_eq!(number(b"m=010", "m"), Ok(8), "memory=010 would be shown as 10 MiB though the domain gets 8");
    assert_eq!(number(b"m=12ab", "m"), Err(NumberTrouble::Invalid));
    assert_eq!(number(b"m='0xFF'", "m"), Ok(255));
    assert_eq!(number(b"m=' 12'", "m"), Ok(12));
    assert_eq!(number(b"m='12 '", "m"), Err(NumberTrouble::Invalid));
    assert_eq!(number(b"m='-1'", "m"), Ok(-1));
    assert_eq!(number(b"m=''", "m"), Err(NumberTrouble::Invalid));
    assert_eq!(number(b"m='0x'", "m"), Err(NumberTrouble::Invalid));
    assert_eq!(number(b"m=09", "m"), Err(NumberTrouble::Invalid));
    assert_eq!(number(b"m=99999999999999999999", "m"), Err(NumberTrouble::OutOfRange));
    assert_eq!(number(b"m='-9223372036854775808'", "m"), Ok(i64::MIN));
    assert_eq!(number(b"m=[1]", "m"), Err(NumberTrouble::List));
    assert_eq!(number(b"m=5\nm+=6", "m"), Err(NumberTrouble::Added));
    assert_eq!(number(b"m+=6", "m"), Err(NumberTrouble::Added));
    assert_eq!(number(b"", "m"), Err(NumberTrouble::NotSet));
}

#[test]
fn strings_keep_xls_escapes_and_their_faults() {
    assert_eq!(text(b"s='\\101B'", "s").as_deref(), Some("B"), "xl makes nothing of an octal escape");
    assert_eq!(text(br#"s='a\'b\"c\\d'"#, "s").as_deref(), Some(r#"a'b"c\d"#));
    assert_eq!(text(br"s='\a\b\f\n\r\t\v'", "s").as_deref(), Some("\x07\x08\x0c\n\r\t\x0b"));
    assert_eq!(parse(b"s='\xff'").text("s"), Some(b"\xff".as_slice()));
}

#[test]
fn the_last_assignment_wins_and_plus_adds() {
    assert_eq!(text(b"n='a'\nn='b'\n", "n").as_deref(), Some("b"));
    assert_eq!(parse(b"n='a'\nn='b'\n").get("n").and_then(|s| s.overrules), Some(1));
    assert_eq!(text(b"n='a'\nn+='b'\n", "n").as_deref(), Some("ab"));
    let parsed = parse(b"d=['a']\nd+=['b','c']\n");
    assert_eq!(parsed.list("d").map(<[Item]>::len), Some(3));
    assert_eq!(parse(b"d='phy:/dev/a,xvda,w'\n").list("d"), None, "xl sees no disks in a string");
}

#[test]
fn places_of_list_items_are_known() {
    let parsed = parse(b"disk = [\n  'a',\n\t'b' ]\n");
    let places: Vec<_> = parsed.list("disk").unwrap().iter().map(|i| (i.at.line, i.at.column)).collect();
    assert_eq!(places, [(2, 3), (3, 2)]);
}

#[test]
fn hostile_files_end_quickly() {
    let deep = [b"d=".to_vec(), vec![b'['; 200_000]].concat();
    assert!(!parse(&deep).errors.is_empty(), "a file of brackets could overflow the stack");
    let adding = b"a+='0123456789'\n".repeat(60_000);
    assert_eq!(parse(&adding).text("a").map(<[u8]>::len), Some(600_000));
    let too_large = vec![b'\n'; MAX_BYTES + 1];
    assert_eq!(parse(&too_large).errors.len(), 1);
    assert!(parse(&b"=\n".repeat(1000)).errors.len() <= MAX_ERRORS, "errors of one file could fill the memory");
}

const GOOD: &str = include_str!("../../../tests/fixtures/xen/etc-xen/database.cfg");

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let parsed = parse(&bytes);
        prop_assert!(parsed.errors.len() <= MAX_ERRORS);
    }

    #[test]
    fn a_damaged_file_is_answered(at in 0..GOOD.len(), byte in any::<u8>(), cut in 0..GOOD.len()) {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = parse(&bytes);
        bytes.truncate(cut);
        for error in parse(&bytes).errors {
            prop_assert!(error.at.line >= 1 && error.at.column >= 1);
        }
    }

    #[test]
    fn words_in_any_order_are_answered(words in proptest::collection::vec(prop::sample::select(vec![
        "name", "=", "+=", "'a'", "\"b\"", "12", "[", "]", ",", ";", "\n", "#", " ", "'", "\\", "\r", "\0", "(", "é",
    ]), 0..60)) {
        let _ = parse(words.concat().as_bytes());
    }
}
