package kind

import (
	"errors"
	"strings"
	"testing"

	kindexec "sigs.k8s.io/kind/pkg/exec"

	"github.com/model-delivery/model-delivery/steps/step"
)

const bootError = `could not find a log line that matches "Reached target .*Multi-User System.*|detected cgroup v1"`

// Each failure that is known is told apart by what it leaves. The texts are
// those of kind, kubeadm, the kubelet, containerd and dockerd.
func TestDiagnose(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		evidence  evidence
		want      string // cause
		line      string // in the message
		transient bool
		code      int
	}{
		{"slow boot", evidence{err: bootError, serial: "Starting systemd-journald.service", nodes: []nodeState{{running: true}}},
			"node-boot-slow", "30 seconds", true, step.ExitInfra},
		{"boot without inotify", evidence{err: bootError, serial: "Failed to create control group inotify object: Too many open files\nFailed to allocate manager object: Too many open files", facts: []string{"inotify max_user_instances: 128"}},
			"inotify-boot", "max_user_instances: 128", false, step.ExitInfra},
		{"boot without delegation", evidence{err: bootError, serial: "ERROR: this script needs /sys/fs/cgroup/cgroup.procs to be empty (for writing the top-level cgroup.subtree_control)"},
			"cgroup-delegation", "cgroup.procs", false, step.ExitInfra},
		{"node that exits", evidence{err: bootError, nodes: []nodeState{{name: "x-control-plane", exitCode: 255}}},
			"node-exited", "by itself", false, step.ExitInfra},
		{"node without its init", evidence{err: bootError, serial: "Couldn't find an alternative telinit implementation to spawn."},
			"telinit", "process 1", false, step.ExitInfra},
		{"no more watches", evidence{err: "the cluster did not become ready: DNS answers", kubelet: "E1 watcher.go:93] inotify_add_watch /sys/fs/cgroup/x: no space left on device"},
			"inotify", "no space left", false, step.ExitInfra},
		{"a group that went while it was looked at", evidence{err: "the cluster did not become ready: DNS answers: no CoreDNS pod is ready", missing: []string{"DNS answers: x"},
			kubelet: `W1 watcher.go:93] Error while processing event ("/sys/fs/cgroup/x": 0x40000100 == IN_CREATE|IN_ISDIR): inotify_add_watch /sys/fs/cgroup/x: no such file or directory` + "\nBack-off: ImagePullBackOff"},
			"image-pull", "ImagePullBackOff", false, step.ExitInfra},
		{"kube-proxy without inotify", evidence{err: "the cluster did not become ready: DNS answers: no CoreDNS pod is ready", pods: `F1124 server.go:1] "command failed" err="failed complete: too many open files"`},
			"inotify", "too many open files", false, step.ExitInfra},
		{"kubelet without file system facts", evidence{err: "failed to init node with kubeadm: x", kubeadm: "[kubelet-check] The kubelet is not healthy after 4m0s", kubelet: `E1124 "Failed to start ContainerManager" err="failed to get rootfs info: failed to get mount point for device"`},
			"kubelet-rootfs", "rootfs info", false, step.ExitInfra},
		{"kubelet that dies", evidence{err: "failed to init node with kubeadm: x", kubeadm: `[kubelet-check] It seems like the kubelet isn't running or healthy. Get "http://localhost:10248/healthz"`, kubelet: `E1124 12:00:00 run.go:72] "command failed" err="something new"`},
			"kubelet-dead", "something new", false, step.ExitInfra},
		{"kubelet that refuses cgroup v1", evidence{err: "failed to init node with kubeadm: x", kubelet: `E1124 run.go:72] "command failed" err="kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is unsupported"`},
			"cgroup-v1-refused", "cgroup v1", false, step.ExitInfra},
		{"kubelet that warns of cgroup v1", evidence{err: "the cluster did not become ready: DNS answers: no CoreDNS pod is ready", missing: []string{"DNS answers: x"},
			kubelet: `E1124 event.go:368] "Unable to write event (may retry after sleeping)" err="connection refused" event="&Event{Message:cgroup v1 support is in maintenance mode, please migrate to cgroup v2,Source:EventSource{Host:e2e-failures-control-plane,}}"` + "\nBack-off: ImagePullBackOff"},
			"image-pull", "ImagePullBackOff", false, step.ExitInfra},
		{"configuration that kubeadm refuses", evidence{err: "failed to init node with kubeadm: x", kubeadm: `error: error unmarshaling configuration schema.GroupVersionKind{Group:"kubeadm.k8s.io"}: json: cannot unmarshal string into Go struct field`},
			"config-rejected", "unmarshal", false, step.ExitInvalid},
		{"configuration that the kubelet refuses", evidence{err: "failed to init node with kubeadm: x", kubelet: `E1124 "command failed" err="failed to validate kubelet configuration, error: invalid configuration: nope"`},
			"kubelet-config", "nope", false, step.ExitInvalid},
		{"out of memory", evidence{err: "failed to init node with kubeadm: x", kubelet: `"Container failed" reason="OOMKilled"`},
			"out-of-memory", "OOMKilled", false, step.ExitInfra},
		{"node out of memory", evidence{err: "failed to init node with kubeadm: x", nodes: []nodeState{{running: true, oomKilled: true}}},
			"out-of-memory", "memory", false, step.ExitInfra},
		{"slow disk", evidence{err: "failed to init node with kubeadm: x", kubeadm: "GET https://x/livez in 0 milliseconds", pods: `{"level":"warn","msg":"slow fdatasync","took":"3s"}`},
			"slow-disk", "fdatasync", true, step.ExitInfra},
		{"slow control plane", evidence{err: "failed to init node with kubeadm: x", kubeadm: "GET https://x:6443/healthz?timeout=10s  in 0 milliseconds"},
			"control-plane-slow", "healthz", true, step.ExitInfra},
		{"cgroups of the daemon", evidence{err: `docker: Error response from daemon: cannot enter cgroupv2 "/sys/fs/cgroup/docker" with domain controllers -- it is in an invalid state.`},
			"cgroup-delegation", "cgroupv2", false, step.ExitInfra},
		{"iptables", evidence{err: "failed to ensure docker network: command failed\nError response from daemon: Failed to Setup IP tables: (iptables failed: iptables: No chain/target/match by that name.)"},
			"iptables", "No chain", false, step.ExitInfra},
		{"addresses", evidence{err: "failed to ensure docker network: Error response from daemon: all predefined address pools have been fully subnetted"},
			"network", "pools", false, step.ExitInfra},
		{"daemon gone", evidence{err: "command \"docker run\" failed", daemon: "level=fatal msg=\"killed\"", daemonGone: true},
			"daemon-gone", "level=fatal", false, step.ExitInfra},
		{"disk full", evidence{err: "failed to init node with kubeadm: x", containerd: "write /var/lib/containerd/x: no space left on device"},
			"disk-full", "no space left", false, step.ExitInfra},
		{"old library", evidence{err: "failed to detect containerd snapshotter: unknown containerd config version: 9"},
			"containerd-config", "version: 9", false, step.ExitInfra},
		{"name taken", evidence{err: `node(s) already exist for a cluster with the name "kind"`},
			"name-taken", "already", false, step.ExitInvalid},
		{"port taken", evidence{err: "docker: Error response from daemon: Bind for 0.0.0.0:8080 failed: port is already allocated."},
			"port-taken", "8080", false, step.ExitInvalid},
		{"mount that is not there", evidence{err: "docker: Error response from daemon: invalid mount config for type \"bind\": bind source path does not exist: /x"},
			"mount-path", "/x", false, step.ExitInvalid},
		{"another processor", evidence{err: bootError, serial: "exec /usr/local/bin/entrypoint: exec format error"},
			"wrong-architecture", "exec format", false, step.ExitInvalid},
		{"versions apart", evidence{err: "Error response from daemon: client version 1.52 is too new. Maximum supported API version is 1.45"},
			"client-version", "1.52", false, step.ExitInfra},
		{"no docker command", evidence{err: `exec: "docker": executable file not found in $PATH`},
			"no-docker-command", "PATH", false, step.ExitInfra},
		{"worker", evidence{err: "failed to join node with kubeadm: command failed"},
			"worker-join", "join", false, step.ExitInfra},
		{"DNS loop", evidence{err: "the cluster did not become ready: DNS answers", missing: []string{"DNS answers: no CoreDNS pod is ready"}, pods: "[FATAL] plugin/loop: Loop (127.0.0.1:39 -> :53) detected for zone \".\""},
			"dns-loop", "Loop", false, step.ExitInfra},
		{"no network", evidence{err: "the cluster did not become ready: 1 node(s) Ready: 0 ready of 1 registered x (KubeletNotReady: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady)", missing: []string{"1 node(s) Ready: x"}, ownNetwork: true},
			"no-network-plugin", "NetworkPluginNotReady", false, step.ExitInfra},
		{"no network plugin, after kubeadm's usual words", evidence{err: "the cluster did not become ready: 1 node(s) Ready: 0 ready (KubeletNotReady: NetworkReady=false reason:NetworkPluginNotReady)",
			kubeadm: "[kubelet-check] Waiting for a healthy kubelet at http://127.0.0.1:10248/healthz. This can take up to 4m0s\n[kubelet-check] The kubelet is healthy after 501ms",
			missing: []string{"1 node(s) Ready: x"}, ownNetwork: true,
			kubelet: `E1126 02:34:38.980252 249 certificate_manager.go:596] "Failed while requesting a signed certificate" err="connection refused"`, pods: "too many open files"},
			"no-network-plugin", "NetworkPluginNotReady", false, step.ExitInfra},
		{"no image", evidence{err: "the cluster did not become ready: DNS answers", missing: []string{"DNS answers: x"}, kubelet: "Back-off pulling image registry.k8s.io/coredns: ImagePullBackOff"},
			"image-pull", "ImagePullBackOff", false, step.ExitInfra},
		{"just slow", evidence{err: "the cluster did not become ready: DNS answers: no CoreDNS pod is ready", missing: []string{"DNS answers: x"}},
			"not-ready", "in time", false, step.ExitInfra},
		{"something new", evidence{err: "odd", kubelet: "a\nb\nc\nd"},
			"unknown", "kubelet: d", false, step.ExitInfra},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := diagnose(tc.evidence, errors.New(firstLine(tc.evidence.err)))
			err := f.wrap()
			if f.Cause != tc.want || f.Transient != tc.transient || step.ExitCode(err) != tc.code {
				t.Errorf("got cause %s, transient %v, exit code %d; want %s, %v, %d", f.Cause, f.Transient, step.ExitCode(err), tc.want, tc.transient, tc.code)
			}
			if !strings.Contains(err.Error(), tc.line) {
				t.Errorf("the message lacks %q:\n%v", tc.line, err)
			}
			if step.Hint(err) == "" {
				t.Error("no hint")
			}
		})
	}
}

func TestDiagnosePull(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"toomanyrequests: You have reached your pull rate limit": "pull-limit",
		"manifest for x not found: manifest unknown":             "pull-unknown",
		"net/http: TLS handshake timeout":                        "pull-network",
		"pull access denied for x":                               "pull-denied",
		"x509: certificate signed by unknown authority":          "pull-certificate",
		"write /var/lib/docker/tmp: no space left on device":     "disk-full",
		"something else": "pull",
	} {
		if f := diagnosePull("x", errors.New(text)); f.Cause != want || f.Hint == "" {
			t.Errorf("%q is %s, want %s", text, f.Cause, want)
		}
	}
}

func TestDiagnoseLoad(t *testing.T) {
	t.Parallel()
	run := func(output string) error {
		return &kindexec.RunError{Command: []string{"docker", "exec"}, Output: []byte(output), Inner: errors.New("exit status 1")}
	}
	for output, want := range map[string]string{
		"ctr: content digest sha256:abc: not found":    "load-platforms",
		"ctr: unrecognized image format":               "load-archive",
		"ctr: write /var/lib: no space left on device": "disk-full",
		"ctr: failed to dial \"/run/containerd.sock\"": "load",
	} {
		f := diagnoseLoad("x", "node", run(output))
		if f.Cause != want || f.Transient != (want == "load") || !strings.Contains(f.Error(), strings.TrimPrefix(output, "ctr: ")) {
			t.Errorf("%q is %s: %v", output, f.Cause, f)
		}
	}
}
