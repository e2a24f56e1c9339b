//! Scenes: what is started, which keys are pressed, what must stand on the screen before the picture is taken.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use domkeep_terminal::{Options, Screen, Session};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Also the name of the picture's file.
    pub name: String,
    /// With `--demo` among them, a fresh directory for the demo machine is added.
    pub args: Vec<String>,
    pub cols: u16,
    pub rows: u16,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub steps: Vec<Step>,
    /// For those who do not see the picture.
    pub alt: String,
}

/// Keys, or a text to wait for; with both, the keys come first.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(default)]
    pub keys: String,
    #[serde(default)]
    pub wait_for: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenes {
    #[serde(default)]
    scene: Vec<Scene>,
}

const LIMIT: Duration = Duration::from_secs(20);
/// This long without a byte, and the screen is finished.
const STILL: Duration = Duration::from_millis(250);

impl Scene {
    /// What stands in the window's title: the command line as a user would type it.
    pub fn title(&self) -> String {
        std::iter::once("domkeep").chain(self.args.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }
}

pub fn read(file: &Path) -> anyhow::Result<Vec<Scene>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    parse(&text).with_context(|| file.display().to_string())
}

fn parse(text: &str) -> anyhow::Result<Vec<Scene>> {
    let scenes = toml::from_str::<Scenes>(text)?.scene;
    for (at, scene) in scenes.iter().enumerate() {
        if scene.name.is_empty() || !scene.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            bail!("{:?} is not a name of a file: lower-case letters, digits and - only", scene.name);
        }
        if scenes.iter().take(at).any(|earlier| earlier.name == scene.name) {
            bail!("two scenes are named {}", scene.name);
        }
        if scene.steps.iter().all(|step| step.wait_for.is_empty()) {
            bail!("scene {} waits for no text: its picture would be of chance", scene.name);
        }
        if scene.alt.trim().is_empty() {
            bail!("scene {} has no alt text", scene.name);
        }
    }
    Ok(scenes)
}

/// Plays a scene and gives the screen at its end. `scratch` gets a directory for the scene, emptied first.
pub fn play(scene: &Scene, program: &Path, scratch: &Path) -> anyhow::Result<Screen> {
    if !program.is_file() {
        bail!("there is no {}: run `cargo build --release` first, or set DOMKEEP_BIN", program.display());
    }
    let scratch = scratch.join(&scene.name);
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).with_context(|| format!("{} cannot be emptied", scratch.display()))?;
    }
    std::fs::create_dir_all(&scratch).with_context(|| format!("{} cannot be made", scratch.display()))?;
    let mut args: Vec<String> = scene.args.clone();
    if args.iter().any(|arg| arg == "--demo" || arg.starts_with("--demo=")) {
        args.push("--demo-root".to_owned());
        args.push(scratch.join("machine").to_str().context("the scratch directory's name is not UTF-8")?.to_owned());
    }
    let mut options = Options::default().size(scene.cols, scene.rows).cwd(&scratch).env("HOME", &scratch);
    for (name, value) in &scene.env {
        options = options.env(name, value);
    }
    let session = Session::start(program, &args, &options)?;
    for step in &scene.steps {
        session.keys(&step.keys)?;
        if !step.wait_for.is_empty() {
            session.wait_for_text(&step.wait_for, LIMIT)?;
        }
    }
    session.wait_quiet(STILL)?;
    Ok(session.screen())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "[[scene]]\nname = 'one'\nargs = ['-c', \"printf '\\\\033[1;31mred\\\\033[0m ready'; read x; printf ' pressed'; sleep 60\"]\n\
        cols = 60\nrows = 4\nsteps = [{ wait_for = 'ready' }, { keys = 'x<enter>', wait_for = 'pressed' }]\nalt = 'words'\n";

    #[test]
    fn a_scene_is_played_to_its_end_and_is_the_same_twice() {
        let scenes = parse(ONE).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let play = || play(&scenes[0], Path::new("/bin/sh"), scratch.path()).unwrap();
        let (first, second) = (play(), play());
        assert!(first.text().starts_with("red readyx\n pressed"), "{}", first.text());
        assert!(first.cell(0, 0).unwrap().bold);
        let draw = |screen: &Screen| crate::draw::svg(screen, &scenes[0].title(), &scenes[0].alt);
        assert_eq!(draw(&first), draw(&second), "a picture that changes by itself cannot be checked");
    }

    #[test]
    fn a_scene_that_would_show_chance_or_overwrite_another_is_refused() {
        for (wrong, word) in [
            (format!("{ONE}{ONE}"), "two scenes"),
            (ONE.replace("'one'", "'../one'"), "not a name"),
            (ONE.replace("'words'", "' '"), "no alt text"),
            (ONE.replace("wait_for", "keys").replace("keys = 'x<enter>', ", ""), "waits for no text"),
            (ONE.replace("cols", "columns"), "columns"),
        ] {
            let told = format!("{:#}", parse(&wrong).unwrap_err());
            assert!(told.contains(word), "{told}");
        }
    }

    #[test]
    fn the_scenes_of_the_readme_are_well_formed() {
        let scenes = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes.toml")).unwrap();
        assert!(!scenes.is_empty());
        for step in scenes.iter().flat_map(|scene| &scene.steps) {
            domkeep_terminal::parse(&step.keys).unwrap();
        }
    }
}
