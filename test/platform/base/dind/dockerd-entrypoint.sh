#!/bin/sh
# Prepares what a Docker engine needs inside a privileged container, apart from
# cgroups, then becomes the engine. It takes the engine's arguments, with or
# without its name before them, as Docker's own image does.
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

exec "$@"
