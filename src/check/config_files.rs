//! What the toolstack will do with a configuration file.

use super::{Explanation, Rule, Scene};
use crate::model::{Config, ConfigSource, ConfigTrouble, Evidence, Finding, HostPath, Severity, Subject};

pub(super) static REJECTED: Rule = Rule {
    explanation: Explanation {
        code: "config-rejected",
        title: "xl will not take a configuration file.",
        what: "xl stops at this file with an error: the domain cannot be started from it, by hand or at boot.",
        how_it_comes: "Line ends of Windows (CR LF), a last comment without a line end, a Python program from the days of xm, a word that xl does \
                       not know in a disk line, `w!` as access, or a bracket too few. A domain that still runs shows nothing of it until its next start.",
        looked_at: "The file, with xl's own grammar: line and column are where xl stops.",
        mend: &["Correct the line, then let xl read the file without starting anything:", "  xl create -n /etc/xen/NAME.cfg"],
        proves_not: "That a file which is accepted does what its author meant: see config-not-as-meant.",
    },
    why: "The domain does not start from this file: not after its next shutdown, and not at the host's next boot.",
    look: look_rejected,
};

pub(super) static NOT_AS_MEANT: Rule = Rule {
    explanation: Explanation {
        code: "config-not-as-meant",
        title: "xl takes the file, but does not do what it says.",
        what: "xl accepts the file and goes on with something else than its author meant: a setting it ignores, a number it reads in another base, \
               a list that it takes for a plain text.",
        how_it_comes: "xl is not xm: it ignores nfs_server, nfs_root and dhcp without a word; `010` is 8; `disk = '...'` without brackets is no \
                       disk at all; a relative `phy:vg/lv` is not looked for under /dev.",
        looked_at: "The file, with xl's own grammar and its table of settings.",
        mend: &["See what xl makes of it, without starting anything:", "  xl create -n /etc/xen/NAME.cfg"],
        proves_not: "That it does harm: perhaps nobody needs the setting.",
    },
    why: "The domain starts, but not as its file reads. Such a difference is found when something else is already wrong.",
    look: look_not_as_meant,
};

pub(super) static NAME_DIFFERS: Rule = Rule {
    explanation: Explanation {
        code: "config-name-differs",
        title: "A configuration file is not named after its domain.",
        what: "The file's name and the `name` inside differ. That is allowed; people look for the file by the domain's name and find none, or the wrong one.",
        how_it_comes: "The domain was renamed, or the file was copied for a new domain.",
        looked_at: "The file's name without its ending, and `name` in it.",
        mend: &["  mv /etc/xen/OLD.cfg /etc/xen/NAME.cfg", "A link in /etc/xen/auto must be made anew."],
        proves_not: "That anything is wrong.",
    },
    why: "In trouble, somebody edits or removes the wrong file.",
    look: look_name,
};

fn ids(scene: &Scene<'_>, path: &HostPath, name: Option<&str>) -> Vec<String> {
    scene
        .inventory
        .domains
        .iter()
        .filter(|domain| domain.configs.contains(path) || Some(domain.name.as_str()) == name)
        .map(|domain| domain.id.clone())
        .collect()
}

/// `FILE, line 3, column 7`.
fn place(path: &HostPath, line: Option<u32>, column: Option<u32>) -> String {
    let mut place = path.to_string();
    if let Some(line) = line {
        place.push_str(&format!(", line {line}"));
        if let Some(column) = column {
            place.push_str(&format!(", column {column}"));
        }
    }
    place
}

fn look_rejected(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for unreadable in &scene.inventory.unreadable_configs {
        let config = scene.inventory.config(&unreadable.path);
        let domains = ids(scene, &unreadable.path, config.and_then(|config| config.name.as_deref()));
        // A Python file of xm that no domain of today uses is history, not trouble.
        let severity = if unreadable.python { Severity::Note } else { Severity::Warning };
        let at = place(&unreadable.path, unreadable.line, unreadable.column);
        let title = format!("{at}: no domain can be started from this file.");
        let mut finding = REJECTED.finding(severity, Subject::Config { path: unreadable.path.clone() }, title);
        finding.domains = domains;
        finding.evidence.push(Evidence::new(unreadable.why.clone(), at));
        if unreadable.python {
            finding
                .evidence
                .push(Evidence::new("it is a Python program, as xm ran them; domkeep never runs it", unreadable.path.to_string()));
        }
        finding.advice = vec![format!("Correct it, then `xl create -n {}`", super::scene::typed(&unreadable.path))];
        findings.push(finding);
    }
    for config in files(scene) {
        let fatal: Vec<&ConfigTrouble> = config.trouble.iter().filter(|trouble| trouble.fatal).collect();
        let already = scene.inventory.unreadable_configs.iter().any(|unreadable| unreadable.path == config.path);
        let Some(first) = fatal.first().filter(|_| !already) else { continue };
        let title = format!("{}: xl will not take this file.", place(&config.path, first.line, first.column));
        let mut finding = REJECTED.finding(Severity::Warning, Subject::Config { path: config.path.clone() }, title);
        finding.domains = ids(scene, &config.path, config.name.as_deref());
        finding.evidence =
            fatal.iter().map(|trouble| Evidence::new(trouble.what.clone(), place(&config.path, trouble.line, trouble.column))).collect();
        finding.advice = vec![format!("Correct it, then `xl create -n {}`", super::scene::typed(&config.path))];
        findings.push(finding);
    }
}

fn look_not_as_meant(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for config in files(scene) {
        let mild: Vec<&ConfigTrouble> = config.trouble.iter().filter(|trouble| !trouble.fatal).collect();
        if mild.is_empty() {
            continue;
        }
        let title = format!("{}: xl does something else than this file says.", config.path);
        let mut finding = NOT_AS_MEANT.finding(Severity::Warning, Subject::Config { path: config.path.clone() }, title);
        finding.domains = ids(scene, &config.path, config.name.as_deref());
        finding.evidence =
            mild.iter().map(|trouble| Evidence::new(trouble.what.clone(), place(&config.path, trouble.line, trouble.column))).collect();
        finding.advice = vec![format!("See what xl makes of it: `xl create -n {}`", super::scene::typed(&config.path))];
        findings.push(finding);
    }
}

fn look_name(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for config in files(scene).filter(|config| matches!(config.grammar.as_str(), "xl" | "xm")) {
        let (Some(name), Some(file)) = (&config.name, config.path.file_name()) else { continue };
        let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
        if stem == name || file == *name {
            continue;
        }
        let title = format!("{} is the configuration of {name}.", config.path);
        let mut finding = NAME_DIFFERS.finding(Severity::Note, Subject::Config { path: config.path.clone() }, title);
        finding.domains = ids(scene, &config.path, Some(name));
        finding.evidence.push(Evidence::new(format!("name = \"{name}\""), config.path.to_string()));
        finding.advice = vec!["Rename the file when there is a quiet moment, or remember it.".to_owned()];
        findings.push(finding);
    }
}

fn files<'a>(scene: &Scene<'a>) -> impl Iterator<Item = &'a Config> {
    scene.inventory.configs.iter().filter(|config| config.source == ConfigSource::File)
}
