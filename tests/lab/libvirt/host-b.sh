# Host definition read by lab.sh: few and small domains, to be changed (tests/lab/libvirt/change).
# Runs on the host itself (inside its namespaces), so its paths are the host's.
HOST_NAME=kvm-b
HOST_UUID=8b0e6f1a-93c2-4d5e-b7f4-0a1c2d3e4f50

# Its jobs lie with it.
host_before() {
  mkdir -p /var/lib/domkeep
  mount -t tmpfs -o mode=700 domkeep /var/lib/domkeep
}

host_define() {
  ext4 $IMG/web01.qcow2 256M
  # An overlay on a template, a raw disk, UEFI variables (the firmware is no real one: it spins, as a guest without a system does).
  qcow2 $IMG/base.qcow2 64M;                 fill $IMG/base.qcow2 qcow2 0x44 0 4M
  qcow2 $IMG/box01.qcow2 64M $IMG/base.qcow2; fill $IMG/box01.qcow2 qcow2 0x46 8M 2M
  qemu-img create -q -f raw $IMG/box01-data.img 32M; fill $IMG/box01-data.img raw 0x33 1M 3M
  mkdir -p /var/lib/libvirt/qemu/nvram
  head -c 131072 /dev/zero | tr '\0' '\220' >/var/lib/libvirt/boot/firmware.fd
  head -c 131072 /dev/urandom >/var/lib/libvirt/qemu/nvram/box01_VARS.fd

  # A Linux guest with a file system, an agent and a writer.
  DOM_OS="    <kernel>/var/lib/libvirt/boot/vmlinuz</kernel>
    <initrd>/var/lib/libvirt/boot/initramfs.gz</initrd>
    <cmdline>console=ttyS0 quiet lab.write</cmdline>" \
  dom web01 0b8f6c2e-11d4-4c6e-8a7f-3d4b5a6c7d01 q35 160 <<X | define
$(disk $IMG/web01.qcow2 qcow2 vda virtio '<serial>WEB01-ROOT</serial>')
$(cdrom sda sata)
$(agent)
    <interface type='user'><mac address='52:54:00:0a:00:01'/><model type='virtio'/></interface>
    <graphics type='vnc' port='-1' passwd='secret-1'/>
X
  DOM_OS="    <loader readonly='yes' type='pflash'>/var/lib/libvirt/boot/firmware.fd</loader>
    <nvram>/var/lib/libvirt/qemu/nvram/box01_VARS.fd</nvram>" \
  dom box01 2da08e40-33f6-4e80-ac91-5f6d7c8e9f03 q35 64 <<X | define
$(disk $IMG/box01.qcow2 qcow2 vda)
$(disk $IMG/box01-data.img raw vdb)
    <interface type='user'><mac address='52:54:00:0a:00:02'/><model type='virtio'/></interface>
X

  # A larger image, whose bytes are changed from outside the guest, and a raw disk beside it.
  qcow2 $IMG/big01.qcow2 1G; fill $IMG/big01.qcow2 qcow2 0x21 0 24M; fill $IMG/big01.qcow2 qcow2 0x22 600M 16M
  qemu-img create -q -f raw $IMG/big01-data.img 16M; fill $IMG/big01-data.img raw 0x23 1M 2M
  dom big01 3eb19f51-4407-4f91-bda2-607e8d9fa004 q35 64 <<X | define
$(disk $IMG/big01.qcow2 qcow2 vda)
$(disk $IMG/big01-data.img raw vdb)
X
}
