use proptest::prelude::*;

use super::*;

/// In the right text `_` stands for one masked byte, unless it is one in the left.
const SHAPES: &[(&str, &str)] = &[
    ("vncpasswd=\"hunter2\"\n", "vncpasswd=\"_______\"\n"),
    ("vncpasswd = 'hunter2' # yes", "vncpasswd = '_______' # yes"),
    ("vfb = [ 'type=vnc,vncpasswd=a,b,keymap=de' ]", "vfb = [ 'type=vnc,vncpasswd=___,keymap=de' ]"),
    ("vfb=['vncpasswd=hunter2']", "vfb=['vncpasswd=_______']"),
    ("spicepasswd=\"\"\nname=\"x\"", "spicepasswd=\"\"\nname=\"x\""),
    ("extra = 'ro x.password=a,b root_token=t quiet'", "extra = 'ro x.password=___ root_token=_ quiet'"),
    ("passwd = 'a' + \"b\" 'c'\nmemory=1", "passwd = '_' + \"_\" '_'\nmemory=1"),
    ("password = two words\nname = x", "password = _________\nname = x"),
    ("passwd = '''a\nb'''", "passwd = '''___'''"),
    (r#"{"passwd": "a\"b\\", "x": 1}"#, r#"{"passwd": "______", "x": 1}"#),
    (r#"{"token":1234,"secret":null,"keymap":"de"}"#, r#"{"token":9999,"secret":null,"keymap":"de"}"#),
    (r#"{"secrets": ["a", "bc"], "n": "d"}"#, r#"{"secrets": ["_", "__"], "n": "d"}"#),
    (r#"x {\"secret\":\"a\\\"b\\\\\",\"n\":1}"#, r#"x {\"secret\":\"__________\",\"n\":1}"#),
    (r#""json:{\"password\":\"abc\",\"file\":\"x\"}""#, r#""json:{\"password\":\"___\",\"file\":\"x\"}""#),
    ("<graphics type='vnc' passwd='abc' port='-1'/>", "<graphics type='vnc' passwd='___' port='-1'/>"),
    ("<password> abc</password><x>y</x>", "<password> ___</password><x>y</x>"),
    ("<secret type='ceph' uuid='u'/><name>n</name>", "<secret type='ceph' uuid='u'/><name>n</name>"),
    ("<key>/srv/a.img</key>", "<key>/srv/a.img</key>"),
    ("(vnc 1) (vncpasswd abc) (name web)", "(vnc 1) (vncpasswd ___) (name web)"),
    ("(uname rbd:p/i:key=abc)(dev xvda)", "(uname rbd:p/i:key=___)(dev xvda)"),
    ("rbd:pool/i:id=a:key=AQ==:auth_supported=cephx\\;none:mon_host=h", "rbd:pool/i:id=a:key=____:auth_supported=___________:mon_host=h"),
    ("qemu\0-object\0secret,id=a,format=raw,data=abc\0-m\0", "qemu\0-object\0secret,id=a,format=raw,data=___\0-m\0"),
    ("tool --password abc --name x", "tool --password ___ --name x"),
    ("tool\0--password=abc\0--name", "tool\0--password=___\0--name"),
    ("http://user:p@ss@example.com/x http://example.com:80/@", "http://user:____@example.com/x http://example.com:80/@"),
    ("iscsi://user%pass@192.0.2.1/iqn", "iscsi://user%____@192.0.2.1/iqn"),
    ("/vm/7/vncpasswd = \"abc\"   (n0)", "/vm/7/vncpasswd = \"___\"   (n0)"),
    (
        "-----BEGIN RSA PRIVATE KEY-----\nab\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\n___-----END RSA PRIVATE KEY-----",
    ),
    ("auth='a:b' host='h'", "auth='___' host='h'"),
    ("passwd=\u{e9}\u{e9} x", "passwd=____ x"),
];

#[test]
fn secrets_are_masked_and_nothing_else_is() {
    for (text, shape) in SHAPES {
        let wanted: String =
            text.bytes().zip(shape.bytes()).map(|(from, to)| if to == b'_' && from != b'_' { '*' } else { to as char }).collect();
        let mut got = text.as_bytes().to_vec();
        mask(&mut got);
        assert_eq!(got.len(), text.len(), "offsets in a header would be wrong after {text:?}");
        assert_eq!(String::from_utf8_lossy(&got), wanted, "of {text:?}");
    }
}

#[test]
fn ordinary_configuration_is_untouched() {
    for text in [
        "name = \"secret-project\"\nkernel='/boot/vmlinuz'\ndisk=['phy:/dev/vg/token,xvda,w']\nkeymap='de'\nuuid='x'",
        "{\"lv_name\":\"secret\",\"vg_name\":\"passwords\"}",
        "<domain type='xen'><name>secret</name><disk type='block'/></domain>",
        "root=/dev/nfs nfsroot=192.0.2.1:/srv/secret/root,vers=3 ro",
        "https://example.com:8443/path",
        "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
    ] {
        assert_eq!(masked(text), text, "a replay would show something else than the host");
    }
}

proptest! {
    #[test]
    fn hostile_bytes_keep_their_length_and_a_second_mask_changes_nothing(
        bytes in proptest::collection::vec(prop_oneof![
            any::<Vec<u8>>(),
            proptest::sample::select(vec![
                "passwd", "secret", "key", "=", ":", "\"", "'", "\\", "\\\"", "&quot;", "://", "@", "<", ">", "(", ")", "[", "]", "--token", " ", ",",
                "-----BEGIN PRIVATE KEY-----\n", "12", "data", "\n", "\0", "é",
            ]).prop_map(|word| word.as_bytes().to_vec()),
        ], 0..30).prop_map(|parts| parts.concat())
    ) {
        let mut once = bytes.clone();
        mask(&mut once);
        prop_assert_eq!(once.len(), bytes.len());
        if std::str::from_utf8(&bytes).is_ok() {
            prop_assert!(std::str::from_utf8(&once).is_ok(), "a masked text is no text any more");
        }
    }

    #[test]
    fn a_password_never_survives_in_the_usual_places(password in "[A-Za-z0-9!$%&()*+./:;?@^_{|}~-]{4,20}") {
        for text in [
            format!("vncpasswd = \"{password}\"\n"),
            format!("vfb = ['vncpasswd={password},vnc=1']"),
            format!("x.secret={password} ro"),
            format!("{{\"passwd\": \"{password}\"}}"),
            format!("<graphics passwd='{password}'/>"),
        ] {
            let got = masked(&text);
            // The shape around it may hold the same few letters; the password as a whole must be gone.
            prop_assert!(!got.contains(&password), "{} leaks in {}", password, got);
        }
    }
}
