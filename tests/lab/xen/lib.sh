# Settings that the lab's scripts share (sourced, not run).
#
# Everything the lab makes lies below one folder, $LAB; nothing is written anywhere else, and nothing listens on another address
# than 127.0.0.1.
#
# Knobs (environment):
#   DOMKEEP_LAB            folder for images and run-time files      (~/.cache/domkeep-lab)
#   DOMKEEP_LAB_SUITE      Debian release of the dom0                (bookworm)
#   DOMKEEP_LAB_MIRROR     Debian mirror, or apt source lines; empty = mmdebstrap's own default
#   DOMKEEP_LAB_MEM        memory of the whole emulated machine, MiB (6144)
#   DOMKEEP_LAB_DOM0_MEM   memory of the dom0, MiB                   (1536)
#   DOMKEEP_LAB_CPUS       processors of the emulated machine        (2)
#   DOMKEEP_LAB_CPU        QEMU's CPU model, see below
#   DOMKEEP_LAB_PORT       first loopback port to try for ssh        (20022)
#   DOMKEEP_LAB_LIBVIRT    1 = put libvirt's Xen driver into the dom0 (1)
#   DOMKEEP_LAB_ROOT_GB, DOMKEEP_LAB_DATA_GB   sizes of the two sparse disks (6, 16)
#   DOMKEEP_LAB_BOOT_LIMIT seconds until a boot is given up          (420)

LAB=${DOMKEEP_LAB:-$HOME/.cache/domkeep-lab}
SUITE=${DOMKEEP_LAB_SUITE:-bookworm}
MIRROR=${DOMKEEP_LAB_MIRROR:-}
MEM=${DOMKEEP_LAB_MEM:-6144}
DOM0_MEM=${DOMKEEP_LAB_DOM0_MEM:-1536}
CPUS=${DOMKEEP_LAB_CPUS:-2}
# QEMU 7.2's emulator needs some things left out of its "max" CPU for Xen:
#   smap    the PV dom0's first iret faults: Xen says "Domain 0 crashed ... #PF[0001]" and stops;
#   xsave   (and so avx) programs in any domain fail at random ("segfault", "malloc(): corrupted top size") as soon as a guest
#           shares a processor with the dom0;
#   rdtscp  PVH guests do not boot: Xen cannot emulate that one instruction here.
CPU=${DOMKEEP_LAB_CPU:-max,-smap,-fsgsbase,-xsave,-avx,-avx2,-rdtscp}
PORT=${DOMKEEP_LAB_PORT:-20022}
LIBVIRT=${DOMKEEP_LAB_LIBVIRT:-1}
ROOT_GB=${DOMKEEP_LAB_ROOT_GB:-6}
DATA_GB=${DOMKEEP_LAB_DATA_GB:-16}
BOOT_LIMIT=${DOMKEEP_LAB_BOOT_LIMIT:-420}

ROOTFS=$LAB/rootfs          # the unpacked dom0
IMG=$LAB/images             # what `build` makes: read-only afterwards
RUN=$LAB/run                # what `boot` makes: overlays, pid file, logs
KEY=$LAB/id_ed25519

SSH_OPTS=(-i "$KEY" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
          -o LogLevel=ERROR -o BatchMode=yes -o ConnectTimeout=30)
# One connection for all calls: a key exchange takes 2 s in there.
SSH_SHARED=(-o ControlMaster=auto -o ControlPersist=120 -o "ControlPath=$RUN/ssh.sock")

say()  { printf '[lab %4ds] %s\n' "$SECONDS" "$*" >&2; }
die()  { printf '[lab] error: %s\n' "$*" >&2; exit 1; }

# Sockets lie in $RUN, and the path of one may have about 100 characters.
[ ${#LAB} -le 70 ] || die "DOMKEEP_LAB is too long a path: $LAB"

# The pid of the lab's QEMU if it is alive, else nothing (and status 1).
lab_pid() {
    local pid
    pid=$(cat "$RUN/qemu.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ -d "/proc/$pid" ] || return 1
    # A pid may have been used again by another program: look before trusting.
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q 'qemu-system' || return 1
    echo "$pid"
}

# The lab's own hand: no login session, so no login manager ends what it started.
lab_ssh() { ssh "${SSH_OPTS[@]}" "${SSH_SHARED[@]}" -p "$(cat "$RUN/port")" root@127.0.0.1 "$@"; }
# As a person logs in: a session of systemd-logind with KillUserProcesses=yes.
person_ssh() { ssh "${SSH_OPTS[@]}" -p "$(cat "$RUN/person-port")" root@127.0.0.1 "$@"; }
