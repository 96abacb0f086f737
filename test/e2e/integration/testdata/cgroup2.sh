#!/bin/bash
# Runs the sidecar of kind-integration-test in a machine with cgroup v2, as a
# privileged container of a pod with limits, and tells what it finds in lines
# "fact NAME VALUE".
set -u
fact() { echo "fact $*"; }
say() { echo "$(cut -d' ' -f1 /proc/uptime) $*"; }
for module in overlay bridge br_netfilter veth nf_tables nft_compat nft_chain_nat xt_conntrack xt_MASQUERADE xt_addrtype; do
  modprobe "$module" || say "no module $module"
done
fact file-system "$(stat -f -c %T /sys/fs/cgroup)"

# What the kubelet does: the node's groups hand out all controllers.
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control; done
dockerd --exec-opt native.cgroupdriver=cgroupfs >/node.log 2>&1 &
until docker version >/dev/null 2>&1; do sleep 0.5; done
say "the node's engine is ready"
# The sidecar's image is this machine; /usr is mounted.
tar -C / -c bin sbin lib lib64 etc | docker import - sidecar >/dev/null
pod=/sys/fs/cgroup/kubepods/pod
mkdir -p /pod
inner() { docker -H unix:///pod/dind/docker.sock "$@"; }

# run starts the sidecar: group is its own group then.
run() {
  rm -rf /pod/dind /pod/storage
  mkdir -p /pod/dind /pod/storage
  id=$(docker run -d --privileged --cgroupns=host --cgroup-parent=/kubepods/pod --memory="$1" -e DOCKER_HOST=unix:///dind/docker.sock \
    -e REGISTRY_MIRROR= -e INSECURE_REGISTRIES= -v /usr:/usr:ro -v /vm:/vm:ro -v /lib/modules:/lib/modules:ro \
    -v /pod/storage:/var/lib/docker -v /pod/dind:/dind sidecar sh /vm/sidecar.sh)
  group=$pod/$id
}
# groups are those of the pod that are left, below its own.
groups() { find "$pod" -mindepth 1 -type d | wc -l; }
# oom is how often the kernel killed a process for the sidecar's limit.
oom() { sed -n 's/^oom_kill //p' "$group/memory.events"; }

run 600m
DOCKER_HOST=unix:///pod/dind/docker.sock /vm/docker-wait --results-dir /pod || { docker logs "$id"; tail -n 20 /pod/dind/dockerd.log; }
fact engine-cgroup-version "$(cat /pod/cgroup-version)"
fact sidecar-says "$(docker logs "$id" 2>&1 | head -n 1)"
fact processes-beside-groups "$(wc -l <"$group/cgroup.procs")"
inner load -q -i /vm/busybox.tar
container=$(inner run -d busybox:e2e sleep 1000)
fact container-group "$(find /sys/fs/cgroup -type d -name "*$container*" | sed "s,$id,SIDECAR,; s,$container,CONTAINER,")"
for controller in cpu memory pids; do
  grep -q -w "$controller" "$group/docker/$container/cgroup.controllers" && fact "controller-$controller" there
done
before=$(oom)
inner run --name eater busybox:e2e tail -c 900000000 /dev/zero >/dev/null
fact eater-exit-code "$(inner inspect -f '{{.State.ExitCode}}' eater)"
fact killed-for-the-limit "$(($(oom) - before))"
fact sidecar-after-it "$(docker inspect -f '{{.State.Status}}' "$id")"

say "the last step asks for the end"
echo >/pod/dind/stop
fact asked-to-end "$(docker wait "$id")"
fact groups-after-end "$(groups)"
docker rm "$id" >/dev/null

run 600m
until inner version >/dev/null 2>&1; do sleep 0.5; done
inner load -q -i /vm/busybox.tar
inner run -d busybox:e2e sleep 1000
docker kill "$id" >/dev/null
fact killed "$(docker wait "$id")"
fact groups-after-kill "$(groups)"
