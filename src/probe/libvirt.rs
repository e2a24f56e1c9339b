//! libvirt's domain XML (https://libvirt.org/formatdomain.html): a domain's name, memory and disks.

pub mod connections;
mod disk_xml;
pub mod holds;
pub mod join;
pub mod look;
pub mod moments;
pub mod virsh;

use std::str;

use roxmltree::{Document, Node, ParsingOptions};

use crate::model::{Config, ConfigSource, ConfigTrouble, Disk, DiskKind, HostPath, Mode};

/// Largest XML that is read; real ones have a few KiB.
const SIZE_LIMIT: usize = 4 << 20;
/// Bounds the depth too: the parser goes over nested elements without recursion.
const NODES_LIMIT: u32 = 100_000;

/// A domain's XML: its configuration, and what only libvirt's domains have.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainXml {
    pub config: Config,
    /// Number of the running instance.
    pub id: Option<u32>,
    pub title: Option<String>,
    pub vcpus: Option<u32>,
    pub nvram: Option<HostPath>,
    /// Its TPM is emulated, so that there is state of it in files.
    pub tpm_emulated: bool,
    /// Of a status file: the state as the daemon wrote it last, and its process.
    pub status: Option<(String, Option<u32>)>,
    /// Of the guest agent's channel, as the running instance has it: `connected`, `disconnected`.
    pub agent_channel: Option<String>,
}

/// The configuration in a domain's XML, see [`read`].
pub fn domain_xml(bytes: &[u8]) -> Result<Config, String> {
    read(bytes).map(|xml| xml.config)
}

/// A domain's XML, persistent (`<domain>`), live, or a status file (`<domstatus>`).
///
/// Path, time and autostart of its configuration are the caller's to fill in; the domain's type (`xen`, `kvm`, `qemu`) is the setting
/// `type`. A document type, and with it every entity of its own, is refused.
pub fn read(bytes: &[u8]) -> Result<DomainXml, String> {
    with_document(bytes, |root| {
        let domain = match root.tag_name().name() {
            "domain" => root,
            "domstatus" => child(root, "domain").ok_or("a status file without a <domain>")?,
            other => return Err(format!("<{}> where <domain> should be", crate::model::shown::text(other))),
        };
        Ok(DomainXml {
            config: config(domain),
            id: domain.attribute("id").and_then(|id| id.parse().ok()),
            title: child_text(domain, "title"),
            vcpus: child(domain, "vcpu").and_then(|vcpu| vcpu.attribute("current").or_else(|| vcpu.text())?.trim().parse().ok()),
            nvram: nvram(domain),
            tpm_emulated: devices(domain, "tpm")
                .any(|tpm| child(tpm, "backend").and_then(|backend| backend.attribute("type")) == Some("emulator")),
            status: root.attribute("state").map(|state| (state.to_owned(), root.attribute("pid").and_then(|pid| pid.parse().ok()))),
            agent_channel: agent_channel(domain),
        })
    })
}

fn devices<'a, 'input>(domain: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    child(domain, "devices").into_iter().flat_map(move |devices| children(devices, name))
}

/// `<nvram>PATH</nvram>`, or since libvirt 8.5 `<nvram type='file'><source file='PATH'/></nvram>`.
fn nvram(domain: Node) -> Option<HostPath> {
    let nvram = child(child(domain, "os")?, "nvram")?;
    let source = child(nvram, "source").and_then(|source| source.attribute("file").or_else(|| source.attribute("dev")));
    let path = source.map(str::to_owned).or_else(|| nvram.text().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned))?;
    Some(HostPath::from(path))
}

fn agent_channel(domain: Node) -> Option<String> {
    devices(domain, "channel")
        .filter_map(|channel| child(channel, "target"))
        .find(|target| target.attribute("name") == Some("org.qemu.guest_agent.0"))
        .and_then(|target| target.attribute("state"))
        .map(str::to_owned)
}

/// Parses XML that libvirt wrote. A document type, and with it every entity of its own, is refused.
fn with_document<T>(bytes: &[u8], understand: impl FnOnce(Node<'_, '_>) -> Result<T, String>) -> Result<T, String> {
    if bytes.len() > SIZE_LIMIT {
        return Err(format!("larger than the {} that are read of domain XML", crate::model::bytes::human(SIZE_LIMIT as u64)));
    }
    let text = str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_LIMIT, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| format!("not well-formed XML: {error}"))?;
    understand(document.root_element())
}

fn config(domain: Node) -> Config {
    let kind = domain.attribute("type").unwrap_or_default();
    let mut trouble = Vec::new();
    let memory = child(domain, "memory");
    let memory_bytes = memory.and_then(memory_in_bytes);
    if memory.is_some() && memory_bytes.is_none() {
        trouble.push(not_understood("<memory> is not a size"));
    }
    let name = child_text(domain, "name");
    if name.is_none() {
        trouble.push(ConfigTrouble { fatal: true, ..not_understood("there is no <name>: libvirt refuses it") });
    }
    let devices = child(domain, "devices");
    let disks = devices.into_iter().flat_map(|devices| children(devices, "disk")).map(|node| disk(node, kind)).collect();
    Config {
        source: ConfigSource::Libvirt,
        path: HostPath::default(),
        grammar: "xml".to_owned(),
        name,
        uuid: child_text(domain, "uuid").map(|uuid| uuid.to_ascii_lowercase()),
        memory_bytes,
        guest_type: guest_type(domain, kind),
        disks,
        autostart: false,
        modified: None,
        trouble,
        settings: settings(domain, kind),
    }
}

fn not_understood(what: &str) -> ConfigTrouble {
    ConfigTrouble { fatal: false, line: None, column: None, what: what.to_owned() }
}

fn settings(domain: Node, kind: &str) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    if !kind.is_empty() {
        settings.push(("type".to_owned(), kind.to_owned()));
    }
    if let Some(bootloader) = child_text(domain, "bootloader") {
        settings.push(("bootloader".to_owned(), bootloader));
    }
    if let Some(os) = child(domain, "os") {
        for (element, name) in
            [("kernel", "kernel"), ("initrd", "ramdisk"), ("cmdline", "cmdline"), ("loader", "loader"), ("nvram", "nvram")]
        {
            if let Some(text) = child_text(os, element) {
                settings.push((name.to_owned(), text));
            }
        }
    }
    for action in ["on_poweroff", "on_reboot", "on_crash"] {
        if let Some(text) = child_text(domain, action) {
            settings.push((action.to_owned(), text));
        }
    }
    settings
}

fn guest_type(domain: Node, kind: &str) -> Option<String> {
    let os_type = child(domain, "os").and_then(|os| child_text(os, "type"));
    let guest = match (kind, os_type.as_deref()) {
        ("xen", Some("linux" | "xen")) => "pv",
        (_, Some("xenpvh")) => "pvh",
        (_, Some("hvm")) => "hvm",
        // A bootloader is given instead of <os>, for paravirtual guests only.
        ("xen", None) if child(domain, "bootloader").is_some() => "pv",
        _ => return None,
    };
    Some(guest.to_owned())
}

fn disk(node: Node, domain_kind: &str) -> Disk {
    let device = node.attribute("device").unwrap_or("disk");
    let removable = matches!(device, "cdrom" | "floppy");
    let driver = child(node, "driver");
    let source = source(node);
    let empty = removable && source.is_empty();
    // Without a type libvirt takes raw, and never looks at the content.
    let format = if empty { "empty" } else { driver.and_then(|driver| driver.attribute("type")).unwrap_or("raw") };
    Disk {
        vdev: child(node, "target").and_then(|target| target.attribute("dev")).map(str::to_owned),
        mode: Some(mode(node, device)),
        kind: if empty { DiskKind::Empty } else { source.kind },
        path: source.path,
        written_as: source.written_as,
        format: Some(format.to_owned()),
        removable,
        backend: driver.and_then(|driver| driver.attribute("name")).and_then(|name| backend(domain_kind, name)),
        backend_domain: child(node, "backenddomain").and_then(|domain| domain.attribute("name")).map(str::to_owned),
        in_config: true,
        libvirt: Some(disk_xml::disk(node)),
        ..Disk::default()
    }
}

fn mode(disk: Node, device: &str) -> Mode {
    if device == "cdrom" || child(disk, "readonly").is_some() {
        Mode::Read
    } else if child(disk, "shareable").is_some() {
        // `<shareable/>` means what xm's `w!` means: several may write, and no lock is taken. libvirt converts one to the other.
        Mode::ForceWrite
    } else {
        Mode::Write
    }
}

/// Only Xen has a choice of who serves a disk.
fn backend(domain_kind: &str, driver: &str) -> Option<String> {
    let name = match (domain_kind, driver) {
        ("xen", "qemu") => "qdisk",
        ("xen", "phy") => "phy",
        ("xen", "tap" | "tap2") => "tap",
        _ => return None,
    };
    Some(name.to_owned())
}

#[derive(Default)]
struct Source {
    kind: DiskKind,
    path: Option<HostPath>,
    written_as: Option<String>,
}

impl Source {
    fn is_empty(&self) -> bool {
        self.path.is_none() && self.written_as.is_none()
    }

    fn at(path: &str) -> Self {
        if path.is_empty() {
            return Self::default();
        }
        Self { kind: kind_of_path(path), path: Some(HostPath::from(path)), written_as: None }
    }

    fn only_named(name: String) -> Self {
        Self { written_as: Some(name), ..Self::default() }
    }
}

fn source(disk: Node) -> Source {
    let Some(source) = child(disk, "source") else { return Source::default() };
    let attribute = |name| source.attribute(name).unwrap_or_default();
    match disk.attribute("type").unwrap_or("file") {
        "file" => Source::at(attribute("file")),
        "block" => Source::at(attribute("dev")),
        "dir" => Source { kind: DiskKind::Unknown, ..Source::at(attribute("dir")) },
        "network" => network(source),
        "volume" if attribute("pool").is_empty() && attribute("volume").is_empty() => Source::default(),
        "volume" => Source::only_named(disk_xml::volume_words(attribute("pool"), attribute("volume"))),
        other => Source::only_named(format!("{other} device")),
    }
}

/// `protocol://host:port/name`, with as many hosts as there are, divided by commas.
fn network(source: Node) -> Source {
    let protocol = source.attribute("protocol").unwrap_or_default();
    let hosts: Vec<String> = children(source, "host").map(host).collect();
    let name = source.attribute("name").unwrap_or_default();
    if protocol.is_empty() {
        return Source::default();
    }
    let kind = match protocol {
        "nbd" => DiskKind::Nbd,
        "rbd" => DiskKind::Rbd,
        "iscsi" => DiskKind::Iscsi,
        _ => DiskKind::Unknown,
    };
    Source { kind, path: Some(HostPath::from(format!("{protocol}://{}/{name}", hosts.join(",")))), written_as: None }
}

fn host(node: Node) -> String {
    match (node.attribute("name"), node.attribute("port"), node.attribute("socket")) {
        (Some(name), Some(port), _) => format!("{name}:{port}"),
        (Some(name), None, _) => name.to_owned(),
        (None, _, Some(socket)) => format!("unix:{socket}"),
        (None, _, None) => String::new(),
    }
}

/// What a path alone tells. Whether a device is a volume, a partition or a disk is for the devices to say.
fn kind_of_path(path: &str) -> DiskKind {
    let Some(device) = path.strip_prefix("/dev/") else { return DiskKind::File };
    let numbered = |prefix| device.strip_prefix(prefix).is_some_and(|rest: &str| rest.starts_with(|c: char| c.is_ascii_digit()));
    if numbered("loop") {
        DiskKind::Loop
    } else if numbered("nbd") {
        DiskKind::Nbd
    } else if numbered("rbd") || device.starts_with("rbd/") {
        DiskKind::Rbd
    } else if numbered("drbd") || device.starts_with("drbd/") {
        DiskKind::Drbd
    } else {
        DiskKind::Unknown
    }
}

/// A `<memory unit='KiB'>` in bytes; KiB when no unit is given.
fn memory_in_bytes(node: Node) -> Option<u64> {
    let number: u64 = node.text()?.trim().parse().ok()?;
    let unit = match node.attribute("unit").unwrap_or("KiB") {
        "b" | "bytes" => 1,
        "KB" => 1000,
        "k" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "G" | "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "T" | "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn children<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> Option<Node<'a, 'input>> {
    children(node, name).next()
}

fn child_text(node: Node, name: &'static str) -> Option<String> {
    let text = child(node, name)?.text()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
