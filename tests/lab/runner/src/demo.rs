//! The demo machine, laid out in a directory of its own: the same stories, so that the demo tells the truth.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::host::{Host, Said, run};
use crate::words::split;

pub struct Demo {
    binary: String,
    root: PathBuf,
}

const NAME: &str = "lab";
/// What the demo machine does not know ends so.
const UNKNOWN: i32 = 127;
const LIMIT: Duration = Duration::from_secs(60);

impl Demo {
    pub fn laid_out(binary: &Path, root: PathBuf) -> Result<Self> {
        let binary = binary.to_str().context("domkeep lies in a folder with an odd name")?.to_owned();
        let mut demo = Self { binary, root };
        demo.clean()?;
        Ok(demo)
    }

    fn run(&self, args: &[&str]) -> Result<Said> {
        let root = self.root.to_str().context("odd folder name")?;
        run(&[&[self.binary.as_str(), "--demo", NAME, "--demo-root", root], args].concat(), b"", LIMIT)
    }

    /// What a person does to files there: the demo machine keeps its own below `tree`.
    fn files(&self, words: &[&str]) -> Result<Said> {
        let tree = self.root.join("tree");
        let tree = tree.to_str().context("odd folder name")?;
        let words: Vec<String> =
            words.iter().map(|word| if word.starts_with('/') { format!("{tree}{word}") } else { (*word).to_owned() }).collect();
        run(&words.iter().map(String::as_str).collect::<Vec<_>>(), b"", LIMIT)
    }

    /// The site's own words, as the commands they stand for; none where nothing is to be waited for, because the demo machine is never
    /// between two states.
    fn command(line: &str) -> Result<Vec<String>> {
        let words = split(line)?;
        let (first, rest) = words.split_first().context("an empty line")?;
        let create = |paused: &[&str], rest: &[String]| -> Result<Vec<String>> {
            let name = rest.first().context("which guest?")?;
            let config = rest.get(1).cloned().unwrap_or_else(|| format!("/etc/xen/{name}.cfg"));
            let start = ["xl", "create"].iter().chain(paused).map(|word| (*word).to_owned());
            Ok(start.chain([config]).chain(rest.iter().skip(2).cloned()).collect())
        };
        match first.as_str() {
            "place" => create(&["-p"], rest),
            "start" => create(&[], rest),
            "wait_state" | "wait_gone" | "sleep" => Ok(Vec::new()),
            _ => Ok(words),
        }
    }
}

impl Host for Demo {
    fn does(&mut self, lines: &str) -> Result<Said> {
        let mut last = Said::default();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words = Self::command(line)?;
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if let Some(("refused", words)) = words.split_first().map(|(first, rest)| (*first, rest)) {
                last = self.run(&[&["machine", "--"], words].concat())?;
                ensure!(last.exit != Some(0) && last.exit != Some(UNKNOWN), "the demo machine should have refused:\n{last}");
                let said = std::mem::take(&mut last.err);
                last.out.extend(said);
                continue;
            }
            last = match words.as_slice() {
                [] => continue,
                ["rm" | "cp" | "mv" | "mkdir", ..] => self.files(&words)?,
                words => self.run(&[&["machine", "--"], words].concat())?,
            };
            if last.exit != Some(0) {
                bail!("the demo machine refused what the story needs:\n{last}");
            }
        }
        Ok(last)
    }

    fn domkeep(&mut self, args: &[&str]) -> Result<Said> {
        self.run(args)
    }

    fn clean(&mut self) -> Result<()> {
        if self.root.exists() {
            fs::remove_dir_all(&self.root)?;
        }
        // domkeep makes the directory itself, and uses none that it did not make.
        let parent = self.root.parent().context("a demo machine needs a directory of its own")?;
        fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
        let laid = self.run(&["machine", "--", "xl", "list"])?;
        ensure!(laid.exit == Some(0), "the demo machine could not be laid out\n{laid}");
        Ok(())
    }

    fn person(&self) -> Result<Vec<String>> {
        let root = self.root.to_str().context("odd folder name")?;
        Ok([self.binary.as_str(), "--demo", NAME, "--demo-root", root].map(str::to_owned).to_vec())
    }

    fn record(&mut self, folder: &Path) -> Result<()> {
        let (from, to) = (self.root.to_str().context("odd name")?, folder.to_str().context("odd name")?);
        run(&["cp", "-a", "--sparse=always", from, to], b"", LIMIT).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_story_become_the_commands_of_the_tools() {
        let command = |line| Demo::command(line).unwrap().join(" ");
        assert_eq!(command("place web1"), "xl create -p /etc/xen/web1.cfg");
        assert_eq!(command("start db1 /etc/xen/database.cfg 'name=\"db2\"'"), "xl create /etc/xen/database.cfg name=\"db2\"");
        assert_eq!(command("xl block-attach web1 'phy:/dev/xenvols/hot0,xvdc,w'"), "xl block-attach web1 phy:/dev/xenvols/hot0,xvdc,w");
        assert_eq!(command("wait_gone web1"), "", "the demo machine was asked to wait");
        assert!(Demo::command("xl list >/tmp/x").is_err(), "a redirection was handed to the demo machine as an argument");
    }
}
