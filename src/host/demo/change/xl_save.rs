//! `xl save` and `xl restore`.

use std::path::Path;

use super::xl::start_trouble;
use crate::host::Answer;
use crate::host::demo::domains::{self, Trouble};
use crate::host::demo::guest::userdata;
use crate::host::demo::machine::{Machine, Power};
use crate::host::demo::reply::{Args, Reply};
use crate::host::demo::save_image::{self, Unfit};
use crate::host::demo::tree::Tree;
use crate::host::demo::{layout, xl};

pub fn save(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-c", "-p"], &[]) else { return Ok(None) };
    let [named, file] = args.operands.as_slice() else { return Ok(None) };
    let Some(domain) = machine.domain(named).cloned() else { return Ok(Some(xl::no_domain(named))) };
    let path = Path::new(file);
    if path.parent().is_none_or(|dir| !tree.exists(dir)) {
        return Ok(Some(Reply::bad(1, format!("Failed to open temp file {file} for writing\n"))));
    }
    let (id, guest) = (domain.domid, &domain.guest);
    let kind = if guest.kind == "pv" { "PV" } else { "HVM" };
    let length = userdata(guest).len() + 4;
    let mut said = format!("Saving to {file} new xl format (info 0x3/0x0/{length})\nxc: info: Saving domain {id}, type x86 {kind}\n");
    layout::write_save(tree, path, guest, 0o644, machine.clock)?;
    if !matches!(domain.power, Power::Running | Power::Idle) {
        // The file is there, with a whole header and no memory: as xl leaves it.
        tree.open_file(path, true)?.set_len(u64::try_from(length + 48 + 64).unwrap_or(0))?;
        tree.set_time(path, machine.clock)?;
        said.push_str(&format!(
            "libxl: error: libxl_dom_suspend.c:378:suspend_common_wait_guest_check: Domain {id}:guest didn't acknowledge suspend, \
             cancelling request\n\
             xc: error: Domain has not been suspended: shutdown 0, reason 255: Internal error\n\
             xc: error: Save failed (0 = Success): Internal error\n\
             libxl: error: libxl_stream_write.c:347:libxl__xc_domain_save_done: Domain {id}:saving domain: \
             domain did not respond to suspend request: Success\n\
             Failed to save domain, resuming domain\n"
        ));
        return Ok(Some(Reply::bad(1, said)));
    }
    let frames = guest.memory_mib.saturating_mul(256);
    for done in (2048..=frames).step_by(2048) {
        said.push_str(&format!("xc: progress: Frames: {done}/{frames}  {:>3}%\n", done * 100 / frames.max(1)));
    }
    said.push_str("xc: progress: End of stream: 0/0    0%\n");
    if args.has(&["-p"]) {
        if let Some(domain) = machine.domain_mut(id) {
            domain.power = Power::Paused;
        }
    } else if !args.has(&["-c"]) {
        domains::stop(machine, tree, id)?;
    }
    Ok(Some(Reply::good("").with_err(said)))
}

pub fn restore(machine: &mut Machine, tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    let Ok(args) = Args::parse(words, &["-p"], &[]) else { return Ok(None) };
    let [file] = args.operands.as_slice() else { return Ok(None) };
    let Ok(mut image) = tree.open_file(Path::new(file), false) else {
        return Ok(Some(Reply::bad(1, "Can't open restore file: No such file or directory\n")));
    };
    let loading = |length: u32| format!("Loading new save file {file} (new xl fmt info 0x3/0x0/{length})\n");
    let parsing = " Savefile contains xl domain config in JSON format\nParsing config from <saved>\n";
    let domid = machine.next_domid;
    let (guest, length) = match save_image::read(&mut image)? {
        Ok(found) => found,
        Err(unfit) => return Ok(Some(Reply::bad(1, refusal(machine, file, domid, unfit, &loading, parsing)?))),
    };
    let power = if args.has(&["-p"]) { Power::Paused } else { Power::Idle };
    let now = machine.clock;
    let said = loading(length) + parsing;
    Ok(Some(match domains::start(machine, tree, &guest, power, now) {
        Ok(domid) => Reply::good("").with_err(format!(
            "{said}xc: info: Found x86 {} domain from Xen 4.17\nxc: info: Restoring domain\nxc: info: Restore successful\n\
             xc: info: XenStore: mfn {:#x}, dom 0, evt 1\nxc: info: Console: mfn {:#x}, dom 0, evt 2\n",
            if guest.kind == "pv" { "PV" } else { "HVM" },
            0x1b_31a6 + domid,
            0x1b_31a5 + domid,
        )),
        Err(trouble) => Reply::bad(1, said + &start_trouble(domid, &guest.name, trouble)?),
    }))
}

fn refusal(machine: &mut Machine, file: &str, domid: u32, unfit: Unfit, loading: &dyn Fn(u32) -> String, parsing: &str) -> Answer<String> {
    let truncated =
        |what: &str| format!("libxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading {what} from {file}\n");
    Ok(match unfit {
        Unfit::NoHeader => format!(
            "{}xl: fatal error: xl_vmcontrol.c:713: Protocol error: libxl_read_exactly( ctx, restore_fd, &hdr, sizeof(hdr), \
             restore_source, \"header\")\n",
            truncated("header")
        ),
        Unfit::WrongMagic => "File has wrong magic number - corrupt or for a different tool?\n".to_owned(),
        Unfit::NoConfig(length) => format!(
            "{}{}xl: fatal error: xl_vmcontrol.c:740: Protocol error: libxl_read_exactly( ctx, restore_fd, optdata_begin, \
             hdr.optional_data_len, restore_source, \"optdata\")\n",
            loading(length),
            truncated("optdata")
        ),
        Unfit::Cut(guest, length) => {
            machine.next_domid = machine.next_domid.saturating_add(1);
            let said = format!("{}{parsing}", loading(length));
            if machine.domain(&guest.name).is_some() {
                return Ok(said + &start_trouble(domid, &guest.name, Trouble::NameTaken)?);
            }
            format!(
                "{said}xc: info: Found x86 PV domain from Xen 4.17\nxc: info: Restoring domain\n\
                 xc: error: Failed to read 4202504 bytes of data for record (0x00000001, Page data) (0 = Success): Internal error\n\
                 xc: error: Restore failed (0 = Success): Internal error\n\
                 libxl: error: libxl_stream_read.c:850:libxl__xc_domain_restore_done: restoring domain: Success\n\
                 libxl: error: libxl_create.c:1640:domcreate_rebuild_done: Domain {domid}:cannot (re-)build domain: -3\n\
                 libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain {domid}:Non-existant domain\n\
                 libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain {domid}:Unable to destroy guest\n\
                 libxl: error: libxl_domain.c:1064:domain_destroy_cb: Domain {domid}:Destruction of domain failed\n"
            )
        }
    })
}
