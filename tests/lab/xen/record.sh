# Runs inside the dom0 when a scenario failed: what the host itself says at that moment, as files in the folder $1.
out=$1
rm -rf "$out"; mkdir -p "$out"; cd "$out" || exit 1
ask() { local name=$1; shift; timeout 60 "$@" >"$name" 2>"$name.stderr" </dev/null; echo "$? $*" >>commands; [ -s "$name.stderr" ] || rm -f "$name.stderr"; }
ask xl-list.txt xl list -v
ask xl-list-l.json xl list -l
ask xenstore.txt xenstore-ls -f
ask lvs.json lvs --reportformat json --units b -a -o +all
ask dmsetup-status.txt dmsetup status
ask losetup.json losetup --json -l
ask lsblk.json lsblk --json -b -O
ask mounts.txt cat /proc/mounts
ask files.txt ls -laR /etc/xen /var/lib/xen /srv/xen /var/log/xen
ask dmesg.txt dmesg
ask ps.txt ps axo pid,ppid,args
ask journal.txt journalctl -b --no-pager -n 300
mkdir -p etc-xen logs; cp -rL /etc/xen/*.cfg etc-xen/ 2>/dev/null; cp /var/log/xen/*.log /var/log/xen/console/* logs/ 2>/dev/null
exit 0
