use super::severity;
use crate::model::example::{disk, domain, host, put_save};
use crate::model::{Domain, Inventory, Mode, Power, Severity};

fn one(power: Power) -> Inventory {
    host(vec![domain("web", power, vec![disk("xvda", "/dev/vg0/web", Mode::Write)])])
}

#[test]
fn a_domain_that_nothing_can_start_again_is_shown() {
    let code = "domain-without-config";
    assert_eq!(severity(&one(Power::Running), code), None);
    let without = |likely: Option<&str>, power| {
        let web = Domain { configs: Vec::new(), likely_config: likely.map(Into::into), ..domain("web", power, Vec::new()) };
        host(vec![web])
    };
    assert_eq!(severity(&without(None, Power::Running), code), Some(Severity::Warning), "after a crash nobody knows how to start it");
    assert_eq!(severity(&without(Some("/etc/xen/other.cfg"), Power::Running), code), Some(Severity::Note));
    assert_eq!(severity(&without(None, Power::Saved), code), None, "a saved domain's configuration lies in its image");
}

#[test]
fn a_domain_that_stands_suspended_is_shown() {
    let code = "suspended-without-save";
    assert_eq!(severity(&one(Power::Suspended), code), Some(Severity::Warning), "the guest answers nobody until somebody acts");
    assert_eq!(severity(&one(Power::Paused), code), None);
    let mut with_image = one(Power::Suspended);
    put_save(&mut with_image, "/root/web.save", "web", Vec::new());
    assert_eq!(severity(&with_image, code), None, "a complete image shows that the save ended well");
    with_image.saves[0].complete = Some(false);
    assert_eq!(severity(&with_image, code), Some(Severity::Warning), "a cut image is what an interrupted save leaves");
}

#[test]
fn a_domain_that_ended_but_is_kept_is_shown() {
    let code = "preserved-holds-disks";
    assert_eq!(severity(&one(Power::Preserved), code), Some(Severity::Warning));
    assert_eq!(severity(&one(Power::Crashed), code), Some(Severity::Warning));
    assert_eq!(severity(&one(Power::Running), code), None);
    assert_eq!(severity(&one(Power::Off), code), None);
}

#[test]
fn a_domain_between_two_states_is_not_said_to_have_no_configuration() {
    let code = "domain-without-config";
    let passing = |name: &str, power| host(vec![Domain { configs: Vec::new(), ..domain(name, power, Vec::new()) }]);
    for (name, power) in [("web--incoming", Power::Migrating), ("web", Power::Dying), ("(null)", Power::Paused)] {
        assert_eq!(severity(&passing(name, power), code), None, "{name}, {power:?}: a warning for some seconds of every start or move");
    }
}

#[test]
fn an_old_image_does_not_hide_an_interrupted_save() {
    let mut inventory = one(Power::Suspended);
    put_save(&mut inventory, "/root/web.save", "web", vec![disk("xvda", "/dev/vg0/web", Mode::Write)]);
    inventory.domains[0].started = Some(crate::model::example::at(30));
    assert_eq!(
        severity(&inventory, "suspended-without-save"),
        Some(Severity::Warning),
        "the guest stands for ever, and the image of an earlier week was taken for the save that suspended it"
    );
}
