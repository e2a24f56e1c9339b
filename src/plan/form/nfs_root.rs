//! A domain's root on NFS.

use super::answers::Answers;
use super::{Shape, config_field, domain_field, domain_of, field, populate, title};
use crate::model::{Config, FieldKind, Form, Inventory, NfsRoot, Request, Subject, Wish, bundle_names};

const POPULATE: populate::Words = populate::Words {
    nothing: "it is filled already, or will be",
    help: "What a new directory holds at first.",
    hostname: "Written to /etc/hostname inside. Empty: left as it is.",
    fstab: "Writes an /etc/fstab without the disks of the system that it was copied from.",
};

pub(super) fn form(inventory: &Inventory, subject: Option<&Subject>) -> Form {
    let domain = domain_of(inventory, subject);
    let config = domain.and_then(|domain| domain.configs.first()).and_then(|path| inventory.config(path));
    let old = Old::of(config);
    let name = domain.map_or_else(|| "NAME".to_owned(), |domain| bundle_names::component(&domain.name));
    let [populate, source, hostname, fstab] = populate::fields(&POPULATE);
    let fields = vec![
        domain_field(inventory, "Whose root it becomes.", domain),
        config_field(domain),
        field("directory", "Directory", FieldKind::Path, "The guest's root on this host. It is made when it does not exist.")
            .required()
            .starts_as(old.get("nfs_root").unwrap_or_else(|| format!("/srv/{name}-root"))),
        populate,
        source,
        hostname,
        fstab,
        field(
            "clients",
            "Who may mount it",
            FieldKind::Text,
            "The guest's address, or its network: 192.0.2.21 or 192.0.2.0/24. Whoever has such an address is root in the directory.",
        )
        .required()
        .starts_as(old.get("ip").unwrap_or_default()),
        field(
            "server",
            "Address of this host",
            FieldKind::Text,
            "The IPv4 address at which the guest reaches this host: that of its bridge.",
        )
        .required()
        .starts_as(old.get("nfs_server").unwrap_or_default()),
        field(
            "network",
            "The guest's address",
            FieldKind::Text,
            "What its kernel is told: dhcp, or ADDRESS::GATEWAY:NETMASK:NAME:eth0:off.",
        )
        .required()
        .starts_as(old.network(&name)),
        field("bridge", "Bridge", FieldKind::Text, "The bridge for a network device, when the configuration has none.").starts_as("xenbr0"),
    ];
    Form {
        wish: Wish::NfsRoot,
        title: title("Root on NFS for", domain, "a domain"),
        teaches: "Lets a domain boot from a directory of this host by NFS, without a disk: files can be looked at and copied from here while it runs. Known to be slow, or to hang, under high load: not for servers that matter.".into(),
        fields,
    }
}

/// What a configuration of xm's time says of the network.
struct Old<'a> {
    settings: &'a [(String, String)],
}

impl<'a> Old<'a> {
    fn of(config: Option<&'a Config>) -> Self {
        Self { settings: config.map(|config| config.settings.as_slice()).unwrap_or_default() }
    }

    fn get(&self, key: &str) -> Option<String> {
        self.settings.iter().find(|(name, value)| name == key && !value.is_empty()).map(|(_, value)| value.clone())
    }

    /// The order of the kernel's words, which xm put together: ADDRESS:SERVER:GATEWAY:NETMASK:NAME:DEVICE:HOW.
    fn network(&self, name: &str) -> String {
        let Some(address) = self.get("ip") else { return "dhcp".into() };
        let get = |key: &str| self.get(key).unwrap_or_default();
        let host = self.get("hostname").unwrap_or_else(|| name.to_owned());
        let device = self.get("interface").unwrap_or_else(|| "eth0".into());
        format!("{address}::{}:{}:{host}:{device}:off", get("gateway"), get("netmask"))
    }
}

pub(super) fn read(answers: &mut Answers<'_>) -> Option<Request> {
    let domain = answers.choice("domain");
    let config = answers.path("config-file");
    let directory = answers.path("directory");
    let populate = populate::read(answers);
    let hostname = answers.text("hostname");
    let fstab = answers.flag("fstab");
    let (clients, server, network) = (answers.text("clients"), answers.text("server"), answers.text("network"));
    let bridge = answers.text("bridge");
    Some(Request::NfsRoot(NfsRoot {
        domain: domain?,
        config,
        directory: directory?,
        populate: populate?,
        hostname,
        fstab,
        clients: clients?,
        server: server?,
        network: network?,
        bridge,
    }))
}
