//! `rm -r -f -- PATH ...`: how a plan's cleanup removes what it unpacked. Native, because a borrowed rm would need the path by its name.

use std::path::Path;

use crate::host::HostError;
use crate::host::demo::reply::{Args, Reply};
use crate::host::demo::tree::Tree;

pub fn remove(tree: &Tree, words: &[String]) -> Option<Reply> {
    let flags = ["-r", "-R", "-f", "--recursive", "--force", "--one-file-system"];
    let Ok(args) = Args::parse(words, &flags, &[]) else { return None };
    let (recursive, force) = (args.has(&["-r", "-R", "--recursive"]), args.has(&["-f", "--force"]));
    for operand in &args.operands {
        let path = Path::new(operand);
        let machinery = ["/dev", "/proc", "/sys"].iter().any(|dir| path.starts_with(dir));
        if !path.is_absolute() || path.parent().is_none() || machinery || path.components().any(|part| part.as_os_str() == "..") {
            return Some(Reply::bad(1, format!("rm: the demo machine does not remove '{operand}'\n")));
        }
        let removed = if recursive { tree.remove_all(path) } else { tree.unlink(path) };
        match removed {
            Ok(()) => {}
            Err(HostError::NotFound) if force => {}
            Err(error) => return Some(Reply::bad(1, format!("rm: cannot remove '{operand}': {error}\n"))),
        }
    }
    Some(Reply::good(""))
}
