//! `xl create`, `pause`, `unpause`, `shutdown`, `destroy`, `block-attach`, `block-detach`, with the messages of xl 4.17.

use std::path::Path;

use super::xl_save;
use crate::host::demo::content::Deed;
use crate::host::demo::domains::{self, Trouble};
use crate::host::demo::guest::{GuestDisk, Plight, device_number};
use crate::host::demo::machine::{Domain, Machine, Power};
use crate::host::demo::reply::{Args, Reply};
use crate::host::demo::tree::Tree;
use crate::host::demo::{config, xl};
use crate::host::{Answer, HostError};

pub fn change(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Some((command, words)) = words.split_first() else { return Ok(None) };
    match command.as_str() {
        "create" => create(machine, tree, words),
        "pause" | "unpause" | "destroy" => simple(machine, tree, command, words),
        "shutdown" => shutdown(machine, tree, words),
        "save" => xl_save::save(machine, tree, words),
        "restore" => xl_save::restore(machine, tree, words),
        "block-attach" => block_attach(machine, tree, words),
        "block-detach" => block_detach(machine, tree, words),
        _ => Ok(None),
    }
}

fn create(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-p", "-q", "--quiet"], &[]) else { return Ok(None) };
    let Some((file, overrides)) = args.operands.split_first() else { return Ok(None) };
    let Ok(text) = tree.read(Path::new(file)) else {
        return Ok(Some(Reply::bad(3, format!("Failed to read config file: {file}: No such file or directory\n"))));
    };
    let said = format!("Parsing config from {file}\n");
    let guest = config::read(&String::from_utf8_lossy(&text), file).and_then(|mut settings| {
        overrides.iter().try_for_each(|text| config::override_with(&mut settings, text, file))?;
        // xl makes a new random uuid at each start; here it follows from the clock.
        config::guest(&settings, file, &format!("{}/{}", machine.name, machine.clock.timestamp()))
    });
    let guest = match guest {
        Ok(guest) => guest,
        Err(why) => return Ok(Some(Reply::bad(1, said + &why))),
    };
    let power = if args.has(&["-p"]) { Power::Paused } else { Power::Idle };
    let now = machine.clock;
    let domid = machine.next_domid;
    Ok(Some(match domains::start(machine, tree, &guest, power, now) {
        Ok(domid) => {
            if power != Power::Paused {
                domains::guest_does(tree, &guest, Deed::Mounts, now)?;
            } else if let Some(domain) = machine.domain_mut(domid) {
                domain.unborn = true;
            }
            Reply::good("").with_err(said)
        }
        Err(trouble) => Reply::bad(3, said + &start_trouble(domid, &guest.name, trouble)?),
    }))
}

/// What libxl prints when a domain cannot be started or restored.
pub fn start_trouble(domid: u32, name: &str, trouble: Trouble) -> Answer<String> {
    let first = match trouble {
        Trouble::NameTaken => format!(
            "libxl: error: libxl_domain.c:81:libxl__domain_rename: Domain {domid}:Domain with name \"{name}\" already exists.\n\
             libxl: error: libxl_create.c:1296:initiate_domain_create: Domain {domid}:cannot make domain: -6\n"
        ),
        Trouble::NoMemory => format!(
            "xc: error: panic: xg_dom_boot.c:119: xc_dom_boot_mem_init: can't allocate low memory for domain: Out of memory\n\
             libxl: error: libxl_dom.c:586:libxl__build_dom: xc_dom_boot_mem_init failed: Cannot allocate memory\n\
             libxl: error: libxl_create.c:1640:domcreate_rebuild_done: Domain {domid}:cannot (re-)build domain: -3\n"
        ),
        Trouble::NoKernel(path) => format!(
            "xc: error: panic: xg_dom_core.c:205: failed to open file '{path}': No such file or directory: Internal error\n\
             libxl: error: libxl_dom.c:646:libxl__build_pv: xc_dom_kernel_file failed: No such file or directory\n\
             libxl: error: libxl_create.c:1640:domcreate_rebuild_done: Domain {domid}:cannot (re-)build domain: -3\n"
        ),
        Trouble::DiskMissing { vdev, path } => format!(
            "{}libxl: error: libxl_create.c:1318:initiate_domain_create: Domain {domid}:Unable to set disk defaults for disk 0\n",
            missing(&vdev, &path)
        ),
        Trouble::DiskTaken { device, by_dom0 } => format!(
            "{}libxl: error: libxl_create.c:1672:domcreate_launch_dm: Domain {domid}:unable to add disk devices\n",
            taken(&device, by_dom0)
        ),
        Trouble::Host(error) => return Err(error),
    };
    Ok(format!(
        "{first}libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain {domid}:Non-existant domain\n\
         libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain {domid}:Unable to destroy guest\n\
         libxl: error: libxl_domain.c:1064:domain_destroy_cb: Domain {domid}:Destruction of domain failed\n"
    ))
}

fn missing(vdev: &str, path: &str) -> String {
    format!(
        "libxl: error: libxl_device.c:455:libxl__device_disk_set_backend: Disk vdev={vdev} failed to stat: {path}: \
         No such file or directory\n"
    )
}

/// The hotplug script's own words.
fn words_of_the_script(device: &str, by_dom0: bool) -> String {
    let whose = if by_dom0 {
        "the privileged domain,\nand so cannot be mounted by a guest."
    } else {
        "a guest domain,\nand so cannot be mounted now."
    };
    format!("Device {device} is mounted in {whose}")
}

fn taken(device: &str, by_dom0: bool) -> String {
    let said = words_of_the_script(device, by_dom0);
    format!(
        "libxl: error: libxl_exec.c:117:libxl_report_child_exitstatus: /etc/xen/scripts/block add [4868] exited with error status 1\n\
         libxl: error: libxl_device.c:1337:device_hotplug_child_death_cb: script: {said}\n"
    )
}

fn simple(machine: &mut Machine, tree: &Tree, command: &str, words: &[String]) -> Answer<Option<Reply>> {
    let [named] = words else { return Ok(None) };
    let Some((domid, power)) = machine.domain(named).map(|domain| (domain.domid, domain.power)) else {
        return Ok(Some(xl::no_domain(named)));
    };
    match (command, power) {
        ("destroy", _) => domains::stop(machine, tree, domid)?,
        ("pause", Power::Running | Power::Idle) => set_power(machine, domid, Power::Paused),
        ("unpause", Power::Paused) => unpause(machine, tree, domid)?,
        // xl says nothing and exits 0 when there was nothing to do.
        _ => {}
    }
    Ok(Some(Reply::good("")))
}

/// A guest that was only made boots now.
fn unpause(machine: &mut Machine, tree: &Tree, domid: u32) -> Answer<()> {
    let now = machine.clock;
    let Some(domain) = machine.domain_mut(domid) else { return Ok(()) };
    domain.power = Power::Idle;
    if std::mem::take(&mut domain.unborn) { domains::guest_does(tree, &domain.guest, Deed::Mounts, now) } else { Ok(()) }
}

fn set_power(machine: &mut Machine, domid: u32, power: Power) {
    if let Some(domain) = machine.domain_mut(domid) {
        domain.power = power;
    }
}

fn shutdown(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-w", "--wait", "-F"], &[]) else { return Ok(None) };
    let [named] = args.operands.as_slice() else { return Ok(None) };
    let Some(domain) = machine.domain(named).cloned() else { return Ok(Some(xl::no_domain(named))) };
    let Domain { domid, guest, power, .. } = domain;
    let mut said = format!("Shutting down domain {domid}\n");
    let wait = args.has(&["-w", "--wait"]);
    if !matches!(power, Power::Running | Power::Idle) {
        // A guest that does not run does not hear of it; xl -w would wait for ever.
        return if wait { Err(HostError::TimedOut { seconds: 600 }) } else { Ok(Some(Reply::good("").with_err(said))) };
    }
    domains::guest_does(tree, &guest, Deed::Unmounts, machine.clock)?;
    if guest.on_poweroff.as_deref() == Some("preserve") {
        set_power(machine, domid, Power::Kept);
    } else {
        domains::stop(machine, tree, domid)?;
    }
    if wait {
        said.push_str(&format!("Waiting for 1 domains\nDomain {domid} has been shut down, reason code 0\n"));
    }
    Ok(Some(Reply::good("").with_err(said)))
}

fn block_attach(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    const FAILED: &str = "libxl: error: libxl_device.c:1486:device_addrm_aocomplete: unable to add device\nlibxl_device_disk_add failed.\n";
    let Some((named, spec)) = words.split_first().filter(|(_, spec)| !spec.is_empty()) else { return Ok(None) };
    let Some((domid, has)) = machine.domain(named).map(|domain| (domain.domid, domain.guest.disks.clone())) else {
        return Ok(Some(xl::no_domain(named)));
    };
    let spec = spec.join(",");
    let disk = match config::disk(&spec) {
        Ok(disk) => disk,
        Err(why) => {
            return Ok(Some(Reply::bad(1, format!("command line: config parsing error in disk specification: {why} in `{spec}'\n"))));
        }
    };
    if has.iter().any(|other| other.number() == disk.number()) {
        let why = format!("libxl: error: libxl_disk.c:343:device_disk_add: Domain {domid}:device already exists in xenstore\n");
        return Ok(Some(Reply::bad(1, why + FAILED)));
    }
    let vbd = disk.number();
    Ok(Some(match domains::attach(machine, tree, domid, &disk) {
        Ok(()) => {
            domains::write_userdata(machine, tree, domid)?;
            Reply::good("")
        }
        Err(Trouble::DiskMissing { vdev, path }) => Reply::bad(1, missing(&vdev, &path) + FAILED),
        Err(Trouble::DiskTaken { device, by_dom0 }) => {
            domains::leave(machine, tree, domid, &disk, Plight::Refused(words_of_the_script(&device, by_dom0)))?;
            let why = format!(
                "{}libxl: error: libxl_device.c:1481:device_addrm_aocomplete: Domain {domid}:Unable to add vbd with id {vbd}\n\
                 libxl_device_disk_add failed.\n",
                taken(&device, by_dom0)
            );
            Reply::bad(1, why)
        }
        Err(Trouble::Host(error)) => return Err(error),
        Err(_) => Reply::bad(1, FAILED),
    }))
}

fn block_detach(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let [named, disk] = words else { return Ok(None) };
    let Some(domain) = machine.domain(named) else { return Ok(Some(xl::no_domain(named))) };
    let (domid, power) = (domain.domid, domain.power);
    let kind = domain.guest.kind.clone();
    let number = disk.parse().ok().or_else(|| device_number(disk)).unwrap_or(0);
    let found = domain.guest.disks.iter().find(|other| other.number() == number).cloned();
    Ok(Some(match found {
        Some(found) if power == Power::Paused => {
            let why = kept(domid, &kind, &found);
            domains::leave(machine, tree, domid, &found, found.plight.clone().unwrap_or(Plight::Leaving))?;
            Reply::bad(1, why)
        }
        Some(found) => {
            domains::detach(machine, tree, domid, &found.vdev)?;
            Reply::good("")
        }
        None => Reply::bad(
            1,
            format!(
                "libxl: error: libxl_disk.c:516:libxl__disk_from_xenstore: disk /libxl/{domid}/device/vbd/{number} does not exist \
                 (no backend path\nError: Device {disk} not connected.\n"
            ),
        ),
    }))
}

/// A guest that stands still does not let go of a disk: xl waits, gives up and leaves it between here and gone.
fn kept(domid: u32, kind: &str, disk: &GuestDisk) -> String {
    let (number, backend) = (disk.number(), disk.backend_name(kind));
    format!(
        "libxl: error: libxl_device.c:1181:device_backend_callback: Domain {domid}:unable to remove device with path \
         /local/domain/0/backend/{backend}/{domid}/{number}\n\
         libxl: error: libxl_device.c:1481:device_addrm_aocomplete: Domain {domid}:Unable to remove vbd with id {number}\n\
         libxl_device_disk_safe_remove failed.\n"
    )
}
