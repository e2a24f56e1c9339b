//! The blocks of commands in RESTORE.txt, for a POSIX shell with GNU `cp`, `dd` and `cmp`.

use crate::bundle::manifest::{HASH_BLOCK, Manifest, Piece};
use crate::model::bundle_names::segments_name;
use crate::model::cmd::{shell_bytes, shell_word};

/// A block by its name. The lines are a subshell that ends at the first error.
fn block(name: &str, lines: &str) -> String {
    format!("# begin sh: {name}\n(\nset -eu\n{lines})\n# end sh\n")
}

/// `./NAME`, quoted: a name may begin with a minus.
fn here(piece: &Piece) -> String {
    shell_word(&format!("./{}", piece.name))
}

fn from_to(piece: &Piece, to: &str) -> String {
    let stop = "stop() { printf '%s\\n' \"$*\" >&2; exit 1; }\n";
    if piece.segment_bytes.is_none() {
        return format!("from={}\nto={to}\n{stop}", here(piece));
    }
    // One segment after the other; `xargs`, because a line of a shell has its limit.
    let all = "all() { ( cd \"$from\" && printf '%s\\n' ?????? | xargs cat ); }\n";
    format!("from={}\nto={to}\n{all}{stop}", shell_word(&format!("./{}", segments_name(&piece.name))))
}

/// A domain that is there may write to its disks. Where there is no xl, nobody can be asked.
fn not_running(manifest: &Manifest) -> String {
    format!(
        "domain={}\nif xl list -- \"$domain\" >/dev/null 2>&1; then stop \"the domain $domain is there: shut it down first\"; fi\n",
        shell_word(&manifest.domain)
    )
}

const NOT_THERE: &str = "if [ -e \"$to\" ] || [ -L \"$to\" ]; then stop \"$to is there already: move it away first\"; fi\n";
const SAME_ALREADY: &str = "if cmp -s -- \"$from\" \"$to\"; then printf 'is there already, the same: %s\\n' \"$to\"; exit 0; fi\n";
const COPY_FILE: &str = "umask 077\ncp --sparse=always -- \"$from\" \"$to\"\nsync\ncmp -- \"$from\" \"$to\"\n";
const COPY_SEGMENTS: &str = "umask 077\nall | cp --sparse=always -- /dev/stdin \"$to\"\nsync\nall | cmp -- - \"$to\"\n";

fn copy_file(piece: &Piece) -> &'static str {
    if piece.segment_bytes.is_some() { COPY_SEGMENTS } else { COPY_FILE }
}
const SAY_SO: &str = "printf 'restored and compared: %s\\n' \"$to\"\n";

fn copy_device(piece: &Piece) -> String {
    let bytes = piece.bytes;
    let copy = if piece.segment_bytes.is_some() {
        format!("all | dd of=\"$to\" bs=4M iflag=fullblock conv=fsync\nall | cmp -n {bytes} -- - \"$to\"\n")
    } else {
        format!("dd if=\"$from\" of=\"$to\" bs=4M conv=fsync\ncmp -n {bytes} -- \"$from\" \"$to\"\n")
    };
    format!(
        "size=$(blockdev --getsize64 \"$to\") || stop \"$to is no block device\"\n\
         if [ \"$size\" -lt {bytes} ]; then stop \"$to has only $size bytes\"; fi\n\
         # Never conv=sparse onto a device: what it skips keeps its old bytes.\n\
         {copy}"
    )
}

pub fn check(manifest: &Manifest) -> String {
    let mut lines = format!(
        "command -v b3sum >/dev/null || {{ echo 'b3sum is not installed' >&2; exit 1; }}\n\
         bad=0\n\
         block() {{ # FILE, number, blocks of one segment (0: it is one file)\n\
         \x20   if [ \"$3\" -eq 0 ]; then dd if=\"$1\" bs={HASH_BLOCK} skip=\"$2\" count=1 2>/dev/null\n\
         \x20   else dd if=\"$1.d/$(printf %06d $(($2 / $3)))\" bs={HASH_BLOCK} skip=$(($2 % $3)) count=1 2>/dev/null; fi\n\
         }}\n\
         check() {{ # FILE, its bytes, the blake3 of its list, blocks of one segment\n\
         \x20   wrong=0 block=0\n\
         \x20   if [ \"$4\" -eq 0 ]; then size=$(wc -c < \"$1\") || size=-1\n\
         \x20   else size=$(cd \"$1.d\" && printf '%s\\n' ?????? | xargs cat | wc -c) || size=-1; fi\n\
         \x20   if [ \"$size\" -ne \"$2\" ]; then printf '%s: it has %s bytes, not %s\\n' \"$1\" \"$size\" \"$2\"; bad=1; fi\n\
         \x20   list=$(b3sum --no-names < \"$1.hashes\") || list=none\n\
         \x20   if [ \"$list\" != \"$3\" ]; then printf '%s: its list of hashes is not as it was written\\n' \"$1\"; bad=1; return; fi\n\
         \x20   while read -r want; do\n\
         \x20       if [ \"$want\" = zero ]; then\n\
         \x20           got=$(block \"$1\" \"$block\" \"$4\" | tr -d '\\000' | wc -c)\n\
         \x20           if [ \"$got\" -eq 0 ]; then got=zero; fi\n\
         \x20       else\n\
         \x20           got=$(block \"$1\" \"$block\" \"$4\" | b3sum --no-names)\n\
         \x20       fi\n\
         \x20       if [ \"$got\" != \"$want\" ]; then\n\
         \x20           if [ \"$wrong\" -eq 0 ]; then printf '%s: the first wrong bytes are in the {HASH_BLOCK} from %s on\\n' \"$1\" $((block * {HASH_BLOCK})); fi\n\
         \x20           wrong=$((wrong + 1)) bad=1\n\
         \x20       fi\n\
         \x20       block=$((block + 1))\n\
         \x20   done < \"$1.hashes\"\n\
         \x20   printf '%s: %s blocks read, %s wrong\\n' \"$1\" \"$block\" \"$wrong\"\n\
         }}\n"
    );
    for piece in &manifest.pieces {
        let digest = piece.digest.strip_prefix("blake3:").unwrap_or(&piece.digest);
        let per_segment = piece.segment_bytes.map_or(0, |segment| segment / HASH_BLOCK);
        lines.push_str(&format!("check {} {} {} {per_segment}\n", here(piece), piece.bytes, shell_word(digest)));
    }
    lines.push_str("if [ \"$bad\" -ne 0 ]; then echo 'NOT as it was written' >&2; exit 1; fi\necho 'as it was written'\n");
    block("check", &lines)
}

pub fn to_file(manifest: &Manifest, number: usize, piece: &Piece) -> String {
    let first = if piece.kind == "disk" { not_running(manifest) } else { SAME_ALREADY.to_owned() };
    let lines = from_to(piece, &shell_bytes(piece.source.as_bytes())) + &first + NOT_THERE + copy_file(piece) + SAY_SO;
    block(&format!("piece-{number}"), &lines)
}

pub fn to_device(manifest: &Manifest, number: usize, piece: &Piece) -> String {
    let to = shell_bytes(piece.source.as_bytes());
    let lines = from_to(piece, &to) + &not_running(manifest) + &copy_device(piece) + SAY_SO;
    block(&format!("piece-{number}"), &lines)
}

pub fn to_wherever(manifest: &Manifest, number: usize, piece: &Piece) -> String {
    let lines = from_to(piece, "\"${TO:?say first where to: TO=/path}\"") + &not_running(manifest);
    let lines = format!("{lines}if [ -b \"$to\" ]; then\n{}else\n{NOT_THERE}{}fi\n{SAY_SO}", copy_device(piece), copy_file(piece));
    block(&format!("piece-{number}"), &lines)
}

pub fn define(number: usize, piece: &Piece) -> String {
    block(&format!("piece-{number}"), &format!("virsh define {}\n", here(piece)))
}

pub fn resume(manifest: &Manifest, save: &Piece, libvirt: bool) -> String {
    let stop = "stop() { printf '%s\\n' \"$*\" >&2; exit 1; }\n";
    let restore = if libvirt { "virsh restore" } else { "xl restore" };
    block("start", &format!("{stop}{}{restore} {}\n", not_running(manifest), here(save)))
}

pub fn create(manifest: &Manifest, config: &Piece) -> String {
    let stop = "stop() { printf '%s\\n' \"$*\" >&2; exit 1; }\n";
    block("start", &format!("{stop}{}xl create {}\n", not_running(manifest), shell_bytes(config.source.as_bytes())))
}

pub fn virsh_start(manifest: &Manifest) -> String {
    block("start", &format!("virsh start --domain {}\n", shell_word(&manifest.domain)))
}
