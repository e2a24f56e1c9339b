//! What this terminal can do, and why we think so. Pure; `--health` prints the reasons.

use super::face::{Face, Glyphs};

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// What the decision is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    pub term: Option<String>,
    pub colorterm: Option<String>,
    pub no_color: Option<String>,
    pub lc_all: Option<String>,
    pub lc_ctype: Option<String>,
    pub lang: Option<String>,
    pub ssh_tty: Option<String>,
    /// Line speed in bits a second, as the terminal's settings say; a pseudo terminal says 38400 and means nothing by it.
    pub baud: Option<u32>,
    pub color: ColorChoice,
    /// `--ascii`.
    pub ascii: bool,
    /// `--slow` or its opposite, when the person said so.
    pub slow: Option<bool>,
}

impl Env {
    /// What this process was started with.
    pub fn of_process(color: ColorChoice, ascii: bool, slow: Option<bool>) -> Self {
        let get = |name: &str| std::env::var(name).ok();
        Self {
            term: get("TERM"),
            colorterm: get("COLORTERM"),
            no_color: get("NO_COLOR"),
            lc_all: get("LC_ALL"),
            lc_ctype: get("LC_CTYPE"),
            lang: get("LANG"),
            ssh_tty: get("SSH_TTY"),
            baud: rustix::termios::tcgetattr(rustix::stdio::stdout()).ok().map(|settings| settings.output_speed()),
            color,
            ascii,
            slow,
        }
    }
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// The terminal can place its cursor; without that there is no full screen.
    pub full_screen: bool,
    pub colour: bool,
    pub unicode: bool,
    pub slow: bool,
    /// It is known to take OSC 52 or to ignore it, rather than to print it.
    pub clipboard: bool,
    /// One sentence for each decision.
    pub reasons: Vec<String>,
}

impl Caps {
    pub fn face(&self) -> Face {
        Face { colour: self.colour, glyphs: if self.unicode { Glyphs::UNICODE } else { Glyphs::ASCII }, slow: self.slow }
    }
}

/// Lines up to this speed get the gutter mark instead of the reversed row.
const SLOW_BAUD: u32 = 19_200;

pub fn decide(env: &Env) -> Caps {
    let (full_screen, screen_why) = full_screen(env);
    let (colour, colour_why) = colour(env);
    let (unicode, glyphs_why) = unicode(env);
    let (slow, slow_why) = slow(env);
    let word = |yes, one: &str, other: &str| if yes { one.to_owned() } else { other.to_owned() };
    let reasons = vec![
        format!("{}: {screen_why}", word(full_screen, "full screen", "no full screen")),
        format!("{}: {colour_why}", word(colour, "16 colours", "no colours")),
        format!("{}: {glyphs_why}", word(unicode, "Unicode signs", "ASCII signs only")),
        format!("{}: {slow_why}", word(slow, "slow line", "fast line")),
    ];
    let term = set(env.term.as_ref()).unwrap_or_default();
    let clipboard = term != "linux" && is_modern(term);
    Caps { full_screen, colour, unicode, slow, clipboard, reasons }
}

fn set(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|value| !value.is_empty())
}

/// Terminals that know the colours of ECMA-48; the ending `-mono` or `-m` says that one does not.
const COLOURFUL: [&str; 17] = [
    "xterm",
    "linux",
    "screen",
    "tmux",
    "rxvt",
    "konsole",
    "gnome",
    "vte",
    "alacritty",
    "kitty",
    "foot",
    "putty",
    "wezterm",
    "cygwin",
    "st-",
    "ghostty",
    "iterm",
];

fn is_modern(term: &str) -> bool {
    term == "st" || term.ends_with("-256color") || COLOURFUL.iter().any(|name| term.starts_with(name))
}

fn full_screen(env: &Env) -> (bool, String) {
    match set(env.term.as_ref()) {
        None => (false, "TERM is not set".to_owned()),
        Some("dumb") => (false, "TERM=dumb cannot place its cursor".to_owned()),
        Some(term) => (true, format!("TERM={}", shown(term))),
    }
}

fn colour(env: &Env) -> (bool, String) {
    match env.color {
        ColorChoice::Always => return (true, "--color=always".to_owned()),
        ColorChoice::Never => return (false, "--color=never".to_owned()),
        ColorChoice::Auto => {}
    }
    if set(env.no_color.as_ref()).is_some() {
        return (false, "NO_COLOR is set".to_owned());
    }
    let Some(term) = set(env.term.as_ref()) else {
        return (false, "TERM is not set".to_owned());
    };
    let monochrome = term.ends_with("-mono") || term.ends_with("-m");
    let known = !monochrome && is_modern(term);
    let term = shown(term);
    if known {
        (true, format!("TERM={term}"))
    } else if !monochrome && set(env.colorterm.as_ref()).is_some() {
        (true, "COLORTERM is set".to_owned())
    } else {
        (false, format!("TERM={term} may read a colour as blinking; --color=always if it does not"))
    }
}

fn unicode(env: &Env) -> (bool, String) {
    if env.ascii {
        return (false, "--ascii".to_owned());
    }
    let term = set(env.term.as_ref()).unwrap_or_default();
    if term == "linux" {
        return (false, "the Linux console's font lacks some signs".to_owned());
    }
    if term.starts_with("vt") || matches!(term, "ansi" | "dumb" | "unknown" | "") {
        return (false, format!("TERM={} knows no UTF-8", shown(term)));
    }
    // POSIX: the first of these that is set and not empty decides.
    let locale = [("LC_ALL", &env.lc_all), ("LC_CTYPE", &env.lc_ctype), ("LANG", &env.lang)]
        .into_iter()
        .find_map(|(name, value)| set(value.as_ref()).map(|value| (name, value)));
    match locale {
        Some((name, value)) => {
            let flat: String = value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
            (flat.contains("utf8"), format!("{name}={}", shown(value)))
        }
        None => (false, "no locale is set (LC_ALL, LC_CTYPE, LANG)".to_owned()),
    }
}

fn slow(env: &Env) -> (bool, String) {
    if let Some(slow) = env.slow {
        return (slow, "the command line says so".to_owned());
    }
    match env.baud {
        Some(baud) if baud > 0 && baud <= SLOW_BAUD => {
            (true, format!("the line runs at {baud} bits/s; the selected row is marked in the gutter only"))
        }
        _ if set(env.ssh_tty.as_ref()).is_some() => (false, "an SSH terminal; its speed is not known".to_owned()),
        Some(baud) => (false, format!("the line runs at {baud} bits/s")),
        None => (false, "not a terminal line".to_owned()),
    }
}

fn shown(value: &str) -> String {
    super::widget::text::cut(&crate::model::shown::text(value), 40, "...")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(term: &str, lang: &str) -> Env {
        Env { term: Some(term.to_owned()), lang: Some(lang.to_owned()), ..Env::default() }
    }

    #[test]
    fn each_terminal_gets_what_it_can_show() {
        for (term, lang, colour, unicode) in [
            ("xterm-256color", "C.UTF-8", true, true),
            ("linux", "de_DE.utf8", true, false),
            ("vt100", "C.UTF-8", false, false),
            ("vt220", "C", false, false),
            ("ansi", "C", false, false),
            ("unknown", "C.UTF-8", false, false),
            ("xterm-mono", "C.UTF-8", false, true),
            ("screen.xterm-256color", "C", true, false),
        ] {
            let caps = decide(&env(term, lang));
            assert_eq!((caps.colour, caps.unicode), (colour, unicode), "TERM={term} LANG={lang} would show garbage, or less than it can");
            assert!(caps.full_screen);
        }
    }

    #[test]
    fn a_person_has_the_last_word_and_every_decision_its_reason() {
        let plain = Env { no_color: Some("1".to_owned()), ..env("xterm", "C.UTF-8") };
        assert!(!decide(&plain).colour, "NO_COLOR was not obeyed");
        assert!(decide(&Env { color: ColorChoice::Always, ..plain.clone() }).colour);
        assert!(decide(&Env { no_color: Some(String::new()), ..plain.clone() }).colour, "an empty NO_COLOR means nothing (no-color.org)");
        assert!(!decide(&Env { color: ColorChoice::Never, ..env("xterm", "C") }).colour);
        assert!(!decide(&Env { ascii: true, ..env("xterm", "C.UTF-8") }).unicode);
        assert!(!decide(&Env { lc_all: Some("C".to_owned()), ..env("xterm", "C.UTF-8") }).unicode, "LC_ALL comes before LANG");
        assert!(decide(&Env { baud: Some(9600), ..env("vt100", "C") }).slow);
        assert!(!decide(&Env { baud: Some(38400), ..env("xterm", "C") }).slow, "every pseudo terminal says 38400");
        assert!(!decide(&env("dumb", "C")).full_screen);
        assert_eq!(decide(&plain).reasons.len(), 4);
        assert!(decide(&plain).reasons.iter().any(|reason| reason == "no colours: NO_COLOR is set"));
    }
}
