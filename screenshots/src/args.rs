//! The command line.

use std::path::{Path, PathBuf};

pub const HELP: &str = "Draws the scenes of screenshots/scenes.toml from the built program.

  cargo build --release && cargo run -p screenshots [-- OPTIONS]

  --check        draw in memory only; fail, naming the scene, where a committed SVG differs
  --only NAME    only this scene; may be given again
  --scenes FILE  another list of scenes
  --out DIR      where the pictures go, default: beside scenes.toml
  --binary FILE  the program, default: $DOMKEEP_BIN, else target/release/domkeep
  --fonts DIR    where DejaVuSansMono.ttf lies, default: $DOMKEEP_FONTS, else where Debian's fonts-dejavu-core puts it";

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Args {
    pub check: bool,
    pub only: Vec<String>,
    pub scenes: PathBuf,
    pub out: PathBuf,
    pub binary: PathBuf,
    pub fonts: PathBuf,
    /// Demo machines are laid out here, one fresh directory a scene.
    pub scratch: PathBuf,
}

/// `None` asks for help.
pub fn read(words: impl Iterator<Item = String>) -> Result<Option<Args>, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from_env = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let target = from_env("CARGO_TARGET_DIR").or_else(|| here.parent().map(|top| top.join("target"))).unwrap_or_default();
    let mut args = Args {
        check: false,
        only: Vec::new(),
        scenes: here.join("scenes.toml"),
        out: here.to_owned(),
        binary: from_env("DOMKEEP_BIN").unwrap_or_else(|| target.join("release/domkeep")),
        fonts: from_env("DOMKEEP_FONTS").unwrap_or_else(|| PathBuf::from("/usr/share/fonts/truetype/dejavu")),
        scratch: target.join("screenshots"),
    };
    let mut words = words;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--help" | "-h" => return Ok(None),
            "--check" => args.check = true,
            "--only" => args.only.push(value()?),
            "--scenes" => args.scenes = value()?.into(),
            "--out" => args.out = value()?.into(),
            "--binary" => args.binary = value()?.into(),
            "--fonts" => args.fonts = value()?.into(),
            _ => return Err(format!("{word} is not an option")),
        }
    }
    Ok(Some(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<Option<Args>, String> {
        read(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn a_misspelt_option_is_refused() {
        assert!(of(&["--chek"]).unwrap_err().contains("--chek"), "a misspelt --check would overwrite the pictures it should judge");
        assert!(of(&["--only"]).is_err());
        let args = of(&["--check", "--only", "storage"]).unwrap().unwrap();
        assert!(args.check && args.only == ["storage"]);
    }
}
