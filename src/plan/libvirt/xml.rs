//! Editing a domain's XML where it lies: only the words that must change, layout and everything else as libvirt wrote it.

use std::collections::BTreeMap;
use std::ops::Range;

use roxmltree::{Document, Node, ParsingOptions};

use crate::model::libvirt_check::escaped;

/// Why a text is left alone: one sentence.
pub(super) type Wont = String;

/// What becomes of a domain's XML.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    /// Another name and uuid; its network cards then get addresses of their own.
    pub identity: Option<(&'a str, &'a str)>,
    /// New file and format of each disk that is restored, by its name in the guest.
    pub disks: BTreeMap<&'a str, (String, &'a str)>,
    /// Disks that are restored to where they were: only their format may be another.
    pub formats: BTreeMap<&'a str, &'a str>,
    pub nvram: Option<String>,
}

type Edits = Vec<(Range<usize>, String)>;

/// The text with all of it changed. A disk that a guest writes to and that has no new file is a reason to leave it alone: the restored domain
/// would write to the old one's.
pub(super) fn rewritten(text: &str, wanted: &Wanted<'_>) -> Result<String, Wont> {
    let document = parse(text)?;
    let domain = domain(&document)?;
    let mut edits = Edits::new();
    if let Some((name, uuid)) = wanted.identity {
        identity(domain, name, uuid, &mut edits)?;
    }
    if let Some(path) = &wanted.nvram {
        nvram(domain, path, &mut edits)?;
    }
    let devices = child(domain, "devices").ok_or("it has no <devices>")?;
    for disk in children(devices, "disk") {
        let target = child(disk, "target").and_then(|target| target.attribute("dev")).ok_or("a disk has no <target>")?;
        if let Some((path, format)) = wanted.disks.get(target) {
            moved(disk, target, path, format, &mut edits)?;
        } else if let Some(format) = wanted.formats.get(target) {
            read_as(disk, format, &mut edits);
        } else if wanted.identity.is_some() && writes(disk) {
            return Err(format!("its disk {target} is not restored"));
        }
    }
    Ok(apply(text, edits))
}

/// Name and uuid that a definition gives.
pub(super) fn names(text: &str) -> Result<(String, String), Wont> {
    let document = parse(text)?;
    let domain = domain(&document)?;
    let word = |name| child(domain, name).and_then(|node| node.text()).map(|text| text.trim().to_owned());
    Ok((word("name").ok_or("it has no <name>")?, word("uuid").ok_or("it has no <uuid>")?))
}

/// For a screen: without the passwords of its consoles.
pub(super) fn without_secrets(text: &str) -> String {
    let Ok(document) = parse(text) else { return String::new() };
    let secrets = document.descendants().flat_map(|node| node.attributes()).filter(|attribute| attribute.name() == "passwd");
    apply(text, secrets.map(|attribute| (attribute.range_value(), "***".to_owned())).collect())
}

fn parse(text: &str) -> Result<Document<'_>, Wont> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 100_000, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| format!("it is not well-formed: {error}"))
}

fn domain<'a, 'input>(document: &'a Document<'input>) -> Result<Node<'a, 'input>, Wont> {
    let root = document.root_element();
    if root.tag_name().name() == "domain" { Ok(root) } else { Err("it is no <domain>".into()) }
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.is_element() && child.tag_name().name() == name)
}

fn children<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn identity(domain: Node, name: &str, uuid: &str, edits: &mut Edits) -> Result<(), Wont> {
    edits.push((text_of(domain, "name")?, escaped(name)));
    edits.push((text_of(domain, "uuid")?, escaped(uuid)));
    for card in child(domain, "devices").into_iter().flat_map(|devices| children(devices, "interface")) {
        // libvirt makes a new one.
        edits.extend(children(card, "mac").map(|mac| (mac.range(), String::new())));
    }
    // A guest that is told its uuid must be told the same.
    let system = child(domain, "sysinfo").and_then(|sysinfo| child(sysinfo, "system"));
    for entry in system.into_iter().flat_map(|system| children(system, "entry")).filter(|entry| entry.attribute("name") == Some("uuid")) {
        edits.extend(entry.first_child().map(|text| (text.range(), escaped(uuid))));
    }
    Ok(())
}

/// `<nvram>PATH</nvram>`, or since libvirt 8.5 `<nvram type='file'><source file='PATH'/></nvram>`.
fn nvram(domain: Node, path: &str, edits: &mut Edits) -> Result<(), Wont> {
    let nvram = child(domain, "os").and_then(|os| child(os, "nvram")).ok_or("it names no UEFI variables")?;
    if let Some(source) = child(nvram, "source") {
        edits.push((source.range(), format!("<source file='{}'/>", escaped(path))));
        return Ok(());
    }
    let text = nvram.first_child().filter(Node::is_text).ok_or("it does not say where its UEFI variables lie")?;
    edits.push((text.range(), escaped(path)));
    Ok(())
}

fn moved(disk: Node, target: &str, path: &str, format: &str, edits: &mut Edits) -> Result<(), Wont> {
    let source = child(disk, "source").ok_or_else(|| format!("its disk {target} has no source"))?;
    if source.children().any(|part| part.is_element() && part.tag_name().name() != "seclabel") {
        return Err(format!("the source of its disk {target} says more than where it lies"));
    }
    edits.push((source.range(), format!("<source file='{}'/>", escaped(path))));
    edits.extend(disk.attribute_node("type").map(|kind| (kind.range_value(), "file".to_owned())));
    // What lay below is named by the file itself.
    edits.extend(children(disk, "backingStore").map(|below| (below.range(), String::new())));
    read_as(disk, format, edits);
    Ok(())
}

fn read_as(disk: Node, format: &str, edits: &mut Edits) {
    let Some(driver) = child(disk, "driver") else {
        let before = disk.first_child().map_or(disk.range().end, |first| first.range().start);
        edits.push((before..before, format!("<driver name='qemu' type='{}'/>", escaped(format))));
        return;
    };
    if let Some(kind) = driver.attribute_node("type") {
        edits.push((kind.range_value(), escaped(format)));
    } else {
        let after = driver.range().start.saturating_add("<driver".len());
        edits.push((after..after, format!(" type='{}'", escaped(format))));
    }
}

/// The guest may write to it, and there is something to write to.
fn writes(disk: Node) -> bool {
    let read_only = child(disk, "readonly").is_some() || matches!(disk.attribute("device"), Some("cdrom"));
    child(disk, "source").is_some() && !read_only
}

fn text_of(domain: Node, name: &str) -> Result<Range<usize>, Wont> {
    let text = child(domain, name).and_then(|node| node.first_child()).filter(Node::is_text);
    text.map(|text| text.range()).ok_or_else(|| format!("it has no <{name}>"))
}

fn apply(text: &str, mut edits: Edits) -> String {
    edits.sort_by_key(|(range, _)| std::cmp::Reverse((range.start, range.end)));
    let mut new = text.to_owned();
    for (range, words) in edits {
        // All ranges are of this text's own nodes.
        if new.get(range.clone()).is_some() {
            new.replace_range(range, &words);
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<domain type='kvm'>
  <name>web</name>
  <uuid>0b8f6c2e-11d4-4c6e-8a7f-3d4b5a6c7d01</uuid>
  <sysinfo type='smbios'><system><entry name='uuid'>0b8f6c2e-11d4-4c6e-8a7f-3d4b5a6c7d01</entry></system></sysinfo>
  <os><loader>/usr/share/OVMF/OVMF_CODE.fd</loader><nvram>/var/lib/libvirt/qemu/nvram/web_VARS.fd</nvram></os>
  <devices>
    <disk type='block' device='disk'><driver name='qemu' type='raw' cache='none'/><source dev='/dev/vg0/web'/><backingStore/><target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='disk'><source file='/srv/data.img'/><target dev='vdb'/></disk>
    <disk type='file' device='cdrom'><source file='/srv/debian.iso'/><target dev='sda'/><readonly/></disk>
    <interface type='network'><mac address='52:54:00:0a:00:01'/><source network='default'/></interface>
    <graphics type='vnc' passwd='secret'/>
  </devices>
</domain>
";

    fn disks() -> BTreeMap<&'static str, (String, &'static str)> {
        BTreeMap::from([("vda", ("/srv/it's-vda.img".into(), "raw")), ("vdb", ("/srv/b.img".into(), "qcow2"))])
    }

    #[test]
    fn a_second_domain_shares_nothing_with_the_first() {
        let wanted = Wanted {
            identity: Some(("web-2", "11111111-2222-4333-8444-555555555555")),
            disks: disks(),
            nvram: Some("/srv/web-2-nvram.fd".into()),
            ..Wanted::default()
        };
        let new = rewritten(XML, &wanted).unwrap();
        for old in ["0b8f6c2e", "52:54:00", "/dev/vg0/web", "/srv/data.img", "web_VARS", "<backingStore"] {
            assert!(!new.contains(old), "{old} is still named: two domains would fight for it\n{new}");
        }
        for part in [
            "<name>web-2</name>",
            "<entry name='uuid'>11111111-2222-4333-8444-555555555555</entry>",
            "<nvram>/srv/web-2-nvram.fd</nvram>",
            "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/><source file='/srv/it&apos;s-vda.img'/><target dev='vda' bus='virtio'/>",
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/srv/b.img'/>",
            "/srv/debian.iso",
        ] {
            assert!(new.contains(part), "{part} is not in it:\n{new}");
        }
        assert_eq!(names(&new).unwrap(), ("web-2".into(), "11111111-2222-4333-8444-555555555555".into()));
    }

    #[test]
    fn a_disk_that_is_not_restored_is_not_shared() {
        let mut some = disks();
        some.remove("vdb");
        let identity = Some(("web-2", "11111111-2222-4333-8444-555555555555"));
        let why = rewritten(XML, &Wanted { identity, disks: some.clone(), ..Wanted::default() }).unwrap_err();
        assert!(why.contains("vdb"), "the second domain would write to the first one's disk: {why}");
        assert!(rewritten(XML, &Wanted { disks: some, ..Wanted::default() }).is_ok(), "the domain itself keeps its own disk");
    }

    #[test]
    fn a_disk_that_comes_back_raw_is_read_as_raw() {
        let new = rewritten(XML, &Wanted { formats: BTreeMap::from([("vdb", "raw")]), ..Wanted::default() }).unwrap();
        assert!(new.contains("<driver name='qemu' type='raw'/><source file='/srv/data.img'/>"), "{new}");
    }

    #[test]
    fn nothing_else_is_touched_and_secrets_are_not_shown() {
        assert_eq!(rewritten(XML, &Wanted::default()).unwrap(), XML);
        assert!(!without_secrets(XML).contains("secret") && without_secrets(XML).contains("<name>web</name>"));
        assert!(rewritten("<pool/>", &Wanted::default()).is_err() && rewritten("<domain>", &Wanted::default()).is_err());
    }
}
