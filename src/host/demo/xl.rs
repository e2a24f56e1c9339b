//! What xl answers: lists of domains and the host's facts (Xen: tools/xl/xl_info.c, xl_list.c).

use serde_json::{Value, json};

use super::guest::{self, JsonFor};
use super::machine::{Domain, Machine};
use super::reply::{Args, Reply};

/// `xl SUBCOMMAND ...` that only looks; nothing when it is none of those.
pub fn look(machine: &Machine, argv: &[String]) -> Option<Reply> {
    let (command, words) = argv.split_first()?;
    Some(match command.as_str() {
        "list" | "ls" => list(machine, words)?,
        "info" if words.is_empty() => Reply::good(info(machine)),
        "domid" => with_domain(machine, words.first()?, |domain| Reply::good(format!("{}\n", domain.domid))),
        "domname" => {
            let domid: u32 = words.first()?.parse().ok()?;
            match machine.domains.iter().find(|domain| domain.domid == domid) {
                Some(domain) => Reply::good(format!("{}\n", domain.guest.name)),
                None => Reply::bad(1, format!("Can't get domain name of domain id '{domid}', maybe this domain does not exist.\n")),
            }
        }
        _ => return None,
    })
}

pub fn with_domain(machine: &Machine, named: &str, answer: impl FnOnce(&Domain) -> Reply) -> Reply {
    match machine.domain(named) {
        Some(domain) => answer(domain),
        None => no_domain(named),
    }
}

pub fn no_domain(named: &str) -> Reply {
    Reply::bad(1, format!("{named} is an invalid domain identifier (rc=-6)\n"))
}

fn list(machine: &Machine, words: &[String]) -> Option<Reply> {
    let args = Args::parse(words, &["-l", "--long", "-v", "--verbose"], &[]).ok()?;
    let one = match args.operands.as_slice() {
        [] => None,
        [named] if named == "0" || named == "Domain-0" => Some(0),
        [named] => match machine.domain(named) {
            Some(domain) => Some(domain.domid),
            None => return Some(no_domain(named)),
        },
        _ => return None,
    };
    let shown: Vec<&Domain> = machine.domains.iter().filter(|domain| one.is_none_or(|one| domain.domid == one)).collect();
    let dom0 = one.is_none_or(|one| one == 0);
    Some(Reply::good(if args.has(&["-l", "--long"]) {
        long(machine, dom0, &shown)
    } else {
        table(machine, dom0, &shown, args.has(&["-v", "--verbose"]))
    }))
}

fn table(machine: &Machine, dom0: bool, domains: &[&Domain], verbose: bool) -> String {
    let mut out = String::from("Name                                        ID   Mem VCPUs\tState\tTime(s)");
    out.push_str(if verbose { "   UUID                            Reason-Code\tSecurity Label\n" } else { "\n" });
    let mut row = |name: &str, id: u32, mem: u64, vcpus: u32, state: &str, time: f64, uuid: &str, reason: Option<u32>| {
        out.push_str(&format!("{name:<40} {id:>5} {mem:>5} {vcpus:>5}     {state}  {time:>8.1}"));
        if verbose {
            let reason = reason.map_or_else(|| "-".to_owned(), |reason| format!("{reason:x}"));
            out.push_str(&format!(" {uuid} {reason:>8} {:>16}", "-"));
        }
        out.push('\n');
    };
    if dom0 {
        let host = &machine.host;
        row("Domain-0", 0, host.dom0_mib, host.cpus.min(2), "r-----", 1839.4, "00000000-0000-0000-0000-000000000000", None);
    }
    for domain in domains {
        let guest = &domain.guest;
        row(
            &guest.name,
            domain.domid,
            guest.memory_mib,
            guest.vcpus.unwrap_or(1),
            domain.power.letters(),
            domain.cpu_seconds,
            &guest.uuid,
            domain.power.shutdown_reason(),
        );
    }
    out
}

fn long(machine: &Machine, dom0: bool, domains: &[&Domain]) -> String {
    let mut all: Vec<Value> = Vec::new();
    if dom0 {
        all.push(json!({"domid": 0, "config": {
            "c_info": {"type": "pv", "name": "Domain-0"},
            "b_info": {
                "max_memkb": machine.host.dom0_mib * 1024,
                "target_memkb": (machine.host.dom0_mib * 1024).saturating_sub(1),
                "sched_params": {"sched": "credit2", "weight": 2048, "cap": 0},
                "type.pv": {}, "arch_arm": {}, "arch_x86": {},
            },
        }}));
    }
    all.extend(domains.iter().map(|domain| json!({"domid": domain.domid, "config": guest::to_json(&domain.guest, JsonFor::List)})));
    let mut out = String::new();
    guest::beautify(&Value::Array(all), 0, &mut out);
    out.push('\n');
    out
}

fn info(machine: &Machine) -> String {
    let host = &machine.host;
    let used: u64 = machine.domains.iter().map(|domain| domain.guest.memory_mib).sum();
    let free = host.memory_mib.saturating_sub(host.dom0_mib).saturating_sub(used);
    let cpus = host.cpus.to_string();
    let rows = [
        ("host", host.name.clone()),
        ("release", super::layout::KERNEL.to_owned()),
        ("version", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.129-1 (2025-03-06)".to_owned()),
        ("machine", "x86_64".to_owned()),
        ("nr_cpus", cpus.clone()),
        ("max_cpu_id", host.cpus.saturating_sub(1).to_string()),
        ("nr_nodes", "1".to_owned()),
        ("cores_per_socket", cpus),
        ("threads_per_core", "1".to_owned()),
        ("cpu_mhz", "2596.131".to_owned()),
        ("hw_caps", "1fcbf3fd:e2d8320b:e4500800:00000077:00000000:01884388:0000020c:00000000".to_owned()),
        ("virt_caps", "pv hvm hap gnttab-v1 gnttab-v2".to_owned()),
        ("total_memory", host.memory_mib.to_string()),
        ("free_memory", free.to_string()),
        ("sharing_freed_memory", "0".to_owned()),
        ("sharing_used_memory", "0".to_owned()),
        ("outstanding_claims", "0".to_owned()),
        ("free_cpus", "0".to_owned()),
        ("xen_major", "4".to_owned()),
        ("xen_minor", "17".to_owned()),
        ("xen_extra", ".5".to_owned()),
        ("xen_version", "4.17.5".to_owned()),
        ("xen_caps", "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ".to_owned()),
        ("xen_scheduler", "credit2".to_owned()),
        ("xen_pagesize", "4096".to_owned()),
        ("platform_params", "virt_start=0xffff800000000000".to_owned()),
        ("xen_changeset", String::new()),
        ("xen_commandline", format!("dom0_mem={0}M,max:{0}M dom0_max_vcpus=2 ", host.dom0_mib)),
        ("cc_compiler", "x86_64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0".to_owned()),
        ("cc_compile_by", "pkg-xen-devel".to_owned()),
        ("cc_compile_domain", "lists.alioth.debian.org".to_owned()),
        ("cc_compile_date", "Tue Feb  4 16:52:28 UTC 2025".to_owned()),
        ("build_id", "151b373fd64b321593bf987fd923cd10dabadac4".to_owned()),
        ("xend_config_format", "4".to_owned()),
    ];
    rows.iter().map(|(key, value)| format!("{key:<23}: {value}\n")).collect()
}
