//! What the storage of a host does not allow is refused before anything changed, with what would help.

use anyhow::Result;

use crate::host::{Host, Said};
use crate::scenario::{Scenario, scenario};
use crate::see::See;

/// Everything that a change of disks could touch, and jobs that were begun.
const STATE: &str = "lvs -a --noheadings -o vg_name,lv_name,lv_size,lv_attr; vgs --noheadings -o vg_name,vg_attr,vg_seqno; pvs --noheadings -o pv_name,vg_name; \
                     md5sum /etc/xen/*.cfg /etc/exports; ls -A /etc/xen /srv/xen/img /srv/new /srv/small /var/lib/domkeep/jobs 2>/dev/null; \
                     losetup -a; cat /proc/mounts; xl list | awk '{ print $1, $2 }'";

/// What is asked, the rule that refuses it, and a word of what would help.
type No<'a> = (&'a str, &'a str, &'a str);

/// Each is refused by its rule with exit 1, and the host is as it was.
fn refused(host: &mut dyn Host, see: &mut See, before_each: &str, all: &[No<'_>]) -> Result<()> {
    let before = host.does(&format!("mkdir -p /srv/new; {STATE}"))?;
    for (words, rule, help) in all {
        let said: Said = host.does(&format!("{before_each} domkeep {words} --yes 2>&1; echo \"exit $?\""))?;
        see.heard.push(said.clone());
        let text = said.text();
        see.that(text.contains("exit 1"), &format!("`{words}` would be begun"), || said.to_string());
        see.that(
            text.contains(&format!("refused ({rule})")),
            &format!("`{words}` would be refused for another reason than {rule}"),
            || said.to_string(),
        );
        see.that(text.contains(help), &format!("nobody would be told what helps where {rule} refuses"), || said.to_string());
    }
    let after = host.does(STATE)?;
    see.that(before.text() == after.text(), "a refusal would change something", || format!("{before}\n{after}"));
    Ok(())
}

pub fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("a volume in use, a group without room, a name that exists: refused before anything changed", |host, see| {
            host.does("mkdir -p /root/lab/mnt; mount /dev/xenvols/web1-disk /root/lab/mnt")?;
            refused(
                host,
                see,
                "",
                &[
                    ("move-disk web1 xvda --to /srv/new/web1.img", "disk-in-use", "unmount"),
                    ("remove xenvols/web1-disk --confirm xenvols/web1-disk", "disk-in-use", "unmount"),
                    ("new-volume other/x --size 32M --device /dev/xenvols/web1-disk --file-system none", "device-in-use", "another device"),
                    ("new-volume xenvols/big --size 100G --file-system none", "vg-no-room", "vgextend"),
                    ("new-volume xenvols/big --size 32M --thin-pool bigpool --pool-size 100G --file-system none", "vg-no-room", "vgextend"),
                    ("grow xenvols/origin0 --by 100G", "vg-no-room", "vgextend"),
                    ("new-volume xenvols/orphan --size 32M --file-system none", "exists", "another name"),
                    ("clone web1 --names files", "name-taken", "another name"),
                    ("new-volume nowhere/x --size 32M --file-system none", "vg-missing", "xenvols"),
                ],
            )?;
            host.does("umount /root/lab/mnt").map(drop)
        }),
        scenario("a group that may not be changed, programs that are not there: refused before anything changed", |host, see| {
            // LVM has no command for it: WRITE is taken out of the group's metadata. Its volume is active before: afterwards LVM refuses even that.
            host.does(
                "mkdir -p /srv/new; truncate -s 200M /srv/new/spare.img; losetup /dev/loop7 /srv/new/spare.img; vgcreate -q --addtag domkeep.lab fixed /dev/loop7; \
                 lvcreate -q -y -L 32M -n vol0 fixed; vgcfgbackup -q -f /srv/new/fixed fixed; sed '0,/\"READ\", \"WRITE\"/s//\"READ\"/' /srv/new/fixed >/srv/new/fixed.ro; \
                 vgcfgrestore -q -y -f /srv/new/fixed.ro fixed; refused lvcreate -q -L 4M -n x fixed\n\
                 config fixed1.cfg fixed1 <<'E'\ndisk = [ \"phy:/dev/fixed/vol0,xvda,w\" ]\nE\n\
                 config thin1.cfg thin1 <<'E'\ndisk = [ \"/dev/xenvols/thin0,raw,xvda,rw\" ]\nE",
            )?;
            let outcome = refused(
                host,
                see,
                "",
                &[
                    ("new-volume fixed/x --size 32M --file-system none", "vg-read-only", "vgcfgrestore"),
                    ("grow fixed/vol0 --by 8M", "vg-read-only", "vgcfgrestore"),
                    ("clone fixed1 --names fixed2 --store 8M", "group-read-only", "vgcfgrestore"),
                    ("remove fixed/vol0 --confirm fixed/vol0", "vg-read-only", "vgcfgrestore"),
                    ("move-disk db1 xvda --to fixed/moved", "vg-read-only", "vgcfgrestore"),
                ],
            );
            host.does("vgcfgbackup -q -f /srv/new/now fixed; sed -i '0,/\"READ\"/s//\"READ\", \"WRITE\"/' /srv/new/now; vgcfgrestore -q -y -f /srv/new/now fixed; vgremove -q -y -f fixed")?;
            outcome?;
            refused(
                host,
                see,
                "without thin_check",
                &[
                    (
                        "new-volume xenvols/x --size 32M --thin-pool xpool --pool-size 64M --file-system none",
                        "tool-missing",
                        "thin-provisioning-tools",
                    ),
                    ("clone thin1 --names thin2", "tool-missing", "thin-provisioning-tools"),
                ],
            )?;
            refused(
                host,
                see,
                "without lvm",
                &[
                    ("new-volume xenvols/x --size 32M --file-system none", "tool-missing", "lvm2"),
                    ("grow xenvols/origin0 --by 8M", "tool-missing", "lvm2"),
                    ("move-disk db1 xvda --to xenvols/moved", "tool-missing", "lvm2"),
                ],
            )
        }),
        scenario("a file system that is full: refused before anything changed", |host, see| {
            host.does(
                "mkdir -p /srv/new/tree/etc /srv/small; truncate -s 24M /srv/new/small.img; mkfs.ext4 -q /srv/new/small.img; mount -o loop /srv/new/small.img /srv/small; \
                 dd if=/dev/zero of=/srv/small/full bs=64k 2>/dev/null; dd if=/dev/zero of=/srv/small/fuller bs=1k 2>/dev/null; systemctl start nfs-server",
            )?;
            refused(
                host,
                see,
                "",
                &[
                    ("new-disk /srv/small/x.img --size 16M --file-system ext4", "no-room", "make room"),
                    ("clone files --names files2 --disks xvda --how overlay --directory /srv/small", "no-room", "make room"),
                    ("move-disk db1 xvda --to /srv/small/x.img", "no-room", "make room"),
                    (
                        "nfs-root nfs1 --directory /srv/small/root --populate directory --source /srv/new/tree --clients 192.168.77.21 --server 192.168.77.1 \
                         --network 192.168.77.21::192.168.77.1:255.255.255.0:nfs1:eth0:off --bridge xenbr0",
                        "no-room",
                        "make room",
                    ),
                ],
            )?;
            host.does("systemctl stop nfs-server; umount /srv/small").map(drop)
        }),
    ]
}
