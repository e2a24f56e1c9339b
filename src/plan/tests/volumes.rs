//! Plans about volumes, and what is refused before anything changes.

use super::*;
use crate::model::{Action, Check, Risk};

fn extend(volume: &str, by_bytes: u64) -> Request {
    Request::ExtendSnapshot { volume: volume.into(), by_bytes }
}

/// The command lines of a plan.
fn lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().flat_map(|step| step.action.lines()).map(|line| line.to_string()).collect()
}

#[test]
fn what_fills_up_grows_by_one_command_and_no_file_is_written() {
    let world = World::new();
    for (request, line) in [
        (extend("vg0/snap", 50 << 20), "lvextend -y -L 159383552b vg0/snap"),
        (extend("/dev/vg0/pool", 1 << 30), "lvextend -y -L 5368709120b vg0/pool"),
        (Request::ExtendMetadata { volume: "vg0/pool".into(), by_bytes: 1 }, "lvextend -y --poolmetadatasize 12582912b vg0/pool"),
    ] {
        let plan = world.plan(&request).unwrap();
        assert_eq!(lines(&plan), [line], "the guard's own disk may lie in the pool that is full: nothing may be written before it grows");
        assert!(matches!(plan.steps[0].action, Action::Run { .. }) && plan.confirm.is_none() && plan.risk == Risk::Adds);
        let Some(Check::Says { cmd, .. }) = &plan.steps[0].done else { panic!("after a crash nobody could tell whether it grew") };
        assert!(cmd.to_string().contains(">="), "a run that was killed would grow it twice: {cmd}");
        assert!(!line.contains('+'), "done twice it would grow twice");
    }
}
