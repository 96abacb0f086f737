#!/bin/sh
# Prepares what a Docker engine needs inside a privileged container, then
# becomes the engine. It takes the engine's arguments, with or without its name
# before them, as Docker's own image does.
set -eu
if [ "${1:-}" != dockerd ]; then
  set -- dockerd "$@"
fi
rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid

# A kernel without nf_tables has the older packet filter.
if ! iptables --wait --numeric --list >/dev/null 2>&1; then
  update-alternatives --set iptables /usr/sbin/iptables-legacy
  update-alternatives --set ip6tables /usr/sbin/ip6tables-legacy
fi

if [ ! -f /sys/fs/cgroup/cgroup.controllers ]; then
  exec "$@"
fi

# cgroup v2: a privileged pod sees the machine's hierarchy. In a namespace of
# its own the engine's containers count towards this pod. A group that hands
# out controllers must hold no process, so those here move down into one.
exec unshare --cgroup sh -euc '
  umount /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  cd /sys/fs/cgroup
  mkdir -p init
  tries=0
  until
    while read -r pid; do echo "$pid" >init/cgroup.procs 2>/dev/null || :; done <cgroup.procs
    sed -e "s/ / +/g" -e "s/^/+/" cgroup.controllers >cgroup.subtree_control
  do
    tries=$((tries + 1))
    if [ "$tries" -ge 100 ]; then
      echo "cannot hand out cgroup controllers to containers" >&2
      exit 1
    fi
  done
  cd /
  exec "$@"
' sh "$@"
