#!/bin/sh
# The first process of a machine. It leaves the archive that the kernel has
# unpacked for a file system that containers can be made from, runs /vm/main,
# says how that ended, and turns the machine off.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH HOME=/root
if [ "${1:-}" != again ]; then
  mkdir -p /root.vm
  mount -t tmpfs -o mode=755 root /root.vm
  cp -ax $(ls -A / | grep -v -e '^root\.vm$' -e '^proc$' -e '^sys$' -e '^dev$' | sed 's,^,/,') /root.vm/
  mkdir -p /root.vm/proc /root.vm/sys /root.vm/dev
  exec switch_root /root.vm /init again
fi
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/null >/dev/console 2>&1
mkdir -p /dev/pts /dev/shm /run /tmp
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo 1 >/proc/sys/net/ipv4/ip_forward
ip link set lo up
/vm/main
echo "vm: /vm/main ended with exit code $?"
sync
echo o >/proc/sysrq-trigger
sleep 60
