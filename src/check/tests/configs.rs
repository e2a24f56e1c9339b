use super::{look, of, severity};
use crate::model::example::{config, disk, domain, host};
use crate::model::{ConfigTrouble, Inventory, Mode, Power, Severity, UnreadableConfig};

fn with_trouble(fatal: bool) -> Inventory {
    let mut inventory = host(vec![domain("web", Power::Off, vec![disk("xvda", "/dev/vg0/web", Mode::Write)])]);
    inventory.configs[0].trouble.push(ConfigTrouble { fatal, line: Some(3), column: Some(8), what: "xl does not know `w!`".to_owned() });
    inventory
}

#[test]
fn a_file_that_xl_refuses_is_shown_with_line_and_column() {
    let verdicts = look(&with_trouble(true));
    let found = of(&verdicts, "config-rejected");
    assert_eq!(found.len(), 1, "the domain does not start, and nobody says why");
    assert!(found[0].title.contains("line 3, column 8"), "where to look is not said: {}", found[0].title);
    assert_eq!(found[0].domains, ["web"]);
    assert!(of(&verdicts, "config-not-as-meant").is_empty());
}

#[test]
fn a_file_that_xl_takes_in_its_own_way_is_shown() {
    assert_eq!(severity(&with_trouble(false), "config-not-as-meant"), Some(Severity::Warning));
    assert_eq!(severity(&with_trouble(false), "config-rejected"), None, "xl takes this file");
}

#[test]
fn a_file_is_complained_of_once_and_old_python_only_noted() {
    let mut inventory = with_trouble(true);
    let unreadable = |path: &str, python| UnreadableConfig { path: path.into(), why: "no".to_owned(), line: Some(1), column: None, python };
    inventory.unreadable_configs = vec![unreadable("/etc/xen/web.cfg", false)];
    assert_eq!(severity(&inventory, "config-rejected"), Some(Severity::Warning));
    let mut old = host(Vec::new());
    old.unreadable_configs = vec![unreadable("/etc/xen/xm-old", true)];
    assert_eq!(severity(&old, "config-rejected"), Some(Severity::Note));
}

#[test]
fn a_file_by_another_name_is_noted() {
    let code = "config-name-differs";
    let mut inventory = host(vec![domain("web", Power::Off, Vec::new())]);
    assert_eq!(severity(&inventory, code), None, "web.cfg is the configuration of web");
    inventory.configs.push(config("/etc/xen/db", "db", Vec::new()));
    assert_eq!(severity(&inventory, code), None, "a file without an ending is named well too");
    inventory.configs.push(config("/etc/xen/database.cfg", "db", Vec::new()));
    assert_eq!(severity(&inventory, code), Some(Severity::Note));
}
