//! LVM asked anew, for a plan: everything or nothing. A list that is not whole is no answer.

use super::lvm;
use crate::host::{Answer, HostError, Look};
use crate::model::{Cmd, Lvm};

pub fn ask(host: &dyn Look) -> Answer<Lvm> {
    let said = |cmd: &Cmd| -> Answer<Vec<u8>> {
        let output = host.run(cmd)?;
        if output.ok() {
            return Ok(output.stdout);
        }
        Err(HostError::Failed { why: format!("{} ended with status {}: {}", cmd.program, output.exit, output.complaint()) })
    };
    let wrong = |why| HostError::Failed { why };
    Ok(Lvm {
        groups: lvm::parse_groups_now(&said(&lvm::vgs_now())?).map_err(wrong)?,
        volumes: lvm::parse_lvs(&said(&lvm::lvs())?).map_err(wrong)?,
        physical: lvm::parse_pvs(&said(&lvm::pvs())?).map_err(wrong)?,
    })
}
