#!/bin/bash
# A throw-away libvirt host: real libvirtd + virtlogd + virsh + QEMU (TCG, no KVM).
#
#   lab.sh up   [HOSTDEF]     install what is missing, start the daemons, define
#                             and start the domains (default HOSTDEF: host-a.sh)
#   lab.sh exec NAME CMD...   run CMD as a process of that host (virsh, the TUI...)
#   lab.sh sh   NAME          a shell on that host
#   lab.sh status             what is up
#   lab.sh uri  NAME          a connection URI that works from outside the host
#   lab.sh down [NAME]        stop what `up` started (that process tree only)
#   lab.sh purge [NAME]       down, and remove the host's files
#   lab.sh fresh [HOSTDEF]    purge that host and bring it up as first defined
#
# Everything lives under ${DOMKEEP_LAB:-$HOME/.cache/domkeep-lab}/libvirt. The host runs
# in its own mount, PID and UTS namespaces in which /etc/libvirt,
# /var/lib/libvirt, /var/log/libvirt, /var/cache/libvirt and /run/libvirt are
# bind mounts of folders under that directory, so paths look as on a stock
# machine, a libvirt already on the machine is not touched, and several hosts
# can be up side by side. Needs root (CAP_SYS_ADMIN), no systemd, no cgroups,
# no AppArmor, no D-Bus, no network.
set -euo pipefail

LAB=${DOMKEEP_LAB:-$HOME/.cache/domkeep-lab}/libvirt
SELF=$(readlink -f "${BASH_SOURCE[0]}")
HERE=$(dirname "$SELF")
BINDS="etc/libvirt var/lib/libvirt var/log/libvirt var/cache/libvirt run/libvirt"

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# ---------------------------------------------------------------- packages
# The daemon and the QEMU driver only: libvirt-daemon-system would add
# systemd units, polkit rules, iptables and a bridge network the lab has no use
# for. The one thing missing without it, the libvirt-qemu user, is added inside
# the namespace (setup_mounts).
need_packages() {
  local want=() p
  has() { command -v "$1" >/dev/null 2>&1; }
  has libvirtd && has virtlogd || want+=(libvirt-daemon libvirt-daemon-driver-qemu)
  has virsh                    || want+=(libvirt-clients)
  has qemu-system-x86_64       || want+=(qemu-system-x86)
  has qemu-img && has qemu-io  || want+=(qemu-utils)
  has nbdinfo && has nbdcopy   || want+=(libnbd-bin)
  has busybox                  || want+=(busybox-static)
  has cpio                     || want+=(cpio)
  has mkfs.ext4                || want+=(e2fsprogs)
  has unshare && has nsenter   || want+=(util-linux)
  for p in ${HOST_PACKAGES:-}; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || want+=("$p")
  done
  [ ${#want[@]} -eq 0 ] && return 0
  say "installing: ${want[*]}"
  local o=(-o DPkg::Lock::Timeout=300 -y -qq --no-install-recommends)
  export DEBIAN_FRONTEND=noninteractive
  apt-get "${o[@]}" install "${want[@]}" >>"$LAB/apt.log" 2>&1 ||
    { apt-get -qq update >>"$LAB/apt.log" 2>&1 &&
      apt-get "${o[@]}" install "${want[@]}" >>"$LAB/apt.log" 2>&1; } ||
    die "package installation failed, see $LAB/apt.log"
}

# ------------------------------------------------------------------- guest
# Debian's cloud kernel (ext4 built in) and a busybox initramfs with the virtio
# modules and qemu-guest-agent: a guest with a real filesystem, a real agent and
# something that dirties its disk.
GUEST_MODULES="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk
  virtio_console pvpanic pvpanic-mmio"
build_guest() {
  local g=$LAB/guest w k
  [ -s "$g/vmlinuz" ] && [ -s "$g/initramfs.gz" ] && [ ! "$SELF" -nt "$g/initramfs.gz" ] && return 0
  say "building the guest kernel and initramfs"
  mkdir -p "$g"; w=$(mktemp -d "$LAB/build.XXXXXX"); chmod 755 "$w"
  k=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/{print $2; exit}')
  [ -n "$k" ] || { apt-get -qq update >>"$LAB/apt.log" 2>&1
    k=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/{print $2; exit}'); }
  ( cd "$w" && apt-get -o APT::Sandbox::User=root -qq download "$k" qemu-guest-agent ) >>"$LAB/apt.log" 2>&1 ||
    die "cannot download $k and qemu-guest-agent, see $LAB/apt.log"
  dpkg -x "$w"/linux-image-*.deb "$w/k"; dpkg -x "$w"/qemu-guest-agent_*.deb "$w/ga"
  local r=$w/initramfs m f
  mkdir -p "$r"/{bin,sbin,lib,lib64,proc,sys,dev,data,run,var/run,var/log,etc,tmp}
  cp "$(command -v busybox)" "$r/bin/busybox"
  for m in $GUEST_MODULES; do
    find "$w/k/lib/modules" -name "$m.ko" -exec cp {} "$r/lib/" \;
  done
  echo $GUEST_MODULES >"$r/lib/modules.order"
  cp "$w/ga/usr/sbin/qemu-ga" "$r/sbin/"
  for f in $(ldd "$w/ga/usr/sbin/qemu-ga" | grep -o '/[^ ]*'); do
    mkdir -p "$r$(dirname "$f")"; cp -L "$f" "$r$f"
  done
  # What the agent runs when the guest is asked to shut down.
  printf '#!/bin/busybox sh\nsync; umount /data 2>/dev/null || mount -o remount,ro /data; poweroff -f\n' >"$r/sbin/shutdown"
  chmod 755 "$r/sbin/shutdown"
  cat >"$r/init" <<'INIT'
#!/bin/busybox sh
# lab.write: keep dirtying the disk; lab.crash: panic (reported by pvpanic)
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in $(cat /lib/modules.order); do insmod /lib/$m.ko; done
mkdir -p /dev/virtio-ports
for p in /sys/class/virtio-ports/*; do
  [ -f "$p/name" ] && ln -sf "/dev/${p##*/}" "/dev/virtio-ports/$(cat "$p/name")"
done
hostname guest
if mount -t ext4 /dev/vda /data 2>/dev/null; then
  grep -q lab.write /proc/cmdline && (
    n=0; while :; do n=$((n+1)); echo "$n $(cut -d' ' -f1 /proc/uptime)" >>/data/heartbeat; sync; sleep 2; done ) &
fi
[ -e /dev/virtio-ports/org.qemu.guest_agent.0 ] &&
  qemu-ga -m virtio-serial -p /dev/virtio-ports/org.qemu.guest_agent.0 -d -t /run -f /run/qga.pid
echo "lab guest is up"
grep -q lab.crash /proc/cmdline && { sleep 1; echo c >/proc/sysrq-trigger; }
while :; do sleep 3600; done
INIT
  chmod 755 "$r/init"
  ( cd "$r" && find . | cpio -o -H newc --quiet -R 0:0 | gzip -9 ) >"$g/initramfs.gz"
  cp "$w"/k/boot/vmlinuz-* "$g/vmlinuz"
  rm -rf "$w"
}

# --------------------------------------------- inside the namespaces (PID 1)
setup_mounts() {
  local d=$1 b
  rm -rf "$d/root/run/libvirt"        # as after a reboot: no stale state of dead guests
  for b in $BINDS; do mkdir -p "$d/root/$b"; mount --bind "$d/root/$b" "/$b"; done
  # QEMU's driver refuses to start when its compiled-in user does not exist.
  cp /etc/passwd "$d/passwd"; cp /etc/group "$d/group"
  grep -q '^libvirt-qemu:' "$d/passwd" ||
    echo 'libvirt-qemu:x:64055:64055:Libvirt Qemu:/var/lib/libvirt:/usr/sbin/nologin' >>"$d/passwd"
  grep -q '^libvirt-qemu:' "$d/group" || echo 'libvirt-qemu:x:64055:' >>"$d/group"
  mount --bind "$d/passwd" /etc/passwd
  mount --bind "$d/group" /etc/group
}

write_config() {
  cat >/etc/libvirt/qemu.conf <<X
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = [ ]
namespaces = [ ]
swtpm_user = "root"
swtpm_group = "root"
${HOST_QEMU_CONF:-}
X
  cat >/etc/libvirt/libvirtd.conf <<X
unix_sock_group = "root"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "${HOST_UUID:-5f1d3c0e-7a41-4b8e-9a55-2d1c0b9e8f10}"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
X
  : >/etc/libvirt/virtlogd.conf
  printf 'uri_default = "qemu:///system"\n' >/etc/libvirt/libvirt.conf
}

start_daemons() {
  rm -f /run/libvirt/*.pid
  # a clean environment: QEMU inherits it, and libvirt logs it
  local c="env -i LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
  $c virtlogd -d --config /etc/libvirt/virtlogd.conf --pid-file /run/libvirt/virtlogd.pid
  $c libvirtd -d --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirt/libvirtd.pid
  local i
  for i in $(seq 100); do
    virsh -q -c qemu:///system version >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  tail -n 5 /var/log/libvirt/libvirtd.log >&2; return 1
}

stop_all() {
  local f
  # libvirtd first, so that it does not see its guests die one by one.
  for f in /run/libvirt/libvirtd.pid /run/libvirt/virtlogd.pid /run/libvirt/qemu/*.pid; do
    [ -s "$f" ] && kill "$(cat "$f")" 2>/dev/null || :
  done
  declare -F host_stop >/dev/null && host_stop || :
  sleep 0.5
}

lab_init() { # DIR HOSTDEF: runs as PID 1 of the host
  local d=$1
  . "$2"
  trap 'stop_all; exit 0' TERM INT
  setup_mounts "$d"
  hostname "$HOST_NAME"
  local first=; [ -e /etc/libvirt/qemu.conf ] || first=1
  write_config
  mkdir -p /var/lib/libvirt/images /var/lib/libvirt/boot
  cp -u "$LAB/guest/vmlinuz" "$LAB/guest/initramfs.gz" /var/lib/libvirt/boot/
  declare -F host_before >/dev/null && host_before
  start_daemons || { echo failed >"$d/state"; exit 1; }
  echo ready >"$d/state"
  # bash, not sleep, as PID 1: it reaps the daemons' orphans, and libvirt takes
  # a zombie for a live process.
  while :; do sleep 3600 & wait $! || :; done
}

# ------------------------------------------------------- helpers for HOSTDEFs
IMG=/var/lib/libvirt/images
# qcow2 NAME SIZE [BACKING]
qcow2() { if [ -n "${3:-}" ]; then qemu-img create -q -f qcow2 -F qcow2 -b "$3" "$1" "${2:-}"
          else qemu-img create -q -f qcow2 "$1" "$2"; fi; }
# fill FILE FORMAT PATTERN OFFSET LEN: real data in a disk image
fill() { qemu-io -f "$2" -c "write -q -P $3 $4 $5" "$1" >/dev/null; }
# ext4 FILE SIZE: a qcow2 with an ext4 filesystem on the whole disk
ext4() { local t; t=$(mktemp "${1%/*}/.mk.XXXXXX"); truncate -s "$2" "$t"; mkfs.ext4 -q -F "$t"
         qemu-img convert -q -f raw -O qcow2 "$t" "$1"; rm -f "$t"; }
# dom NAME UUID MACHINE MEMORY_MIB < the <devices> content
dom() {
  cat <<X
<domain type='qemu'>
  <name>$1</name>
  <uuid>$2</uuid>
${DOM_EXTRA:-}
  <memory unit='MiB'>$4</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='$3'>hvm</type>
${DOM_OS:-    <boot dev='hd'/>}
  </os>
  <features><acpi/></features>
${DOM_LIFECYCLE:-}
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
$(cat)
    <serial type='pty'/>
    <console type='pty'/>
    <memballoon model='none'/>
  </devices>
</domain>
X
}
disk() { # FILE FORMAT TARGET [BUS] [EXTRA]
  echo "    <disk type='file' device='disk'><driver name='qemu' type='$2'/><source file='$1'/><target dev='$3' bus='${4:-virtio}'/>${5:-}</disk>"
}
cdrom() { # TARGET BUS [FILE]
  echo "    <disk type='file' device='cdrom'><driver name='qemu' type='raw'/>${3:+<source file='$3'/>}<target dev='$1' bus='$2'/><readonly/></disk>"
}
agent() { echo "    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"; }

V() { virsh -q -c qemu:///system "$@" >/dev/null; }
define() { local t; t=$(mktemp); cat >"$t"; V define "$t"; rm -f "$t"; }
create() { local t; t=$(mktemp); cat >"$t"; V create "$t" "$@"; rm -f "$t"; }
# wait_agent DOMAIN: until the guest's agent answers (5 to 20 s under TCG)
wait_agent() { local i; for i in $(seq 120); do
  virsh -q -c qemu:///system qemu-agent-command "$1" '{"execute":"guest-ping"}' >/dev/null 2>&1 && return 0
  sleep 1; done; say "no agent in $1"; return 1; }
wait_state() { local i; for i in $(seq 120); do
  [ "$(virsh -q -c qemu:///system domstate "$1")" = "$2" ] && return 0; sleep 0.5; done
  say "$1 did not become $2"; return 1; }

# ---------------------------------------------------------------- commands
host_dir() { printf '%s/%s\n' "$LAB" "$1"; }
alive() { # NAME -> the outer pid of the host's PID 1
  local d p; d=$(host_dir "$1")
  [ -s "$d/pid" ] || return 1
  p=$(cat "$d/pid")
  [ -r "/proc/$p/cmdline" ] || return 1
  tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null | grep -qF "$SELF __init $d" || return 1
  ps -o pid= --ppid "$p" | tr -d ' ' | head -n 1 | grep .
}
only_host() { local n; n=$(cd "$LAB" 2>/dev/null && ls -d */pid 2>/dev/null | cut -d/ -f1)
  [ "$(printf '%s\n' $n | wc -w)" = 1 ] && echo "$n" || die "which host? $(echo $n)"; }

cmd_exec() { local p; p=$(alive "$1") || die "$1 is not up"; shift
  exec nsenter -t "$p" -m -u -p --wdns="$PWD" -- "$@"; }

cmd_up() {
  local def; def=$(readlink -f "${1:-$HERE/host-a.sh}")
  [ -r "$def" ] || die "no such host definition: $1"
  [ "$(id -u)" = 0 ] || die "needs root"
  mkdir -p "$LAB"
  . "$def"
  local d p i b; d=$(host_dir "$HOST_NAME")
  if alive "$HOST_NAME" >/dev/null; then say "$HOST_NAME is already up"; return 0; fi
  need_packages
  build_guest
  mkdir -p "$d"; rm -f "$d/state"
  for b in $BINDS; do mkdir -p "/$b"; done
  DOMKEEP_LAB=${LAB%/libvirt} setsid unshare -m -u -p --fork --mount-proc --propagation private \
    --kill-child=SIGTERM bash "$SELF" __init "$d" "$def" >"$d/init.log" 2>&1 </dev/null &
  echo $! >"$d/pid"
  for i in $(seq 300); do
    [ -s "$d/state" ] && break
    kill -0 "$(cat "$d/pid")" 2>/dev/null || break
    sleep 0.1
  done
  grep -qx ready "$d/state" 2>/dev/null || { cat "$d/init.log" >&2; die "the host did not come up"; }
  p=$(alive "$HOST_NAME") || die "the host is gone"
  # The domains survive down/up: defined ones are on disk.
  if [ ! -e "$d/defined" ]; then
    nsenter -t "$p" -m -u -p -- env DOMKEEP_LAB="${LAB%/libvirt}" bash "$SELF" __define "$def" ||
      die "the domains could not all be defined; start over with: $SELF purge $HOST_NAME"
    touch "$d/defined"
  fi
  say "$HOST_NAME is up: $SELF exec $HOST_NAME virsh list --all"
}

cmd_down() {
  local n=${1:-} d u p i; [ -n "$n" ] || n=$(only_host)
  d=$(host_dir "$n"); [ -s "$d/pid" ] || { say "$n is not up"; return 0; }
  u=$(cat "$d/pid")
  if p=$(alive "$n"); then
    kill -TERM "$p"
    for i in $(seq 50); do kill -0 "$u" 2>/dev/null || break; sleep 0.1; done
    kill -0 "$u" 2>/dev/null && kill -KILL "$p" 2>/dev/null || :
  fi
  rm -f "$d/pid" "$d/state"
  say "$n is down"
}

case ${1:-} in
  up)       shift; cmd_up "$@" ;;
  down)     shift; cmd_down "$@" ;;
  purge)    shift; n=${1:-$(only_host)}; cmd_down "$n"; rm -rf -- "${LAB:?}/${n:?}" ;;
  fresh)    shift; f=$(readlink -f "${1:-$HERE/host-a.sh}"); n=$(. "$f"; echo "$HOST_NAME")
            cmd_down "$n"; rm -rf -- "${LAB:?}/${n:?}"; cmd_up "$f" ;;
  exec)     shift; cmd_exec "$@" ;;
  sh)       cmd_exec "$2" bash ;;
  uri)      echo "qemu+unix:///system?socket=$(host_dir "$2")/root/run/libvirt/libvirt-sock" ;;
  status)   for f in "$LAB"/*/pid; do [ -e "$f" ] || continue; n=$(basename "$(dirname "$f")")
              alive "$n" >/dev/null && echo "$n up" || echo "$n down"; done ;;
  __init)   lab_init "$2" "$3" ;;
  __define) . "$2"; host_define ;;
  *)        sed -n '2,12p' "$SELF"; exit 2 ;;
esac
