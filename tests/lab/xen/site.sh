# Runs inside the dom0, before each line of a scenario (sourced). Every config, disk and name here is made up.
#
#   lab_site     lays the site out: a volume group, image files, configs; starts nothing
#   lab_clean    puts it back as it was laid out: no guests, no snapshots, no save images
#   start NAME [CONFIG [SETTING...]]    boots a guest and waits until it is up
#   place NAME [CONFIG [SETTING...]]    makes a guest, paused before its first instruction: everything is attached, nothing runs
#   refused COMMAND...   a command that must fail; what it says goes to standard output
#   without PROGRAM COMMAND...          as on a host where this program is not installed
#   age N FILE   makes a file N minutes older
export LC_ALL=C LANG=C
IMGS=/srv/xen/img
CONSOLES=/var/log/xen/console
GOLDEN=/root/lab/etc-xen

kernel_lines() {
    printf 'kernel = "/var/lib/xen/images/guest-vmlinuz"\nramdisk = "/var/lib/xen/images/guest-initrd.gz"\nmemory = %s\n' "${1:-88}"
}
# config FILE NAME < the other lines
config() { { printf 'name = "%s"\n' "$2"; kernel_lines; cat; } >"/etc/xen/$1"; }

lab_storage() {
    parted -s /dev/vdb mklabel gpt mkpart lvm 1MiB 12GiB mkpart guest 12GiB 12544MiB
    udevadm settle
    vgcreate -q -y xenvols /dev/vdb1
    local v
    for v in web1-disk:96 db1-root:64 db1-data:96 hot0:64 rel0:64 qd0:64 tool0:64 hvm1-c:64 orphan:64 origin0:64; do
        lvcreate -q -y -L "${v#*:}M" -n "${v%:*}" xenvols
    done
    lvcreate -q -y -L 256M --poolmetadatasize 4M --thinpool pool0 xenvols
    lvcreate -q -y -V 128M --thin -n thin0 xenvols/pool0
    for v in web1-disk db1-root db1-data hot0 thin0; do mkfs.ext4 -q "/dev/xenvols/$v"; done
    mkfs.ext4 -q /dev/vdb2
    mkdir -p $IMGS /srv/xen/iso /srv/xen/kept /etc/xen/auto
    for v in file0 tap0 shared0 hot1 forgotten; do truncate -s 64M $IMGS/$v.img; mkfs.ext4 -q $IMGS/$v.img; done
    qemu-img create -q -f qcow2 $IMGS/qc0.qcow2 1G
    dd if=/dev/urandom of=/srv/xen/iso/tools.iso bs=64k count=16 2>/dev/null
}
lab_configs() {
    # A hotplug script of one's own: `target` is a word, not a path.
    cat >/etc/xen/scripts/block-lab <<'E'
#!/bin/bash
. "$(dirname "$0")/block-common.sh"
case $command in
add) write_dev "/dev/xenvols/$(xenstore_read "$XENBUS_PATH/params")" ;;
esac
E
    chmod 755 /etc/xen/scripts/block-lab
    config web1.cfg web1 <<'E'
disk = [ "phy:/dev/xenvols/web1-disk,xvda,w" ]
E
    config database.cfg db1 <<'E'
uuid = "7d0c2a4e-3f0b-4a54-9a6e-5b1f1c0d0b01"
disk = [
    'format=raw, vdev=xvda, access=rw, target=/dev/xenvols/db1-root',
    'format=raw, vdev=xvdb, access=rw, target=/dev/xenvols/db1-data',
]
E
    # Two, because libxl gives all the hotplug scripts of one domain 40 s together.
    config forms.cfg forms <<E
disk = [
    "phy:/dev/xenvols/rel0,xvda,w",
    "file:$IMGS/file0.img,xvdb,w",
    "tap:aio:$IMGS/tap0.img,xvdc,w",
    "vdev=xvdd,format=qcow2,access=rw,target=$IMGS/qc0.qcow2",
]
extra = "lab.write=0"
E
    config forms2.cfg forms2 <<E
disk = [
    "phy:/dev/vdb2,xvde,w",
    "file:/srv/xen/iso/tools.iso,xvdf:cdrom,r",
    "vdev=xvdg,format=raw,access=rw,backendtype=qdisk,target=/dev/xenvols/qd0",
    "/dev/xenvols/thin0,raw,xvdh,rw",
    "vdev=xvdi,format=raw,access=rw,script=block-lab,target=tool0",
]
extra = "lab.write=0"
E
    # Never started: forms that only a config shows here.
    config elsewhere.cfg elsewhere <<'E'
disk = [
    "phy:xenvols/rel0,xvda,w",
    "script=block-drbd,vdev=xvdb,format=raw,target=r0",
    "vdev=xvdc,script=block-iscsi,target=iqn=iqn.2020-01.example:disk,portal=192.0.2.9:3260",
    "script=block-nbd,vdev=xvdd,format=raw,target=192.0.2.9:10809",
    ",xvde:cdrom,r",
]
E
    config spare1.cfg spare1 <<E
disk = [ "phy:/dev/xenvols/spare1,xvda,w", "file:$IMGS/gone.img,xvdb,w" ]
E
    config nfs1.cfg nfs1 <<'E'
root = "/dev/nfs"
extra = "nfsroot=192.0.2.10:/export/nfs1,vers=3,tcp ip=192.0.2.21::192.0.2.1:255.255.255.0:nfs1:eth0:off lab.write=0"
E
    config auto1.cfg auto1 <<'E'
disk = []
extra = "lab.write=0"
E
    ln -sf ../auto1.cfg /etc/xen/auto/auto1.cfg
    cat >/etc/xen/hvm1.cfg <<'E'
name = "hvm1"
type = "hvm"
memory = 64
shadow_memory = 8
disk = [ "phy:/dev/xenvols/hvm1-c,hda,w", ",hdc:cdrom,r", "file:/srv/xen/iso/tools.iso,hdd:cdrom,r" ]
boot = "dc"
vnc = 0
serial = "pty"
E
    local c
    for c in a b; do config shared-$c.cfg shared-$c <<E
disk = [ "file:$IMGS/shared0.img,xvda,w" ]
extra = "lab.write=0"
E
    done
    config hostile.cfg hostile <<'E'
disk = [ "phy:/dev/xenvols/hot0,xvda,w" ]
extra = "lab.write=0 lab.hostile=1"
E
    config files.cfg files <<E
disk = [ "file:$IMGS/file0.img,xvda,w" ]
E
}
lab_site() {
    local log=/root/lab/site.log
    if [ -e /root/lab/laid ]; then lab_clean; else lab_storage >$log 2>&1 || { cat $log >&2; return 1; }; fi
    touch /root/lab/laid
    rm -rf /etc/xen/*.cfg /etc/xen/auto/*
    lab_configs >$log 2>&1 || { cat $log >&2; return 1; }
    rsync -a --delete /etc/xen/ $GOLDEN/
}

# full_disk FROM COUNT: `files` was up and is off, and COUNT MiB of its disk from FROM MiB on are no zeros, so that a slow copy takes a while.
# The disk as it was is put back by lab_clean.
full_disk() {
    local disk=$IMGS/file0.img
    start files && xl shutdown files && wait_gone files || return 1
    [ -e "$disk.kept" ] || cp --sparse=always "$disk" "$disk.kept"
    dd if=/dev/urandom of="$disk" bs=1M seek="$1" count="$2" conv=notrunc 2>/dev/null
}
# caught STEP DOMKEEP-WORD...: a job is started, and its runner killed (SIGKILL) as soon as the journal says that STEP (counted from 0) began.
# Prints the job's id; status 2: the job ended before.
caught() {
    local step=$1 journal text jobs=/var/lib/domkeep/jobs
    shift
    rm -rf "$jobs"
    domkeep "$@" --yes --detach >/root/lab/caught.out 2>&1 &
    local starter=$!
    # No process is started in here: a step may last milliseconds.
    while :; do
        for journal in "$jobs"/*/journal.jsonl; do [ ! -s "$journal" ] || break 2; done
        kill -0 $starter 2>/dev/null || [ -e "$journal" ] || { cat /root/lab/caught.out >&2; return 1; }
    done
    while :; do
        text=$(<"$journal")
        [[ $text == *"\"step-started\",\"step\":$step,"* ]] && break
        [[ $text == *'"job-ended"'* ]] && return 2
    done
    pkill -KILL -f 'domkeep.*run-job'
    wait $starter
    basename "$(dirname "$journal")"
}
# What the stories of volumes made: volumes and groups that a job's tag tells, and the spare device.
volumes_clean() {
    local v
    # LVM's selection knows no pattern for a list of tags.
    for v in $(lvs --noheadings -o lv_full_name,lv_tags 2>/dev/null | awk '$2 ~ /(^|,)domkeep/ { print $1 }'); do
        lvremove -q -y -f "$v" >/dev/null 2>&1
    done
    for v in $(vgs --noheadings -o vg_name,vg_tags 2>/dev/null | awk '$2 ~ /(^|,)domkeep/ { print $1 }'); do
        vgremove -q -y -f "$v" >/dev/null 2>&1
    done
    [ ! -e /sys/block/loop7/loop ] || { pvremove -q -y /dev/loop7 >/dev/null 2>&1; losetup -d /dev/loop7; }
}
# What the stories of changes made: jobs, mounts, bundles, devices that fail.
changes_clean() {
    local m d
    systemctl stop 'domkeep-job-*' 2>/dev/null
    for m in $(awk '$2 ~ "^(/srv/backup|/srv/small|/srv/xfs|/var/lib/domkeep)" { print $2 }' /proc/mounts); do umount "$m" 2>/dev/null; done
    for d in $(dmsetup ls 2>/dev/null | awk '/^lab-/ { print $1 }'); do dmsetup remove "$d" 2>/dev/null; done
    [ ! -e $IMGS/file0.img.kept ] || mv $IMGS/file0.img.kept $IMGS/file0.img
    rm -f $IMGS/files[2-9].qcow2
    rm -rf /srv/xfs /var/lib/xen/*.save /var/lib/xen/.*.disks /srv/backup /srv/small /srv/restored /srv/new /var/lib/domkeep
}
guests() { xl list | awk 'NR > 1 && $2 != 0 { print $2 }'; }
lab_clean() {
    local v n
    # A save that hangs holds its guest: end it first.
    if [ -s /root/lab/children ]; then kill $(cat /root/lab/children) 2>/dev/null; rm -f /root/lab/children; fi
    umount /root/lab/mnt 2>/dev/null
    guard_clean
    changes_clean
    for n in $(guests); do xl destroy "$n" 2>/dev/null; done
    for n in /etc/libvirt/libxl/*.xml; do [ ! -e "$n" ] || virsh -q -c xen:///system undefine "$(basename "$n" .xml)" >/dev/null 2>&1; done
    # The disks of a destroyed guest are let go a moment later.
    for n in 1 2 3 4 5 6 7 8 9 10; do [ -n "$(guests)" ] || break; sleep 1; done
    for v in $(lvs --noheadings -o vg_name,lv_name -S 'lv_role=snapshot || tags=scratch' --separator / | tr -d ' '); do
        lvremove -q -y -f "$v" >/dev/null 2>&1
    done
    volumes_clean
    rsync -a --delete $GOLDEN/ /etc/xen/
    rm -rf /var/lib/xen/save/* /srv/xen/kept/* /root/kept "$CONSOLES"/guest-*.log /root/lab/mnt
    return 0
}

# The guard, its words as JSON in /root/lab/guard.log.
guard_start() {
    mkdir -p /root/lab
    # The log of an earlier one is gone on with.
    setsid nohup /usr/local/bin/domkeep guard --json >>/root/lab/guard.log 2>&1 </dev/null &
    echo $! >/root/lab/guard.pid
}
guard_stop() {
    local pid n
    pid=$(cat /root/lab/guard.pid) && kill -TERM "$pid" || return 1
    for n in $(seq 100); do kill -0 "$pid" 2>/dev/null || { rm -f /root/lab/guard.pid; return 0; }; sleep .2; done
    echo "the guard did not stop within 20 s" >&2
    return 1
}
guard_kill() { kill -KILL "$(cat /root/lab/guard.pid)"; }
guard_clean() {
    fsfreeze -u / 2>/dev/null
    [ ! -s /root/lab/guard.pid ] || guard_kill 2>/dev/null
    rm -rf /root/lab/guard.pid /root/lab/guard.log /run/domkeep
}
# burn DEVICE BYTES_PER_SECOND BYTES: overwrites a device from its beginning, at that pace and no faster; prints the pace that came of it.
burn() {
    perl -MFcntl -MTime::HiRes=time,sleep -e '
        my ($dev, $rate, $left) = @ARGV;
        sysopen(my $disk, $dev, O_WRONLY | O_SYNC) or die "$dev: $!\n";
        my ($page, $start, $at) = ("\0" x 65536, time, 0);
        while ($at < $left) {
            $at += syswrite($disk, $page) // die "$dev: $!\n";
            my $due = $start + $at / $rate;
            my $now = time;
            sleep($due - $now) if $due > $now;
        }
        printf "%d\n", $at / (time - $start);' "$@"
}

# `xl create`, tried again when one of libxl's own time limits (40 s for a hotplug script, 10 s for the device model) ran out: an
# emulated machine under load can be too slow for them.
create() {
    local try err=/root/lab/create.err
    for try in 1 2 3; do
        xl create "$@" 2>$err && return 0
        grep -qE 'timeout|timed out|rc=-9|did not start: -9' $err || break
        sleep 5
    done
    cat $err >&2
    return 1
}
place() { local name=$1 cfg=${2:-/etc/xen/$1.cfg}; shift; [ $# -eq 0 ] || shift; create -p "$cfg" "$@"; }
start() {
    local name=$1 cfg=${2:-/etc/xen/$1.cfg}; shift; [ $# -eq 0 ] || shift
    rm -f "$CONSOLES/guest-$name.log"
    create "$cfg" "$@" && wait_for "$CONSOLES/guest-$name.log" 'guest up' 180
}
# wait_for FILE TEXT SECONDS
wait_for() {
    local n=0
    until grep -qs "$2" "$1"; do
        [ $n -lt "$3" ] || { echo "no '$2' in $1 after $3 s" >&2; tail -5 "$1" >&2; return 1; }
        sleep 1; n=$((n + 1))
    done
}
# wait_state NAME PATTERN SECONDS: until xl list shows the domain's state so
wait_state() {
    local n=0
    until xl list "$1" 2>/dev/null | awk 'NR > 1 { print $5 }' | grep -q -- "$2"; do
        [ $n -lt "$3" ] || { echo "$1 is not $2 after $3 s" >&2; xl list >&2; return 1; }
        sleep 1; n=$((n + 1))
    done
}
# wait_gone NAME: until the domain is no more. `xl shutdown -w` comes back when the guest is down, a moment before xl clears it away.
wait_gone() {
    local n=0
    while xl domid "$1" >/dev/null 2>&1; do
        [ $n -lt 120 ] || { echo "$1 is still there after 120 s" >&2; xl list >&2; return 1; }
        sleep 1; n=$((n + 1))
    done
}
refused() { ! "$@" 2>&1; }
# without PROGRAM COMMAND...: as on a host where this program is not installed; with `lvm`, all of LVM's. Nobody else sees it so.
without() {
    local missing=$1 dir=/root/lab/sbin
    shift
    rm -rf $dir
    cp -al /usr/sbin $dir && rm "$dir/$missing" || return 1
    [ "$missing" != lvm ] || find $dir -lname '*lvm' -delete
    unshare -m bash -c 'mount --bind "$0" /usr/sbin && exec "$@"' $dir "$@"
}
age() { touch -d "@$(($(stat -c %Y "$2") - $1 * 60))" "$2"; }

# log_guest NAME DISK DISK: the config of a guest that writes one growing, checksummed log to both disks, the first before the second, as
# often as it can, and tells each line on its console. Its user space is the usual one with another /init laid over it: a kernel unpacks one
# archive after the other.
log_guest() {
    local name=$1 one=$2 other=$3 images=/var/lib/xen/images disk
    cat >/root/lab/init <<'I'
#!/bin/busybox sh
bb=/bin/busybox
$bb mount -t proc proc /proc; $bb mount -t sysfs sys /sys; $bb mount -t devtmpfs dev /dev
$bb mkdir -p /sbin /a /b
for t in poweroff reboot halt; do
    printf '#!/bin/busybox sh\n/bin/busybox sync\n/bin/busybox umount -a -r 2>/dev/null\nexec /bin/busybox %s -f\n' $t >/sbin/$t
    $bb chmod 755 /sbin/$t
done
for m in /modules/*.ko; do $bb insmod "$m" 2>/dev/null; done
$bb mount -t ext4 /dev/xvda /a && $bb mount -t ext4 /dev/xvdb /b || echo "no disks"
# After a power cut the first may be one line ahead, as a database's journal is.
[ ! -s /a/log ] || $bb cp /a/log /b/log
i=0; [ ! -s /a/log ] || i=$($bb tail -n 1 /a/log | $bb cut -d' ' -f1)
echo "guest up at $i"
while :; do
    i=$((i + 1)); line="$i $(echo $i | $bb md5sum | $bb cut -c1-32)"
    echo "$line" >>/a/log; $bb sync; echo "$line" >>/b/log; $bb sync
    echo "beat $i"
    $bb sleep 0.1
done
I
    { newc_file init 0100755 /root/lab/init; newc_file 'TRAILER!!!' 0 /dev/null; } | gzip >/root/lab/init.gz
    cat $images/guest-initrd.gz /root/lab/init.gz >$images/log-initrd.gz
    for disk in "$one" "$other"; do mkfs.ext4 -q -F "$disk" || return 1; done
    printf 'name = "%s"\nkernel = "%s/guest-vmlinuz"\nramdisk = "%s/log-initrd.gz"\nmemory = 88\ndisk = [ "%s,raw,xvda,w", "%s,raw,xvdb,w" ]\n' \
        "$name" $images $images "$one" "$other" >"/etc/xen/$name.cfg"
}
# beat_guest NAME DISK [DISK]: the config of a guest that mounts its first disk, writes to it now and then, and tells its console that it
# lives more often than every 100 ms.
beat_guest() {
    local name=$1 images=/var/lib/xen/images disk letter=a disks=
    shift
    cat >/root/lab/init <<'I'
#!/bin/busybox sh
bb=/bin/busybox
$bb mount -t proc proc /proc; $bb mount -t sysfs sys /sys; $bb mount -t devtmpfs dev /dev
$bb mkdir -p /sbin /a
for t in poweroff reboot halt; do
    printf '#!/bin/busybox sh\n/bin/busybox sync\n/bin/busybox umount -a -r 2>/dev/null\nexec /bin/busybox %s -f\n' $t >/sbin/$t
    $bb chmod 755 /sbin/$t
done
for m in /modules/*.ko; do $bb insmod "$m" 2>/dev/null; done
$bb mount -t ext4 /dev/xvda /a || echo "no disk"
$bb mkfifo /tick
exec 3<>/tick
echo "guest up"
i=0
while :; do
    i=$((i + 1))
    echo "beat $i"
    [ $((i % 16)) != 0 ] || echo "$i" >>/a/beats
    read -t 0.05 -u 3 nothing
done
I
    { newc_file init 0100755 /root/lab/init; newc_file 'TRAILER!!!' 0 /dev/null; } | gzip >/root/lab/init.gz
    cat $images/guest-initrd.gz /root/lab/init.gz >$images/beat-initrd.gz
    for disk in "$@"; do disks="$disks\"$disk,raw,xvd$letter,w\", "; letter=b; done
    printf 'name = "%s"\nkernel = "%s/guest-vmlinuz"\nramdisk = "%s/beat-initrd.gz"\nmemory = 88\ndisk = [ %s]\n' $name $images $images "$disks" >"/etc/xen/$name.cfg"
}
# beats_of NAME COMMAND...: runs it, and prints the longest time (milliseconds) that the guest's beat was not heard meanwhile. It is heard here,
# outside of the guest, whose clock stands still when it does.
beats_of() {
    local name=$1 status
    shift
    perl -MTime::HiRes=time,sleep -e '
        my ($log, $done, $last, $most) = ($ARGV[0], 0, 0, 0);
        $SIG{TERM} = sub { $done = 1 };
        open(my $from, "<", $log) or die "$log: $!\n";
        sysseek($from, 0, 2);
        until ($done) {
            my $text;
            if (sysread($from, $text, 65536)) {
                next unless $text =~ /beat/;
                my $now = time;
                $most = $now - $last if $last && $now - $last > $most;
                $last = $now;
            } else {
                sleep 0.005;
            }
        }
        printf "%d\n", 1000 * $most;' "$CONSOLES/guest-$name.log" >/root/lab/beats &
    local listener=$!
    sleep 1
    "$@" >/root/lab/beats.out 2>&1
    status=$?
    # A guest that was started anew is heard when it is up.
    sleep 2
    kill -TERM $listener; wait $listener
    [ $status = 0 ] || { cat /root/lab/beats.out >&2; return $status; }
    cat /root/lab/beats
}
# took: the seconds of each step of the newest job that lasted 10 ms or more, with its program or kind.
took() {
    local job
    job=$(ls -td /var/lib/domkeep/jobs/*/ | head -1)
    jq -r '.steps[].action | if .action == "run" then .cmd.program else .action end' "$job/plan.json" >/root/lab/labels
    perl -e '
        open(my $from, "<", "/root/lab/labels"); chomp(my @labels = <$from>);
        my (%began);
        while (<STDIN>) {
            next unless /"at":"[^T]*T(\d+):(\d+):([\d.]+)Z","event":"step-(started|ended)","step":(\d+),"phase":"do"/;
            my ($at, $what, $step) = ($1 * 3600 + $2 * 60 + $3, $4, $5);
            if ($what eq "started") { $began{$step} = $at; next }
            my $took = $at - $began{$step};
            $took += 86400 if $took < 0;
            printf "%.3f %s\n", $took, $labels[$step] if $took >= 0.01;
        }' <"$job/journal.jsonl"
}
# newc_file NAME MODE FILE: one member of a cpio archive (Linux Documentation/driver-api/early-userspace/buffer-format.rst)
newc_file() {
    local size; size=$(($(cat "$3" | wc -c)))
    printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\0' 0 "$2" 0 0 1 0 $size 0 0 0 0 $((${#1} + 1)) 0 "$1"
    head -c $(((4 - (110 + ${#1} + 1) % 4) % 4)) /dev/zero
    cat "$3"
    head -c $(((4 - size % 4) % 4)) /dev/zero
}
# read_log DISK: clean file system, or one whose journal makes it so; then how many lines its log has, all in order and right, or what is wrong.
# The disk itself stays as it is.
read_log() {
    cp --sparse=always "$1" /root/lab/log.img && e2fsck -fp /root/lab/log.img >/dev/null 2>&1
    e2fsck -fn /root/lab/log.img >/dev/null 2>&1 || { echo "not clean"; return 1; }
    debugfs -R 'cat /log' /root/lab/log.img 2>/dev/null >/root/lab/log.txt
    rm -f /root/lab/log.img
    awk '{ if ($1 != NR) { print "line " NR " is " $0; exit 1 } }' /root/lab/log.txt || return 1
    while read -r i sum; do echo "$i"; done </root/lab/log.txt >/root/lab/log.n
    # The sums, of a few lines: each costs a process.
    for i in 1 $(tail -n 3 /root/lab/log.n); do
        [ "$(sed -n "${i}p" /root/lab/log.txt)" = "$i $(echo "$i" | md5sum | cut -c1-32)" ] || { echo "line $i is wrong"; return 1; }
    done
    wc -l </root/lab/log.txt
}
