//! The real host: an emulated PC with Xen, reached over ssh.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::host::{Host, Said, run};
use crate::words::quoted;

pub struct Dom0 {
    /// The folder with the lab's scripts.
    xen: PathBuf,
    /// The folder with the lab's images and run-time files.
    lab: PathBuf,
    binary: PathBuf,
}

const LINES_LIMIT: Duration = Duration::from_secs(400);
const DOMKEEP_LIMIT: Duration = Duration::from_secs(120);
/// The script has a limit of its own (DOMKEEP_LAB_BOOT_LIMIT), which tells more.
const BOOT_LIMIT: Duration = Duration::from_secs(1_800);

impl Dom0 {
    /// The host, up (booted when it is not), with this domkeep in it and its site laid out.
    pub fn up(xen: PathBuf, lab: PathBuf, binary: PathBuf, fresh: bool) -> Result<Self> {
        let mut dom0 = Self { xen, lab, binary };
        if fresh {
            dom0.again()?;
        } else {
            if !dom0.answers() {
                dom0.boot(&[])?;
            }
            dom0.furnish()?;
        }
        Ok(dom0)
    }

    /// Boots it anew from the images as they were built.
    pub fn again(&mut self) -> Result<()> {
        self.script("stop", &["--now"], b"", Duration::from_secs(60))?;
        self.boot(&["--fresh"])?;
        self.furnish()
    }

    pub fn stop(&mut self) -> Result<()> {
        self.script("stop", &["--now"], b"", Duration::from_secs(60)).map(drop)
    }

    pub fn answers(&self) -> bool {
        self.ssh("true", b"", Duration::from_secs(30)).is_ok_and(|said| said.exit == Some(0))
    }

    fn boot(&self, args: &[&str]) -> Result<()> {
        let said = self.script("boot", args, b"", BOOT_LIMIT)?;
        ensure!(said.exit == Some(0), "the emulated Xen host did not come up, so no scenario could be played\n{said}");
        Ok(())
    }

    fn furnish(&self) -> Result<()> {
        let site = fs::read(self.xen.join("site.sh")).context("no site.sh")?;
        self.put(&site, "/root/lab/site.sh", "644")?;
        let domkeep = fs::read(&self.binary).with_context(|| format!("no domkeep at {}", self.binary.display()))?;
        self.put(&domkeep, "/usr/local/bin/domkeep", "755")?;
        let said = self.lines("lab_site")?;
        ensure!(said.exit == Some(0), "the site could not be laid out\n{said}");
        Ok(())
    }

    fn put(&self, bytes: &[u8], path: &str, mode: &str) -> Result<()> {
        let line = format!("mkdir -p $(dirname {path}) && cat >{path}.new && chmod {mode} {path}.new && mv {path}.new {path}");
        let said = self.ssh(&line, bytes, Duration::from_secs(120))?;
        ensure!(said.exit == Some(0), "{path} could not be put into the dom0\n{said}");
        Ok(())
    }

    fn lines(&self, lines: &str) -> Result<Said> {
        // The lines come as input and are then evaluated, so that no command in them can swallow the rest.
        let mut said = self.ssh("lines=$(cat); exec </dev/null; . /root/lab/site.sh; eval \"$lines\"", lines.as_bytes(), LINES_LIMIT)?;
        lines.clone_into(&mut said.command);
        Ok(said)
    }

    fn ssh(&self, line: &str, input: &[u8], limit: Duration) -> Result<Said> {
        self.script("ssh", &[line], input, limit)
    }

    fn script(&self, name: &str, args: &[&str], input: &[u8], limit: Duration) -> Result<Said> {
        let path = self.xen.join(name);
        let path = path.to_str().context("the lab's folder has an odd name")?;
        run(&[&[path], args].concat(), input, limit)
    }
}

impl Host for Dom0 {
    fn does(&mut self, lines: &str) -> Result<Said> {
        let said = self.lines(lines)?;
        if said.exit != Some(0) {
            bail!("the host refused what the story needs:\n{said}");
        }
        Ok(said)
    }

    fn domkeep(&mut self, args: &[&str]) -> Result<Said> {
        let words: Vec<String> = args.iter().map(|word| quoted(word)).collect();
        let mut said = self.ssh(&format!("/usr/local/bin/domkeep {}", words.join(" ")), b"", DOMKEEP_LIMIT)?;
        said.command = format!("domkeep {}", words.join(" "));
        Ok(said)
    }

    fn clean(&mut self) -> Result<()> {
        self.does("lab_clean").map(drop)
    }

    fn power_cut(&mut self) -> Result<()> {
        self.script("stop", &["--now"], b"", Duration::from_secs(60))?;
        self.boot(&[])
    }

    fn person(&self) -> Result<Vec<String>> {
        let port = fs::read_to_string(self.lab.join("run/person-port")).context("the host is not up")?;
        let key = self.lab.join("id_ed25519");
        let key = key.to_str().context("the lab's folder has an odd name")?;
        let options = ["-tt", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-i", key];
        let to = ["-p", port.trim(), "root@127.0.0.1", "/usr/local/bin/domkeep"];
        Ok(std::iter::once("ssh").chain(options).chain(to).map(str::to_owned).collect())
    }

    fn record(&mut self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        drop(fs::copy(self.lab.join("run/console.log"), folder.join("console.log")));
        let script = fs::read(self.xen.join("record.sh")).context("no record.sh")?;
        self.put(&script, "/root/lab/record.sh", "644")?;
        let line = "rm -rf /root/lab/failed /root/lab/capture; bash /root/lab/record.sh /root/lab/failed; \
                    timeout 120 domkeep capture /root/lab/capture >/root/lab/failed/capture.log 2>&1; \
                    mv /root/lab/capture /root/lab/failed/ 2>/dev/null; tar c -C /root/lab/failed .";
        let said = self.ssh(line, b"", LINES_LIMIT)?;
        let folder = folder.to_str().context("odd folder name")?;
        run(&["tar", "x", "--no-same-owner", "-C", folder], &said.out, Duration::from_secs(60)).map(drop)
    }
}
