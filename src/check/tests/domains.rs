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
