use proptest::prelude::*;

use super::*;

fn value(file: &str, key: &str) -> Option<String> {
    let evaluated = evaluate(file.as_bytes());
    let value = evaluated.values.into_iter().find(|(name, _, _)| name == key)?.1;
    Some(show(&value))
}

fn show(value: &Py) -> String {
    match value {
        Py::Str(text) => format!("'{}'", String::from_utf8_lossy(text)),
        Py::Int(number) => number.to_string(),
        Py::Float(text) => text.clone(),
        Py::Bool(on) => on.to_string(),
        Py::None => "None".to_owned(),
        Py::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Py::Tuple(items) => format!("({})", items.iter().map(show).collect::<Vec<_>>().join(", ")),
    }
}

#[test]
fn plain_python_is_worked_out() {
    for (file, key, expected) in [
        ("name = \"VM%d\" % 3\n", "name", "'VM3'"),
        ("vmid = 3\ndisk = ['phy:sda%d,sda1,w' % (7+vmid), 'phy:sda6,sda6,r']\n", "disk", "['phy:sda10,sda1,w', 'phy:sda6,sda6,r']"),
        ("a = 'x' 'y' \\\n 'z'\n", "a", "'xyz'"),
        ("a = ('x'\n 'y') # c", "a", "'xy'"),
        ("vg = '/dev/vg'\r\ndisk = [ 'phy:' + vg + '/a,xvda,w' ]\r\n", "disk", "['phy:/dev/vg/a,xvda,w']"),
        ("m = 2 * 128 - 010\n", "m", "248"),
        ("a = True\n", "a", "true"),
        ("a, b = 'x', 5\n", "b", "5"),
        ("a = b = 'x'\n", "a", "'x'"),
        ("a = '%02d-%s-%%' % (5, 'q')\n", "a", "'05-q-%'"),
        ("a = str(5) + 'x'\n", "a", "'5x'"),
        ("a = int('12')\n", "a", "12"),
        ("a = u'x'\n", "a", "'x'"),
        ("a = '''x\ny'''\n", "a", "'x\ny'"),
        ("d = ['a']\nd += ['b']\n", "d", "['a', 'b']"),
        ("import os, re\nfrom xen.util.ip import *\nname = 'a'\n", "name", "'a'"),
        (
            "def vmid_check(var, val):\n    val = int(val)\n    return val\nxm_vars.var('vmid', use='x', check=vmid_check)\nxm_vars.check()\nname='a'\n",
            "name",
            "'a'",
        ),
        ("name = 'a'; memory = 5\n", "memory", "5"),
        ("name = 'a' # last line, no end", "name", "'a'"),
    ] {
        assert_eq!(value(file, key).as_deref(), Some(expected), "{file:?}: what xm would have used is not shown");
    }
}

#[test]
fn what_would_need_running_is_unknown_with_its_line_and_reason() {
    for (file, key, line, why) in [
        ("name = 'VM%d' % vmid\n", "name", 1, "`vmid` has no value"),
        ("name = 'a'\ndisk = ['phy:a']\nif 1 > 2:\n  disk = []\n", "disk", 3, "`if` of line 3"),
        ("disk = ['phy:a']\nfor i in [1]:\n    disk.append('x')\n", "disk", 2, "`for` of line 2"),
        ("disk = ['phy:a']\ndisk.append('x')\n", "disk", 2, "changed"),
        ("disk = ['phy:a']\ndisk[0] = 'x'\n", "disk", 2, "not followed"),
        ("disk = ['a']\nother = disk\nother += ['b']\n", "disk", 3, "several names"),
        ("disk = ['a']\nf(disk)\n", "disk", 2, "function"),
        ("disk = ['a']\nx = f(disk)\n", "disk", 2, "function"),
        ("kernel = os.uname()[2]\n", "kernel", 1, "nothing of the file is run"),
        ("name = get_name()\n", "name", 1, "function"),
        ("a = 'x'\nname = {'a': a}\n", "name", 2, "dictionary"),
        ("name = 'a' if x else 'b'\n", "name", 1, "`if`"),
        ("name = ['a','b'][0]\n", "name", 1, "part of a value"),
        ("name = 'a'\nexecfile('/etc/xen/common')\n", "name", 2, "execfile"),
        ("name = 'a'\nfrom common import *\n", "name", 2, "imported"),
        ("name = 'a'\ndef f():\n    global name\n    name = 'b'\nf()\n", "name", 5, "function of the file"),
        ("name = 'a' + 5\n", "name", 1, "no whole numbers"),
        ("name = 'a'\ndel name\n", "name", 2, "changed"),
        ("x = y\nname = x\n", "name", 2, "`x` of line 1"),
    ] {
        let evaluated = evaluate(file.as_bytes());
        let not_read = evaluated.why_not_read(key).unwrap_or_else(|| panic!("{file:?}: a guess is shown as {:?}", value(file, key)));
        assert_eq!(not_read.line, line, "{file:?}: {not_read:?}");
        assert!(not_read.why.contains(why), "{file:?}: {not_read:?}");
        assert!(evaluated.python, "{file:?} is Python");
    }
}

#[test]
fn a_later_plain_assignment_makes_a_name_known_again() {
    assert_eq!(value("name = f()\nname = 'a'\n", "name").as_deref(), Some("'a'"));
    assert_eq!(value("execfile('x')\nname = 'a'\n", "name").as_deref(), Some("'a'"));
}

#[test]
fn a_spoilt_xl_file_is_not_called_python() {
    for file in ["name='a'\r\nmemory=64\r\ndisk=['phy:/dev/a,xvda,w']\r\n", "name='a'\n# end", "name = \"x\nmemory = = 5\n"] {
        assert!(!evaluate(file.as_bytes()).python, "{file:?}");
    }
    assert!(evaluate(b"name = \"x\nmemory = = 5\n").broken.is_some());
}

#[test]
fn growth_is_bounded() {
    let doubling = format!("a = 'x'\n{}", "a = a + a\n".repeat(200));
    assert_eq!(value(&doubling, "a"), None, "a small file could fill the memory");
    let times = "a = 'x' * 1000000000000\nb = ['x'] * 99999999\nc = '%1000000000d' % 1\n";
    assert_eq!(evaluate(times.as_bytes()).values, []);
    let deep = format!("a = {}", "(".repeat(100_000));
    assert_eq!(value(&deep, "a"), None, "a file of brackets could overflow the stack");
    let lists = format!("a = [1]\n{}", "a = [a, a]\n".repeat(100));
    assert_eq!(value(&lists, "a"), None, "lists in lists could fill the memory");
}

const GOOD: &str = "import os\nvmid = 3\nname = \"VM%d\" % vmid\nkernel = '/boot/vmlinuz'\nmemory = 64\ndisk = [ 'phy:sda%d,sda1,w' % (7+vmid),\n 'phy:sda6,sda6,r' ]\ndef f_check(a):\n    return a\nif name:\n    vif = ['']\n";

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = evaluate(&bytes);
    }

    #[test]
    fn damaged_files_are_answered(at in 0..GOOD.len(), byte in any::<u8>(), cut in 0..GOOD.len()) {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = evaluate(&bytes);
        bytes.truncate(cut);
        let _ = evaluate(&bytes);
    }

    #[test]
    fn words_in_any_order_are_answered(words in proptest::collection::vec(prop::sample::select(vec![
        "a", "disk", "=", "+=", "+", "-", "*", "%", "'x%d'", "5", "(", ")", "[", "]", ",", "\n", "if", ":", "    ", "def", "int", ".", "\\\n", "'''", ";",
    ]), 0..60)) {
        let _ = evaluate(words.join(" ").as_bytes());
    }
}

#[test]
fn long_files_end_quickly() {
    let many = |line: &dyn Fn(u32) -> String| (0..60_000).map(line).collect::<Vec<_>>().concat();
    let names = many(&|n| format!("a{n}=b{n}=[]\n"));
    let calls = "execfile(x)\n".repeat(30_000);
    let targets = format!("{}'{}'\n", many(&|n| format!("t{n}=")), "x".repeat(400_000));
    for file in [names, calls, targets, "a=[a]\n".repeat(100_000), format!("a=[]\n{}", "a=[a]\n".repeat(4000))] {
        let before = std::time::Instant::now();
        let _ = evaluate(file.as_bytes());
        assert!(before.elapsed().as_secs() < 20, "one file could stop the whole look at the host");
    }
}
