//! Passwords in configurations: masked before anything is shown, logged or written to a report.

/// Stands where a secret stood.
pub const MASK: &str = "(masked)";
const SECRET_ENDINGS: [&str; 8] = ["passwd", "password", "passphrase", "secret", "auth", "token", "apikey", "authkey"];
/// Words that are a secret only when they are the whole name.
const SECRET_NAMES: [&str; 3] = ["key", "pw", "pass"];

/// Whether the value of a key is a secret: `vncpasswd`, `spicepasswd`, `password`, `auth` ...
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_NAMES.contains(&key.as_str()) || SECRET_ENDINGS.into_iter().any(|ending| key.ends_with(ending))
}

/// A text with the values of all `key=value` words masked whose key names a secret, and the passwords of URLs.
pub fn masked(text: &str) -> String {
    mask_urls(&mask_words(text))
}

fn mask_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        let (before, after) = rest.split_at(at);
        let key = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))).next().unwrap_or_default();
        out.push_str(before);
        out.push('=');
        rest = after.get(1..).unwrap_or_default();
        if is_secret(key) {
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
            let value = quote.map_or(rest, |_| rest.get(1..).unwrap_or_default());
            let end = value
                .find(|c: char| match quote {
                    Some(quote) => c == quote,
                    None => c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '`'),
                })
                .unwrap_or(value.len());
            if end > 0 {
                out.extend(quote);
                out.push_str(MASK);
                rest = value.get(end..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// `scheme://user:password@host`.
fn mask_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | ',' | '"' | '\'')).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@').and_then(|(user, host)| user.split_once(':').map(|(user, _)| (user, host))) {
            Some((user, host)) => out.extend([user, ":", MASK, "@", host]),
            None => out.push_str(authority),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_password_is_left() {
        for (text, expected) in [
            ("vnc=1,vncpasswd=hush,keymap=de", "vnc=1,vncpasswd=(masked),keymap=de"),
            ("root=/dev/xvda password=hush quiet", "root=/dev/xvda password=(masked) quiet"),
            ("password='two words' x", "password='(masked)' x"),
            ("iqn=iqn.2020:x,auth=CHAP%me%hush", "iqn=iqn.2020:x,auth=(masked)"),
            ("http://me:hush@192.0.2.1/x", "http://me:(masked)@192.0.2.1/x"),
            ("rbd:pool/img:id=x:key=AQD==", "rbd:pool/img:id=x:key=(masked)"),
            ("console=hvc0 keymap=de", "console=hvc0 keymap=de"),
            ("password=", "password="),
        ] {
            assert_eq!(masked(text), expected, "a password would stand in reports and logs");
        }
    }

    #[test]
    fn secret_keys_are_known() {
        assert!(is_secret("vncpasswd") && is_secret("spicepasswd") && is_secret("AUTH"));
        assert!(!is_secret("kernel") && !is_secret("keymap") && !is_secret("author"));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,200}") {
            let _ = masked(&text);
        }

        #[test]
        fn a_word_after_a_password_is_never_shown(before in "[a-z ,=']{0,20}", secret in "[A-Z0-9]{8}") {
            let text = format!("{before} password={secret} x");
            prop_assert!(!masked(&text).contains(&secret), "{}", masked(&text));
        }
    }
}
