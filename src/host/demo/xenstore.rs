//! xenstore, as `xenstore-ls -f` prints it (Xen: tools/xs-clients/xenstore_client.c). Every node follows from the domains and their devices.

use std::collections::BTreeMap;

use super::guest::{GuestDisk, Plight};
use super::machine::{DM_MAJOR, Domain, LOOP_MAJOR, Machine};
use super::reply::{Args, Reply};
use super::tree::Tree;

/// Nodes by the parts of their path: children come in byte order below their parent.
type Nodes = BTreeMap<Vec<String>, String>;

/// `xenstore-ls -f [PATH ...]` and `xenstore-read PATH ...`.
pub fn look(machine: &Machine, tree: &Tree, program: &str, words: &[String]) -> Option<Reply> {
    let args = Args::parse(words, &["-f"], &[]).ok()?;
    let nodes = nodes(machine, tree);
    if program == "xenstore-read" {
        let mut out = String::new();
        for path in &args.operands {
            let Some(value) = nodes.get(&parts(path)) else {
                return Some(Reply::bad(1, format!("xenstore-read: couldn't read path {path}\n")));
            };
            out.push_str(&format!("{value}\n"));
        }
        return Some(Reply::good(out));
    }
    if !args.has(&["-f"]) {
        return None;
    }
    let mut out = String::new();
    let roots = if args.operands.is_empty() { vec!["/".to_owned()] } else { args.operands };
    for root in &roots {
        let above = parts(root);
        if !above.is_empty() && !nodes.contains_key(&above) {
            return Some(Reply { exit: 1, out, err: format!("xenstore-ls: xs_directory ({root}): No such file or directory\n") });
        }
        for (path, value) in nodes.range(above.clone()..).take_while(|(path, _)| path.starts_with(&above)) {
            if path.len() > above.len() {
                out.push_str(&format!("/{} = \"{}\"\n", path.join("/"), sanitised(value)));
            }
        }
    }
    Some(Reply::good(out))
}

/// `sanitise_value` of libxenstore: printable ASCII as it is, the rest escaped.
fn sanitised(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(byte)),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            0..=7 => out.push_str(&format!("\\{byte:03o}")),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

fn parts(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Puts a node and the empty ones above it.
fn put(nodes: &mut Nodes, path: &str, value: impl Into<String>) {
    let path = parts(path);
    for end in 1..path.len() {
        nodes.entry(path.get(..end).unwrap_or_default().to_vec()).or_default();
    }
    nodes.insert(path, value.into());
}

fn put_all(nodes: &mut Nodes, base: &str, values: &[(&str, String)]) {
    for (key, value) in values {
        put(nodes, &format!("{base}/{key}"), value.clone());
    }
}

fn nodes(machine: &Machine, tree: &Tree) -> Nodes {
    let mut nodes = Nodes::new();
    put(&mut nodes, "/@introduceDomain", "");
    put(&mut nodes, "/@releaseDomain", "");
    let memory = (machine.host.dom0_mib * 1024).to_string();
    for feature in ["poweroff", "reboot", "suspend"] {
        put(&mut nodes, &format!("/local/domain/0/control/feature-{feature}"), "1");
    }
    device_model(&mut nodes, 0);
    put_all(
        &mut nodes,
        "/local/domain/0",
        &[("domid", "0".into()), ("memory/static-max", memory.clone()), ("memory/target", memory), ("name", "Domain-0".into())],
    );
    put(&mut nodes, "/local/pool/0/name", "Pool-0");
    put(&mut nodes, "/tool/xenstored", "/usr/lib/xen-4.17/bin/oxenstored");
    for domain in &machine.domains {
        put_domain(&mut nodes, machine, tree, domain);
    }
    for (path, value) in &machine.xenstore {
        put(&mut nodes, path, value.clone());
    }
    nodes
}

fn device_model(nodes: &mut Nodes, domid: u32) {
    for backend in ["9pfs", "console", "qnic", "qusb", "vfb", "vkbd"] {
        put(nodes, &format!("/local/domain/0/device-model/{domid}/backends/{backend}"), "");
    }
    put(nodes, &format!("/local/domain/0/device-model/{domid}/state"), "running");
}

fn put_domain(nodes: &mut Nodes, machine: &Machine, tree: &Tree, domain: &Domain) {
    let (id, guest) = (domain.domid, &domain.guest);
    let own = format!("/local/domain/{id}");
    let memory = (guest.memory_mib * 1024).to_string();
    let alive = domain.power.shutdown_reason().is_none();
    // The guest's kernel says what it can do.
    let able = if domain.unborn { "" } else { "1" };

    put_all(nodes, &format!("/libxl/{id}"), &[("dm-version", "qemu_xen".into()), ("type", guest.kind.clone())]);
    let console = format!("/local/domain/0/backend/console/{id}/0");
    let shared = [
        ("frontend", format!("{own}/console")),
        ("frontend-id", id.to_string()),
        ("online", "1".into()),
        ("protocol", "vt100".into()),
        ("state", "1".into()),
    ];
    put_all(nodes, &console, &shared);
    put(nodes, &format!("/libxl/{id}/device/console/0/backend"), console.clone());
    put_all(nodes, &format!("/libxl/{id}/device/console/0"), &shared);

    for empty in ["attr", "data", "device/suspend/event-channel", "drivers", "error", "feature"] {
        put(nodes, &format!("{own}/{empty}"), "");
    }
    put_all(
        nodes,
        &own,
        &[
            ("console/backend", console),
            ("console/backend-id", "0".into()),
            ("console/limit", "1048576".into()),
            ("console/output", "pty".into()),
            ("console/port", "2".into()),
            ("console/ring-ref", (1_826_818 + id).to_string()),
            ("console/tty", format!("/dev/pts/{id}")),
            ("console/type", "xenconsoled".into()),
            ("control/feature-poweroff", able.into()),
            ("control/feature-reboot", able.into()),
            ("control/feature-suspend", able.into()),
            ("control/platform-feature-multiprocessor-suspend", "1".into()),
            ("control/platform-feature-xs_reset_watches", "1".into()),
            ("control/shutdown", String::new()),
            ("control/sysrq", String::new()),
            ("domid", id.to_string()),
            ("memory/static-max", (guest.maximum_mib() * 1024).to_string()),
            ("memory/target", memory),
            ("memory/videoram", if guest.kind == "hvm" { "8192" } else { "0" }.into()),
            ("name", guest.name.clone()),
            ("store/port", "1".into()),
            ("store/ring-ref", (1_826_817 + id).to_string()),
            ("vm", format!("/vm/{}", guest.uuid)),
        ],
    );
    for cpu in 0..guest.vcpus.unwrap_or(1) {
        put(nodes, &format!("{own}/cpu/{cpu}/availability"), "online");
    }

    let vm = format!("/vm/{}", guest.uuid);
    put_all(
        nodes,
        &vm,
        &[
            ("image/ostype", if guest.kind == "hvm" { "hvm" } else { "linux" }.into()),
            ("name", guest.name.clone()),
            ("start_time", format!("{}.{:02}", domain.started.timestamp(), domain.started.timestamp_subsec_millis() / 10)),
            ("uuid", guest.uuid.clone()),
        ],
    );
    for (key, value) in [("cmdline", &guest.cmdline), ("kernel", &guest.kernel), ("ramdisk", &guest.ramdisk)] {
        if let Some(value) = value {
            put(nodes, &format!("{vm}/image/{key}"), value.clone());
        }
    }

    let nic_state = match (domain.unborn, alive) {
        (true, _) => "1",
        (false, true) => "4",
        (false, false) => "6",
    };
    for (index, nic) in guest.nics.iter().enumerate() {
        let backend = format!("/local/domain/0/backend/vif/{id}/{index}");
        let frontend = format!("{own}/device/vif/{index}");
        let shared = [
            ("bridge", nic.bridge.clone()),
            ("frontend", frontend.clone()),
            ("frontend-id", id.to_string()),
            ("handle", index.to_string()),
            ("mac", nic.mac.clone()),
            ("online", "1".into()),
            ("script", "/etc/xen/scripts/vif-bridge".into()),
            ("type", "vif".into()),
        ];
        put_all(nodes, &backend, &shared);
        put_all(nodes, &backend, &[("hotplug-status", "connected".into()), ("state", if domain.unborn { "2" } else { "4" }.into())]);
        let trusted = format!("/libxl/{id}/device/vif/{index}");
        put_all(nodes, &trusted, &shared);
        put_all(nodes, &trusted, &[("backend", backend.clone()), ("hotplug-status", String::new()), ("state", "1".into())]);
        put_all(
            nodes,
            &frontend,
            &[
                ("backend", backend),
                ("backend-id", "0".into()),
                ("handle", index.to_string()),
                ("mac", nic.mac.clone()),
                ("mtu", "1500".into()),
                ("state", nic_state.into()),
                ("trusted", "1".into()),
            ],
        );
    }

    let mut qemu = guest.kind == "hvm";
    for disk in &guest.disks {
        qemu |= disk.backend(&guest.kind) == "qdisk";
        put_disk(nodes, machine, tree, domain, disk);
    }
    if qemu {
        device_model(nodes, id);
        put(nodes, &format!("{own}/image/device-model-pid"), (1200 + id).to_string());
    }
}

fn put_disk(nodes: &mut Nodes, machine: &Machine, tree: &Tree, domain: &Domain, disk: &GuestDisk) {
    let (id, number) = (domain.domid, disk.number());
    let kind = disk.backend(&domain.guest.kind);
    let phy = kind == "phy";
    let frontend = format!("/local/domain/{id}/device/vbd/{number}");
    let backend = format!("/local/domain/0/backend/{}/{id}/{number}", disk.backend_name(&domain.guest.kind));
    let device_type = if disk.cdrom { "cdrom" } else { "disk" };
    let params = match (phy, disk.format.as_str()) {
        (true, _) => disk.path.clone(),
        (false, "raw" | "empty") => format!("aio:{}", disk.path),
        (false, format) => format!("{format}:{}", disk.path),
    };
    let flag = |set: bool| String::from(if set { "1" } else { "0" });
    let mut shared = vec![
        ("bootable", "1".into()),
        ("dev", disk.vdev.clone()),
        ("device-type", device_type.into()),
        ("discard-enable", flag(disk.write)),
        ("frontend", frontend.clone()),
        ("frontend-id", id.to_string()),
        ("mode", if disk.write { "w" } else { "r" }.into()),
        ("online", "1".into()),
        ("params", params),
        ("removable", flag(disk.cdrom)),
        ("specification", "xen".into()),
        ("type", kind.to_owned()),
    ];
    if phy {
        let script = disk.script.as_deref().unwrap_or("block");
        let script = if script.starts_with('/') { script.to_owned() } else { format!("/etc/xen/scripts/{script}") };
        shared.push(("script", script));
    }
    put_all(nodes, &backend, &shared);
    let trusted = format!("/libxl/{id}/device/vbd/{number}");
    put_all(nodes, &trusted, &shared);
    put_all(nodes, &trusted, &[("backend", backend.clone()), ("state", "1".into())]);

    put_backend(nodes, machine, tree, domain, disk, &backend);
    put_all(
        nodes,
        &frontend,
        &[
            ("backend", backend),
            ("backend-id", "0".into()),
            ("device-type", device_type.into()),
            ("state", states(domain, disk).1.into()),
            ("trusted", "1".into()),
            ("virtual-device", number.to_string()),
        ],
    );
    // libxl writes it for a PV guest; any other kernel says it itself.
    if !domain.unborn || domain.guest.kind == "pv" {
        put(nodes, &format!("{frontend}/protocol"), "x86_64-abi");
    }
    if !domain.unborn {
        let met = [("event-channel", (8 + number % 16).to_string()), ("feature-persistent", "1".into()), ("ring-ref", "8".into())];
        put_all(nodes, &frontend, &met);
    }
}

/// XenbusState of the back end and the front end (xen/include/public/io/xenbus.h).
fn states(domain: &Domain, disk: &GuestDisk) -> (&'static str, &'static str) {
    let empty = disk.path.is_empty();
    match (&disk.plight, domain.unborn, domain.power.shutdown_reason()) {
        // An empty drive is QEMU's, which waits for a medium.
        (None, true, _) if empty => ("1", "1"),
        (None | Some(Plight::Refused(_)), true, _) => ("2", "1"),
        (Some(Plight::Refused(_)), false, _) => ("2", "3"),
        (Some(Plight::Leaving), unborn, _) => ("5", if unborn { "1" } else { "4" }),
        (None, false, _) if empty => ("2", "6"),
        (None, false, None | Some(2)) => ("4", "4"),
        (None, false, Some(_)) => ("5", "6"),
    }
}

/// What the back end itself says of a disk. The kernel's tells size and features only when the front end has come.
fn put_backend(nodes: &mut Nodes, machine: &Machine, tree: &Tree, domain: &Domain, disk: &GuestDisk, backend: &str) {
    let flag = |set: bool| String::from(if set { "1" } else { "0" });
    let phy = disk.backend(&domain.guest.kind) == "phy";
    let empty = disk.path.is_empty();
    put(nodes, &format!("{backend}/state"), states(domain, disk).0);
    match &disk.plight {
        Some(Plight::Refused(why)) => {
            put_all(nodes, backend, &[("hotplug-status", "busy".into()), ("hotplug-error", why.clone())]);
        }
        _ if empty && domain.unborn => {}
        _ => put(nodes, &format!("{backend}/hotplug-status"), "connected"),
    }
    if disk.plight == Some(Plight::Leaving) {
        put(nodes, &format!("{backend}/online"), "0");
    }
    if !empty {
        put(nodes, &format!("{backend}/max-ring-page-order"), "4");
    }
    if phy {
        let queues = machine.host.cpus.min(2).to_string();
        put_all(nodes, backend, &[("feature-max-indirect-segments", "256".into()), ("multi-queue-max-queues", queues)]);
    }
    if let Some((major, minor, node)) = physical(machine, tree, domain, disk).filter(|_| phy && !disk.is_refused()) {
        put(nodes, &format!("{backend}/physical-device"), format!("{major:x}:{minor:x}"));
        put(nodes, &format!("{backend}/physical-device-path"), node.clone());
        if major == LOOP_MAJOR {
            put(nodes, &format!("{backend}/node"), node);
        }
    }
    let alone = domain.unborn || disk.is_refused();
    if alone && (phy || empty) {
        return;
    }
    if !empty {
        let info = u32::from(disk.cdrom) | if disk.write { 0 } else { 4 };
        let sectors = disk_size(machine, tree, domain, disk) / 512;
        put_all(nodes, backend, &[("info", info.to_string()), ("sector-size", "512".into()), ("sectors", sectors.to_string())]);
    }
    put(nodes, &format!("{backend}/feature-flush-cache"), flag(disk.write || !phy));
    if phy {
        let features = [("feature-barrier", flag(disk.write)), ("feature-persistent", "1".into()), ("physical-sector-size", "512".into())];
        put_all(nodes, backend, &features);
    }
    if disk.write {
        let discard = [("discard-alignment", "0"), ("discard-granularity", "512"), ("feature-discard", "1")];
        put_all(nodes, backend, &discard.map(|(key, value)| (key, String::from(value))));
        if phy {
            put(nodes, &format!("{backend}/discard-secure"), "0");
        }
    }
}

/// The device that serves a disk: its loop device, or the device itself.
fn physical(machine: &Machine, tree: &Tree, domain: &Domain, disk: &GuestDisk) -> Option<(u32, u32, String)> {
    if let Some(one) = machine.loops.iter().find(|one| one.domid == domain.domid && one.vdev == disk.vdev) {
        return Some((LOOP_MAJOR, one.number, format!("/dev/loop{}", one.number)));
    }
    let source = machine.source(disk);
    let real = tree.resolve(&source).ok()?;
    let node = machine.node(real.strip_prefix("/dev").ok()?.to_str()?)?;
    debug_assert!(node.mapper.is_none() || node.major == DM_MAJOR);
    // Xen's own script follows links before it writes the name down; one of the host's own need not.
    let named = if disk.script.is_some() { source } else { real };
    Some((node.major, node.minor, named.to_string_lossy().into_owned()))
}

fn disk_size(machine: &Machine, tree: &Tree, domain: &Domain, disk: &GuestDisk) -> u64 {
    if let Some((major, minor, _)) = physical(machine, tree, domain, disk) {
        return machine.nodes().iter().find(|node| (node.major, node.minor) == (major, minor)).map_or(0, |node| node.bytes);
    }
    let path = std::path::Path::new(&disk.path);
    if disk.format == "qcow2" {
        let size = tree.read_at(path, 24, 8).unwrap_or_default();
        return size.try_into().map_or(0, u64::from_be_bytes);
    }
    tree.open_file(path, false).and_then(|file| Ok(file.metadata()?.len())).unwrap_or(0)
}
