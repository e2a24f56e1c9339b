//! Settings and where each came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::problem::Problem;

/// The settings file: `/etc/domkeep/config.toml` for root, `$XDG_CONFIG_HOME/domkeep/config.toml` otherwise, or `--config FILE`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Further directories with xl or xm configuration files.
    pub config_dirs: Vec<PathBuf>,
    /// Further directories (or files) where save images are looked for.
    pub save_dirs: Vec<PathBuf>,
    /// Further directories with image files.
    pub image_dirs: Vec<PathBuf>,
    /// Directories below which backups lie.
    pub backup_dirs: Vec<PathBuf>,
    /// Connections of libvirt that are asked; `auto` stands for the ones that are here.
    pub libvirt_uris: Vec<String>,
    /// Seconds between two looks where nothing can be watched. 0: only on `r`.
    pub poll_seconds: u64,
    /// Fill of a snapshot store or thin pool, in percent, from which it is a warning and a danger.
    pub snapshot_warning_percent: u8,
    pub snapshot_danger_percent: u8,
    /// The guard: a store that is so full, in percent, is extended however slowly it fills.
    pub guard_threshold_percent: u8,
    /// The guard makes no classic snapshot's store larger than this share of its origin.
    pub guard_snapshot_most_percent: u8,
    /// ... and no thin pool's data larger than so many GiB; 0: as far as its group has room.
    pub guard_pool_most_gib: u64,
    /// ... and leaves so much of a volume group free.
    pub guard_keep_free_percent: u8,
    /// The fastest that a guest is expected to write, in MiB a second, while nothing faster was seen.
    pub guard_fastest_mib: u64,
    /// Programs that run before and after each backup, by their full paths; empty: none.
    pub hook_before_backup: String,
    pub hook_after_backup: String,
    /// Seconds after which one of them is ended.
    pub hook_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            config_dirs: Vec::new(),
            save_dirs: Vec::new(),
            image_dirs: Vec::new(),
            backup_dirs: vec![PathBuf::from(BACKUPS)],
            libvirt_uris: vec![AUTOMATIC.to_owned()],
            poll_seconds: 30,
            snapshot_warning_percent: 70,
            snapshot_danger_percent: 90,
            guard_threshold_percent: 80,
            guard_snapshot_most_percent: 100,
            guard_pool_most_gib: 0,
            guard_keep_free_percent: 5,
            guard_fastest_mib: 100,
            hook_before_backup: String::new(),
            hook_after_backup: String::new(),
            hook_seconds: 300,
        }
    }
}

impl Settings {
    pub fn limits(&self) -> crate::check::Limits {
        crate::check::Limits {
            snapshot_warning_percent: self.snapshot_warning_percent,
            snapshot_danger_percent: self.snapshot_danger_percent,
        }
    }

    /// Every setting with its value as TOML writes it, in the order of the sample.
    fn values(&self) -> [(&'static str, String); 16] {
        let paths = |paths: &[PathBuf]| format!("{:?}", paths.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>());
        [
            ("config_dirs", paths(&self.config_dirs)),
            ("save_dirs", paths(&self.save_dirs)),
            ("image_dirs", paths(&self.image_dirs)),
            ("backup_dirs", paths(&self.backup_dirs)),
            ("libvirt_uris", format!("{:?}", self.libvirt_uris)),
            ("poll_seconds", self.poll_seconds.to_string()),
            ("snapshot_warning_percent", self.snapshot_warning_percent.to_string()),
            ("snapshot_danger_percent", self.snapshot_danger_percent.to_string()),
            ("guard_threshold_percent", self.guard_threshold_percent.to_string()),
            ("guard_snapshot_most_percent", self.guard_snapshot_most_percent.to_string()),
            ("guard_pool_most_gib", self.guard_pool_most_gib.to_string()),
            ("guard_keep_free_percent", self.guard_keep_free_percent.to_string()),
            ("guard_fastest_mib", self.guard_fastest_mib.to_string()),
            ("hook_before_backup", format!("{:?}", self.hook_before_backup)),
            ("hook_after_backup", format!("{:?}", self.hook_after_backup)),
            ("hook_seconds", self.hook_seconds.to_string()),
        ]
    }
}

/// In `libvirt_uris`: whichever of libvirt's daemons are on the host.
pub const AUTOMATIC: &str = "auto";

/// Where backups go when nobody says where else.
pub const BACKUPS: &str = "/var/backups/domkeep";

/// A settings file with every setting explained; `domkeep config --sample` prints it.
pub const SAMPLE: &str = include_str!("../assets/config.toml");

/// Larger settings files are refused unread.
const LARGEST: u64 = 1 << 20;

/// Settings as they are in force, and what each comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub settings: Settings,
    /// The file that was looked for; nothing when there is no home directory.
    pub path: Option<PathBuf>,
    /// The file was there.
    pub found: bool,
    /// The usual file is there and may not be read: what to say of it.
    pub unread: Option<String>,
    /// The settings that stand in the file.
    set: Vec<String>,
    /// Directories of the command line were added.
    looking_in: bool,
}

impl Loaded {
    /// Adds directories that the command line names (`--look-in`): for configurations, save images and image files alike.
    #[must_use]
    pub fn looking_in(mut self, dirs: &[PathBuf]) -> Self {
        for list in [&mut self.settings.config_dirs, &mut self.settings.save_dirs, &mut self.settings.image_dirs] {
            list.extend(dirs.iter().cloned());
        }
        self.looking_in = !dirs.is_empty();
        self
    }

    /// Every setting: its name, its value, and `default` or the file it stands in.
    pub fn origins(&self) -> Vec<(&'static str, String, String)> {
        let file = self.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        self.settings
            .values()
            .into_iter()
            .map(|(name, value)| {
                let mut origin = if self.set.iter().any(|set| set == name) { file.clone() } else { "default".to_owned() };
                if self.looking_in && name.ends_with("_dirs") && name != "backup_dirs" {
                    origin.push_str(" and --look-in");
                }
                (name, value, origin)
            })
            .collect()
    }
}

/// Where the settings are looked for. As root never under somebody's home: whoever can write there would tell root where to look.
pub fn default_path(root: bool, xdg_config_home: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
    if root {
        return Some(PathBuf::from("/etc/domkeep/config.toml"));
    }
    let base = match (xdg_config_home, home) {
        // The XDG base directory specification: a relative one is to be ignored.
        (Some(xdg), _) if xdg.starts_with('/') => PathBuf::from(xdg),
        (_, Some(home)) if home.starts_with('/') => Path::new(home).join(".config"),
        _ => return None,
    };
    Some(base.join("domkeep/config.toml"))
}

/// Reads the settings: the file that was named, which must be there, or else the usual one, which need not.
pub fn load(named: Option<&Path>, usual: Option<PathBuf>) -> Result<Loaded, Problem> {
    let Some(path) = named.map(Path::to_path_buf).or(usual) else { return Ok(Loaded::default()) };
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            return Ok(Loaded { path: Some(path), ..Loaded::default() });
        }
        // Nobody named this file: `sudo -u` with another's HOME must not keep a person from looking.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && named.is_none() => {
            let unread = format!("{} may not be read ({error}): the defaults are used", path.display());
            return Ok(Loaded { path: Some(path), unread: Some(unread), ..Loaded::default() });
        }
        Err(error) => {
            return Err(Problem::new(format!("the settings in {} could not be read", path.display()))
                .because(error)
                .hint("`domkeep config --sample` prints a file to begin with"));
        }
    };
    let (settings, set) = parse(&text).map_err(|wrong| {
        Problem::usage(format!("the settings in {} are wrong", path.display()))
            .because(wrong)
            .hint("`domkeep config --sample` explains every setting")
    })?;
    Ok(Loaded { settings, path: Some(path), found: true, set, ..Loaded::default() })
}

#[expect(clippy::disallowed_methods, reason = "the settings are domkeep's own, of this machine whichever host is looked at")]
fn read(path: &Path) -> std::io::Result<String> {
    let facts = std::fs::metadata(path)?;
    if !facts.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    if facts.len() > LARGEST {
        return Err(std::io::Error::other("it is larger than 1 MiB"));
    }
    std::fs::read_to_string(path)
}

/// A settings file, and the names that stand in it. The error is one sentence with the line.
fn parse(text: &str) -> Result<(Settings, Vec<String>), String> {
    let line_of = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let complain = |error: &toml::de::Error| {
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        error.span().map_or_else(|| message.clone(), |span| format!("line {}: {message}", line_of(span.start)))
    };
    let table: BTreeMap<toml::Spanned<String>, toml::Value> = toml::from_str(text).map_err(|error| complain(&error))?;
    let known: Vec<&str> = Settings::default().values().map(|(name, _)| name).to_vec();
    for key in table.keys() {
        if !known.contains(&key.get_ref().as_str()) {
            let near = nearest(key.get_ref(), known.iter().copied());
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(format!("line {}: there is no setting `{}`{hint}", line_of(key.span().start), key.get_ref()));
        }
    }
    let settings: Settings = toml::from_str(text).map_err(|error| complain(&error))?;
    let line_of_key = |name: &str| table.keys().find(|key| key.get_ref() == name).map_or(1, |key| line_of(key.span().start));
    for (name, paths) in [
        ("config_dirs", &settings.config_dirs),
        ("save_dirs", &settings.save_dirs),
        ("image_dirs", &settings.image_dirs),
        ("backup_dirs", &settings.backup_dirs),
    ] {
        if let Some(relative) = paths.iter().find(|path| !path.is_absolute()) {
            return Err(format!("line {}: `{}` in {name} does not begin with /", line_of_key(name), relative.display()));
        }
    }
    if let Some(wrong) = settings.libvirt_uris.iter().find(|uri| *uri != AUTOMATIC && !is_uri(uri)) {
        return Err(format!(
            "line {}: `{wrong}` in libvirt_uris is no URI of libvirt's, such as qemu:///system",
            line_of_key("libvirt_uris")
        ));
    }
    if settings.snapshot_danger_percent > 100 || settings.snapshot_warning_percent > settings.snapshot_danger_percent {
        return Err(format!(
            "line {}: snapshot_warning_percent ({}) must not be above snapshot_danger_percent ({}), and neither above 100",
            line_of_key("snapshot_danger_percent").max(line_of_key("snapshot_warning_percent")),
            settings.snapshot_warning_percent,
            settings.snapshot_danger_percent
        ));
    }
    for (name, value, least) in [
        ("guard_threshold_percent", settings.guard_threshold_percent, 1),
        ("guard_snapshot_most_percent", settings.guard_snapshot_most_percent, 1),
        ("guard_keep_free_percent", settings.guard_keep_free_percent, 0),
    ] {
        if !(least..=100).contains(&value) {
            return Err(format!("line {}: {name} ({value}) must be {least} to 100", line_of_key(name)));
        }
    }
    Ok((settings, table.into_keys().map(toml::Spanned::into_inner).collect()))
}

/// `driver:///path` or `driver+transport://host/path`: nothing that virsh could take for an option.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '+';
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.chars().all(letters)
        && !rest.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The name that was probably meant: at most a third of its letters differ.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(64).collect();
    names
        .into_iter()
        .map(|name| (distance(&word, name), name))
        .filter(|(distance, name)| distance * 3 <= name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Letters to add, drop or change to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((to, above), diagonal) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or(0);
            next.push((above + 1).min(left + 1).min(diagonal + usize::from(from != *to)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_settings_file_with_every_setting_at_its_default() {
        let (settings, set) = parse(SAMPLE).unwrap();
        assert_eq!(settings, Settings::default(), "whoever copies the sample would change domkeep's behaviour without knowing");
        for (name, _) in settings.values() {
            assert!(set.iter().any(|set| set == name), "the sample does not explain {name}");
        }
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_line_and_the_right_word() {
        let wrong = parse("# my own\npoll_secs = 3\n").unwrap_err();
        assert_eq!(wrong, "line 2: there is no setting `poll_secs`; did you mean `poll_seconds`?");
        let wrong = parse("poll_seconds = \"often\"").unwrap_err();
        assert!(wrong.starts_with("line 1: "), "no line to look at: {wrong}");
        assert!(parse("config_dirs = [\"xen\"]").unwrap_err().contains("does not begin with /"));
        assert!(parse("snapshot_warning_percent = 95").is_err(), "a warning after the danger would never be seen");
        assert!(parse("[nonsense").is_err());
    }

    #[test]
    fn root_never_reads_settings_from_a_home() {
        assert_eq!(default_path(true, Some("/home/eve/.config"), Some("/home/eve")), Some(PathBuf::from("/etc/domkeep/config.toml")));
        assert_eq!(default_path(false, Some("relative"), Some("/home/ann")), Some(PathBuf::from("/home/ann/.config/domkeep/config.toml")));
        assert_eq!(default_path(false, None, None), None);
    }

    #[test]
    fn a_named_file_must_be_there_the_usual_one_need_not() {
        let nowhere = Path::new("/nonexistent/domkeep.toml");
        assert!(load(Some(nowhere), None).is_err(), "a typing error after --config went unnoticed");
        let loaded = load(None, Some(nowhere.to_path_buf())).unwrap();
        assert!(!loaded.found && loaded.settings == Settings::default());
    }

    #[test]
    fn each_setting_says_where_it_comes_from() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(&path, "poll_seconds = 5\n").unwrap();
        let origins = load(Some(&path), None).unwrap().origins();
        let of =
            |name| origins.iter().find(|(known, ..)| *known == name).map(|(_, value, origin)| (value.as_str(), origin.as_str())).unwrap();
        assert_eq!(of("poll_seconds"), ("5", path.to_str().unwrap()));
        assert_eq!(of("image_dirs"), ("[]", "default"));
    }
}
