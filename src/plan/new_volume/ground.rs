//! The volume group of a new volume: one that is there, or one that is made first on a device with nothing on it.

use super::future_group;
use crate::model::volumes::NewVolume;
use crate::model::{Action, Check, Cmd, GroupNow, HostPath, Lvm, Question, Stands, Undo};
use crate::plan::draft::Draft;
use crate::plan::facts::{Facts, Go, no};
use crate::plan::physical::{self, Physical};
use crate::plan::{Setting, lvm, lvm_now, paths};

pub(super) struct Ground {
    pub group: GroupNow,
    /// The device that becomes a physical volume.
    device: Option<Physical>,
    /// The group is there, and the device joins it.
    joins: bool,
}

pub(super) fn questions(request: &NewVolume) -> Vec<Question> {
    let Some(device) = &request.device else { return Vec::new() };
    let group = Question::Place { path: HostPath::from("/dev").join(request.group.as_str()) };
    physical::questions(device).into_iter().chain([group]).collect()
}

pub(super) fn look(request: &NewVolume, now: &Lvm, facts: &Facts<'_>) -> Go<Ground> {
    match &request.device {
        Some(device) if now.group(&request.group).is_none() => {
            paths::tools(facts, &[("pvcreate", "lvm2"), ("pvremove", "lvm2"), ("vgcreate", "lvm2"), ("vgremove", "lvm2")])?;
            new_group_name(&request.group, facts)?;
            let physical = physical::look(device, now, facts)?;
            Ok(Ground { group: future_group(&request.group, physical.bytes), device: Some(physical), joins: false })
        }
        device => {
            let group = lvm_now::group(now, &request.group)?;
            let (device, group) = physical::group_with(device.as_ref(), group, now, facts)?;
            Ok(Ground { group, joins: device.is_some(), device })
        }
    }
}

fn new_group_name(name: &str, facts: &Facts<'_>) -> Go<()> {
    if facts.place(&HostPath::from("/dev").join(name))?.stands != Stands::Nothing {
        return no(
            "name-taken",
            format!("there is a /dev/{name} already, where the group's volumes would get their names"),
            "choose another name",
        );
    }
    Ok(())
}

impl Ground {
    pub fn steps(&self, draft: &mut Draft, request: &NewVolume, setting: &Setting) {
        let Some(device) = &self.device else { return };
        let name = &request.group;
        if self.joins {
            return device.join(draft, name, true);
        }
        let shown = device.make(draft);
        let tag = lvm::tag(&setting.id);
        let select = format!("vg_name={name} && vg_tags={tag}");
        let step = draft.run(
            format!("Make the volume group {name}"),
            "Its volumes take their room from it. More disks can join it later: vgextend.",
            Cmd::changes("vgcreate", ["--addtag", &tag, name, &shown]),
        );
        let cmd = Cmd::reads("vgs", ["--reportformat", "json", "--units", "b", "-o", "vg_name", "-S", &select]);
        draft.done(step, Check::Says { cmd, text: format!("\"vg_name\":\"{name}\"") });
        // Without -y and -f: a group that somebody made volumes in meanwhile stays.
        let remove = Cmd::changes("vgremove", ["-S", &format!("{select} && lv_count=0")]);
        draft.undo(step, Undo::By { action: Box::new(Action::Run { cmd: remove }) });
    }
}
