//! The answer to what a plan takes for granted of a domain of libvirt's.

use super::virsh;
use crate::host::Look;
use crate::model::LibvirtCheck;

/// Asked anew each time. A connection that fails leaves it unknown: nobody is off because a daemon is.
pub fn ask(host: &dyn Look, check: &LibvirtCheck) -> Result<(bool, String), String> {
    let cmd = check.cmd();
    let output = host.run(&cmd).map_err(|error| format!("`{cmd}`: {error}"))?;
    if !output.ok() {
        let complaint = virsh::complaint(&output.stderr, output.exit);
        if let Some(yes) = check.is_told_by(&complaint) {
            return Ok((yes, complaint));
        }
        return Err(format!("`{cmd}`: {complaint}"));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let yes = check.is_said_by(&said);
    Ok((yes, format!("`{cmd}` says that it {}{}", if yes { "" } else { "is not so that it " }, check.says())))
}
