//! What the words of a borrowed tool's command line are: plain, or the name of something on the demo machine. Only the forms that
//! domkeep's plans use are known.

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Plain(String),
    /// A file that is read.
    Reads(String),
    /// A file or device that is written.
    Writes(String),
    /// A file system within it, as the tools of ext name it: `FILE?offset=BYTES`.
    Within(Box<Word>, u64),
    Directory(String),
    /// A directory with nothing in it yet.
    EmptyDirectory(String),
    /// What lies in a directory: `DIR/.`.
    Contents(Box<Word>),
    /// A file with commands for debugfs.
    Script(String),
    /// One command for debugfs.
    Line(String),
}

fn plain(text: &str) -> Word {
    Word::Plain(text.to_owned())
}

/// The words of a command line. The error is the first word that is not known.
pub fn understand(program: &str, args: &[String], changes: bool) -> Result<Vec<Word>, String> {
    match program {
        "mke2fs" | "mkfs.ext4" | "mkfs.ext3" if changes => make_file_system(args),
        "e2fsck" => check(args, changes),
        "resize2fs" if changes => match args {
            // Never within a file: it would cut it short.
            [file] if !file.starts_with('-') => Ok(vec![Word::Writes(file.clone())]),
            _ => Err("(operands)".to_owned()),
        },
        "tune2fs" => tune(args, changes),
        "debugfs" => edit(args, changes),
        "cp" if changes => copy(args),
        "tar" if changes => unpack(args),
        "sync" if changes => match args {
            [option, directory] if option == "-f" => Ok(vec![plain(option), Word::Directory(directory.clone())]),
            _ => Err("(operands)".to_owned()),
        },
        _ => Err(program.to_owned()),
    }
}

/// A file or device with a file system, or one within it.
fn image(text: &str, writes: bool) -> Word {
    let of = |path: &str| if writes { Word::Writes(path.to_owned()) } else { Word::Reads(path.to_owned()) };
    let within = text.split_once("?offset=").and_then(|(path, offset)| Some((path, offset.parse::<u64>().ok()?)));
    match within {
        Some((path, offset)) => Word::Within(Box::new(of(path)), offset),
        None => of(text),
    }
}

/// Values of options: names, numbers, features; nothing that could be a path.
fn is_harmless(value: &str) -> bool {
    !value.is_empty() && !value.contains(['/', '\0', '\n']) && !value.starts_with('-')
}

fn make_file_system(args: &[String]) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut operands = Vec::new();
    let mut args = args.iter();
    let mut only_operands = false;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--" if !only_operands => only_operands = true,
            "-q" | "-F" | "-v" | "-n" | "-j" if !only_operands => words.push(plain(arg)),
            "-L" if !only_operands => {
                // A label may be any text; it is one word of its own and never a path.
                words.extend([plain(arg), plain(args.next().ok_or(arg)?)]);
            }
            "-t" | "-U" | "-m" | "-O" | "-E" | "-b" | "-I" | "-i" | "-N" | "-T" | "-M" | "-e" | "-o" if !only_operands => {
                let value = args.next().ok_or(arg)?;
                // The path that it says it was last mounted at is only written down.
                if arg != "-M" && !is_harmless(value) {
                    return Err(value.clone());
                }
                words.extend([plain(arg), plain(value)]);
            }
            "-d" if !only_operands => words.extend([plain(arg), Word::Directory(args.next().ok_or(arg)?.clone())]),
            other if other.starts_with('-') && !only_operands => return Err(arg.clone()),
            _ => operands.push(arg),
        }
    }
    match operands.as_slice() {
        [file] => words.push(Word::Writes((*file).clone())),
        [file, size] if is_harmless(size) => words.extend([Word::Writes((*file).clone()), plain(size)]),
        _ => return Err("(operands)".to_owned()),
    }
    Ok(words)
}

/// One that changes nothing, or mends by itself what is safe to mend (`-p`).
fn check(args: &[String], changes: bool) -> Result<Vec<Word>, String> {
    let (file, options) = args.split_last().ok_or("(nothing)")?;
    let options: Vec<&str> = options.iter().map(String::as_str).filter(|option| *option != "--").collect();
    if let Some(unknown) = options.iter().find(|option| !["-f", "-n", "-fn", "-nf", "-v", "-fnv", "-p"].contains(option)) {
        return Err((*unknown).to_owned());
    }
    let (looks, mends) = (options.iter().any(|option| option.contains('n')), options.contains(&"-p"));
    if looks == mends || mends && !changes || file.starts_with('-') {
        return Err(file.clone());
    }
    let word = image(file, mends);
    Ok(options.into_iter().map(plain).chain([word]).collect())
}

/// Another UUID, or what the superblock says.
fn tune(args: &[String], changes: bool) -> Result<Vec<Word>, String> {
    match args {
        [option, uuid, file] if changes && option == "-U" && is_harmless(uuid) && !file.starts_with('-') => {
            Ok(vec![plain(option), plain(uuid), image(file, true)])
        }
        [option, file] if option == "-l" && !file.starts_with('-') => Ok(vec![plain(option), image(file, false)]),
        _ => Err("(operands)".to_owned()),
    }
}

fn edit(args: &[String], changes: bool) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut args = args.iter();
    let mut writes = false;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-w" if changes => {
                writes = true;
                words.push(plain(arg));
            }
            // Damaged bitmaps are not read.
            "-c" if !changes => words.push(plain(arg)),
            "-f" if changes => words.extend([plain(arg), Word::Script(args.next().ok_or(arg)?.clone())]),
            "-R" => words.extend([plain(arg), Word::Line(args.next().ok_or(arg)?.clone())]),
            file if !file.starts_with('-') && args.len() == 0 => {
                words.push(image(file, writes));
                return Ok(words);
            }
            _ => return Err(arg.clone()),
        }
    }
    Err("(no image)".to_owned())
}

fn copy(args: &[String]) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut operands = Vec::new();
    let mut whole = false;
    for arg in args {
        match arg.as_str() {
            "-T" | "--no-target-directory" => whole = true,
            "-axT" | "-aT" | "-aTx" => {
                whole = true;
                words.push(plain("-ax"));
            }
            "-ax" | "-a" | "-x" | "-S" | "--sparse=always" | "--sparse=auto" | "--reflink=auto" | "--one-file-system" | "--archive" => {
                words.push(plain(arg));
            }
            "--" => {}
            other if other.starts_with('-') => return Err(arg.clone()),
            _ => operands.push(arg),
        }
    }
    let [from, to] = operands.as_slice() else { return Err("(operands)".to_owned()) };
    // The contents of a directory, not the directory: its name here is not its name there.
    let dir = match from.strip_suffix("/.") {
        Some(dir) => dir,
        None if whole => from,
        None => return Err((*from).clone()),
    };
    let dir = if dir.is_empty() { "/" } else { dir };
    words.push(Word::Contents(Box::new(Word::Directory(dir.to_owned()))));
    words.push(Word::EmptyDirectory((*to).clone()));
    Ok(words)
}

fn unpack(args: &[String]) -> Result<Vec<Word>, String> {
    const FLAGS: [&str; 16] = [
        "-p",
        "-S",
        "--numeric-owner",
        "--same-owner",
        "--same-permissions",
        "--preserve-permissions",
        "--xattrs",
        "--xattrs-include=*",
        "--acls",
        "--selinux",
        "--sparse",
        "--auto-compress",
        "--force-local",
        "--delay-directory-restore",
        "--no-same-owner",
        "--warning=no-timestamp",
    ];
    let mut words = Vec::new();
    let (mut extracts, mut archive, mut directory) = (false, false, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (name, inline) = match arg.split_once('=') {
            Some((name @ ("--file" | "--directory"), value)) => (name, Some(value.to_owned())),
            _ => (arg.as_str(), None),
        };
        match name {
            "-x" | "--extract" => {
                extracts = true;
                words.push(plain("-x"));
            }
            "-xf" | "-xpf" | "-xpSf" | "-f" | "--file" if !archive => {
                extracts |= name.starts_with("-x");
                archive = true;
                words.extend(name.starts_with("-x").then(|| plain("-x")));
                words.extend(name.contains('p').then(|| plain("-p")));
                let file = inline.or_else(|| args.next().cloned()).ok_or(arg)?;
                words.extend([plain("-f"), Word::Reads(file)]);
            }
            "-C" | "--directory" if !directory => {
                directory = true;
                let dir = inline.or_else(|| args.next().cloned()).ok_or(arg)?;
                words.extend([plain("-C"), Word::EmptyDirectory(dir)]);
            }
            flag if FLAGS.contains(&flag) => words.push(plain(flag)),
            _ => return Err(arg.clone()),
        }
    }
    if extracts && archive && directory { Ok(words) } else { Err("(operands)".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Vec<Word>, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (program, args) = words.split_first().unwrap();
        understand(program, args, true)
    }

    #[test]
    fn the_forms_of_plans_are_known() {
        let made = of("mke2fs -q -F -t ext4 -L root -d /srv/tree /srv/new.img").unwrap();
        assert!(made.contains(&Word::Directory("/srv/tree".into())) && made.ends_with(&[Word::Writes("/srv/new.img".into())]));
        assert!(of("mkfs.ext4 -q -F -- /srv/new.img").is_ok() && of("mkfs.ext3 /srv/new.img 1024").is_ok());
        assert_eq!(of("e2fsck -f -n /a").unwrap().last(), Some(&Word::Reads("/a".into())));
        assert_eq!(of("tune2fs -U 0f5c2a4e-3f0b-4a54-9a6e-5b1f1c0d0b01 /a").unwrap().last(), Some(&Word::Writes("/a".into())));
        let within = Word::Within(Box::new(Word::Reads("/a".into())), 1_048_576);
        assert_eq!(of("tune2fs -l /a?offset=1048576"), Ok(vec![plain("-l"), within]));
        assert!(of("resize2fs /a?offset=1048576 9s").is_err(), "it would cut the file short");
        assert_eq!(of("tune2fs -l /a").unwrap().last(), Some(&Word::Reads("/a".into())));
        assert!(of("debugfs -w -f /script /img").unwrap().contains(&Word::Script("/script".into())));
        assert!(of("cp -ax -- /a/. /b").is_ok() && of("cp -axT /a /b").is_ok());
        assert!(of("tar -xpf /a.tar --numeric-owner --xattrs -C /b").is_ok() && of("tar --extract --file=/a --directory=/b").is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_path_reaches_a_tool_as_a_word(
            program in proptest::sample::select(vec!["mke2fs", "mkfs.ext4", "e2fsck", "tune2fs", "cp", "tar"]),
            args in proptest::collection::vec(
                proptest::sample::select(vec![
                    "-x", "-f", "-C", "-d", "-L", "-t", "-n", "-F", "-q", "-ax", "-T", "--", "-E", "--file=/a", "--directory=/b", "/a", "/a/.",
                    "/", "ext4", "a=/b", "-U", "-xpf", "--to-command=/x", "", "/dev/sda", "-O", "-M", "../a", "a",
                ]),
                0..8,
            ),
        ) {
            let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
            let words = understand(program, &args, true).unwrap_or_default();
            for pair in words.windows(2) {
                if let [before, Word::Plain(text)] = pair {
                    let only_text = matches!(before, Word::Plain(option) if option == "-L" || option == "-M");
                    proptest::prop_assert!(only_text || !text.contains('/'), "{program} {args:?} gets {text} as it stands");
                }
            }
            if let Some(Word::Plain(first)) = words.first() {
                proptest::prop_assert!(!first.contains('/'), "{program} {args:?} gets {first} as it stands");
            }
        }
    }

    #[test]
    fn what_could_name_a_file_unseen_is_not_known() {
        for line in [
            "mke2fs -z /etc/undo /a",
            "mke2fs -J device=/dev/sda /a",
            "mke2fs -l /etc/passwd /a",
            "mke2fs -E offset=/x /a",
            "mke2fs /a 1 2",
            "e2fsck -f /a",
            "e2fsck -fy /a",
            "e2fsck -n -j /dev/sda /a",
            "tune2fs -z /undo /a",
            "tune2fs -J device=/dev/sda /a",
            "tune2fs -U /etc/passwd /a",
            "debugfs -w -d /dev/sda -f /s /img",
            "debugfs -w -z /undo /img",
            "cp -ax /a /b",
            "cp --backup -ax /a/. /b",
            "cp -ax /a/. /b /c",
            "tar -xf /a",
            "tar -xf /a -C /b --to-command=sh",
            "tar -xPf /a -C /b",
            "tar -xf /a -C /b -I sh",
            "tar -xf /a -C /b -C /c",
            "tar -cf /a -C /b",
            "mount /a /b",
        ] {
            assert!(of(line).is_err(), "{line} would run on the real machine");
        }
        assert!(understand("mke2fs", &["/a".into()], false).is_err(), "a look would make a file system");
    }
}
