//! What a new disk gets, whatever place it is made in: a file system, what fills it, its place in a configuration.

mod attach;
mod fill;
mod limits;

pub(super) use attach::{Attached, check_name, check_vdev, edit, free_vdev};
pub(super) use fill::{Filling, Inner, SLOW, Tailored, put_into, removal, tailor};
pub(super) use limits::check_in_file;
pub(super) use limits::{check_hostname, check_in_volume};

use super::facts::{Facts, Go};
use super::{Setting, paths, text};
use crate::model::request::{Attach, FileSystem, NewDisk};
use crate::model::{Cmd, HostPath, Question};

/// Seconds. Reading the metadata of a large file system takes its time.
const LONGEST_CHECK: u64 = 3600;

/// What was found out about all of it.
pub(super) struct Content<'a> {
    pub attached: Attached<'a>,
    pub filling: Filling,
}

/// Looks at everything that the disk's content and its domain need. The tools are looked for too.
pub(super) fn look<'a>(request: &NewDisk, facts: &Facts<'a>, setting: &Setting) -> Go<Content<'a>> {
    let attached = attach::look(request, facts)?;
    let filling = fill::look(request, facts, setting, attached.vdev())?;
    paths::tools(facts, &filling.tools(request.file_system))?;
    Ok(Content { attached, filling })
}

/// What is surely needed, asked in one round.
pub(super) fn questions(request: &NewDisk) -> Vec<Question> {
    let place = |path: &HostPath| Question::Place { path: path.clone() };
    let mut questions = vec![place(&request.path), place(&paths::parent(&request.path))];
    match &request.attach {
        Attach::Nobody => {}
        Attach::Existing { config, .. } => questions.extend([place(config), Question::BytesOf { path: config.clone() }]),
        Attach::New { config, .. } => questions.extend([place(config), place(&paths::parent(config))]),
    }
    questions.extend(fill::questions(request));
    questions
}

/// Looks at the new file system without changing it.
pub(super) fn check_command(file_system: FileSystem, disk: &HostPath, in_file: bool) -> Option<Cmd> {
    let disk = text(disk);
    let cmd = match file_system {
        FileSystem::Ext4 | FileSystem::Ext3 => Cmd::reads("e2fsck", ["-f".to_owned(), "-n".to_owned(), disk]),
        FileSystem::Xfs if in_file => Cmd::reads("xfs_repair", ["-n".to_owned(), "-f".to_owned(), disk]),
        FileSystem::Xfs => Cmd::reads("xfs_repair", ["-n".to_owned(), disk]),
        FileSystem::Btrfs => Cmd::reads("btrfs", ["check".to_owned(), "--readonly".to_owned(), disk]),
        FileSystem::None => return None,
    };
    Some(cmd.within(LONGEST_CHECK))
}
