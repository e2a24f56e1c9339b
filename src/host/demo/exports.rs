//! `exportfs`: the NFS server's table, made of /etc/exports. As the real one does, what it exports stands in /var/lib/nfs/etab
//! (nfs-utils 2.6: support/export, utils/exportfs).

use std::path::Path;

use super::reply::Reply;
use super::tree::Tree;
use crate::host::{Answer, HostError};

const ETAB: &str = "/var/lib/nfs/etab";

/// `exportfs -s`: the table as /etc/exports would have it.
pub fn look(tree: &Tree, words: &[String]) -> Option<Reply> {
    let [word] = words else { return None };
    if word != "-s" {
        return None;
    }
    let table = tree.read(Path::new(ETAB)).unwrap_or_default();
    let line = |line: &str| line.split_once('\t').map(|(path, client)| format!("{path}  {client}\n"));
    Some(Reply::good(String::from_utf8_lossy(&table).lines().filter_map(line).collect::<String>()))
}

/// `exportfs -r -a`: reads /etc/exports once more. `exportfs -u CLIENT:PATH`: forgets one.
pub fn change(tree: &Tree, words: &[String]) -> Answer<Option<Reply>> {
    if let [flag, named] = words
        && flag == "-u"
    {
        return forget(tree, named).map(Some);
    }
    if !matches!(words, [one] if one == "-ra") && !matches!(words, [one, two] if one == "-r" && two == "-a") {
        return Ok(None);
    }
    let text = match tree.read(Path::new("/etc/exports")) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(HostError::NotFound) => String::new(),
        Err(error) => return Err(error),
    };
    let (mut table, mut said) = (String::new(), String::new());
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(path) = words.next() else { continue };
        let name = path.replace("\\040", " ");
        for client in words {
            if !tree.exists(Path::new(&name)) {
                // It is in the table all the same.
                said.push_str(&format!("exportfs: Failed to stat {name}: No such file or directory\n"));
            }
            let (host, options) = client.split_once('(').unwrap_or((client, ""));
            let host = if host.is_empty() { "*" } else { host };
            table.push_str(&format!("{path}\t{host}({})\n", told(options.trim_end_matches(')'))));
        }
    }
    tree.make_dir(Path::new("/var/lib/nfs"), 0o755)?;
    tree.replace(Path::new(ETAB), table.as_bytes(), 0o644)?;
    Ok(Some(Reply { exit: i32::from(!said.is_empty()), err: said, ..Reply::default() }))
}

fn forget(tree: &Tree, named: &str) -> Answer<Reply> {
    let table = String::from_utf8_lossy(&tree.read(Path::new(ETAB)).unwrap_or_default()).into_owned();
    let is_it = |line: &&str| {
        let (path, client) = line.split_once('\t').unwrap_or((line, ""));
        format!("{}:{}", client.split('(').next().unwrap_or_default(), path.replace("\\040", " ")) == named
    };
    if !table.lines().any(|line| is_it(&line)) {
        return Ok(Reply::bad(1, format!("exportfs: Could not find '{named}' to unexport.\n")));
    }
    let left: String = table.lines().filter(|line| !is_it(line)).map(|line| format!("{line}\n")).collect();
    tree.replace(Path::new(ETAB), left.as_bytes(), 0o644)?;
    Ok(Reply::good(""))
}

/// Options as the table has them, those that were left out too.
fn told(given: &str) -> String {
    let has = |option: &str| given.split(',').any(|word| word == option);
    let squash = if has("no_root_squash") { "no_root_squash" } else { "root_squash" };
    let access = if has("rw") { "rw" } else { "ro" };
    format!("{},wdelay,hide,no_subtree_check,sec=sys,{access},secure,{squash},no_all_squash", if has("async") { "async" } else { "sync" })
}
