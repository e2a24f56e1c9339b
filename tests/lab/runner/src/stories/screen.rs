//! The screens, over ssh in a terminal, as a person would see them.

use std::time::Duration;

use anyhow::Result;
use domkeep_terminal::{Options, Session, terminal_restored};

use crate::host::Host;
use crate::scenario::{Scenario, scenario};
use crate::see::See;

const SOON: Duration = Duration::from_secs(60);
/// 9,600 baud: a byte takes ten bits.
const SLOW_LINE: u32 = 960;

struct Sitting {
    session: Session,
    /// Bytes that the first screen took.
    first: usize,
}

/// Logs in and starts domkeep in a terminal of 80x24, until the list is there.
fn sit_down(host: &dyn Host, term: &str, speed: Option<u32>) -> Result<Sitting> {
    let words = host.person()?;
    let (program, args) = words.split_first().ok_or_else(|| anyhow::anyhow!("nothing to start"))?;
    let mut options = Options::default().size(80, 24).env("TERM", term).env("HOME", "/root");
    options.line_speed = speed;
    let session = Session::start(program, args, &options)?;
    session.wait_for_text("web1", SOON)?;
    session.wait_quiet(Duration::from_secs(2))?;
    let first = session.bytes_sent();
    Ok(Sitting { session, first })
}

fn leave(sitting: &mut Sitting, see: &mut See) -> Result<()> {
    sitting.session.keys("q")?;
    let exit = sitting.session.must_exit(SOON)?;
    let bytes = sitting.session.bytes();
    see.that(exit.code() == Some(0), "a user who quits would be told of an error", || format!("{exit:?}"));
    see.that(terminal_restored(&bytes).is_ok(), "a user's terminal would be left in disorder", || {
        format!("{:?}", terminal_restored(&bytes))
    });
    Ok(())
}

fn escape_codes(bytes: &[u8], wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    text.split("\u{1b}[")
        .skip(1)
        .filter_map(|part| part.find(|c: char| c.is_ascii_alphabetic()).and_then(|end| part.get(..=end)))
        .filter(|code| wanted(code))
        .map(str::to_owned)
        .collect()
}

fn is_colour(code: &str) -> bool {
    let Some(numbers) = code.strip_suffix('m') else { return false };
    numbers
        .split(';')
        .any(|number| number.parse().is_ok_and(|n: u32| (30..=49).contains(&n) && n != 39 && n != 49 || (90..=107).contains(&n)))
}

/// What holds in every terminal.
fn look_around(sitting: &mut Sitting, see: &mut See) -> Result<()> {
    let session = &sitting.session;
    see.that(session.screen_text().contains("paused"), "a user would not see that web1 is paused", || session.screen_text());
    session.keys("/web1<enter>")?;
    session.wait_quiet(Duration::from_secs(2))?;
    session.keys("<enter>")?;
    let found = session.wait_for_text("xvda", SOON);
    see.that(found.is_ok(), "a user who opens web1 would not see its disk", || session.screen_text());
    see.that(session.screen_text().contains("web1-disk"), "a user who opens web1 would not see what its disk lies on", || {
        session.screen_text()
    });
    session.keys("<esc>")?;
    session.wait_quiet(Duration::from_secs(1))?;
    Ok(())
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("the screen over ssh, TERM=xterm-256color: the list, a domain, quiet when idle, a clean leave", |host, see| {
            host.does("place web1")?;
            let mut sitting = sit_down(host, "xterm-256color", None)?;
            let before = sitting.session.bytes_sent();
            std::thread::sleep(Duration::from_secs(10));
            let idle = sitting.session.bytes_sent() - before;
            see.that(idle == 0, "an idle screen would fill a slow line", || format!("{idle} bytes in 10 s"));
            look_around(&mut sitting, see)?;
            leave(&mut sitting, see)
        })
        .short(),
        scenario("the screen over ssh, TERM=linux", |host, see| {
            host.does("place web1")?;
            let mut sitting = sit_down(host, "linux", None)?;
            look_around(&mut sitting, see)?;
            leave(&mut sitting, see)
        }),
        scenario("the screen over ssh, TERM=vt100: no colours, nothing but ASCII", |host, see| {
            host.does("place web1")?;
            let mut sitting = sit_down(host, "vt100", None)?;
            look_around(&mut sitting, see)?;
            let bytes = sitting.session.bytes();
            see.that(bytes.is_ascii(), "a vt100 would show rubbish", || sitting.session.screen_text());
            let colours = escape_codes(&bytes, is_colour);
            see.that(colours.is_empty(), "a vt100 would blink and dim where colours are meant", || colours.join(" "));
            leave(&mut sitting, see)
        })
        .short(),
        scenario("the screen over a line of 9,600 baud: one screen's bytes, steps that do not lag", |host, see| {
            host.does("place web1")?;
            let mut sitting = sit_down(host, "vt100", Some(SLOW_LINE))?;
            let first = sitting.first;
            see.that(first <= 6_000, "a user on a serial line would wait more than six seconds for the list", || format!("{first} bytes"));
            for _ in 0..3 {
                let before = sitting.session.bytes_sent();
                sitting.session.keys("<down>")?;
                sitting.session.wait_quiet(Duration::from_secs(1))?;
                let step = sitting.session.bytes_sent() - before;
                see.that(step <= 300, "a user on a serial line would wait for each step of the cursor", || format!("{step} bytes"));
            }
            look_around(&mut sitting, see)?;
            leave(&mut sitting, see)
        }),
        scenario("the window closes: domkeep goes, and burns no processor", |host, see| {
            host.does("place web1")?;
            let mut sitting = sit_down(host, "xterm-256color", None)?;
            sitting.session.hang_up();
            std::thread::sleep(Duration::from_secs(5));
            let left = host.does("pgrep -c -x domkeep; true")?;
            see.that(left.text().trim() == "0", "a closed window would leave a domkeep behind", || left.to_string());
            Ok(())
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_told_from_other_attributes() {
        let codes = escape_codes(b"\x1b[1mbold\x1b[0m\x1b[38;5;2mgreen\x1b[7mrev\x1b[31;1mred\x1b[39;49m\x1b[2J", is_colour);
        assert_eq!(codes, ["38;5;2m", "31;1m"]);
    }
}
