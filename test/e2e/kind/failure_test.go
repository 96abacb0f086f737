//go:build e2e

package kind

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// config writes a kind configuration with a body below its head.
func config(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kind_config.yaml")
	if err := os.WriteFile(path, []byte("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n"+body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	workerWithoutToken = `nodes:
- role: control-plane
- role: worker
  kubeadmConfigPatches:
  - |
    kind: JoinConfiguration
    discovery: {timeout: 5s, bootstrapToken: {token: unheld.0123456789abcdef}}
`
	dnsLoop = `nodes:
- role: control-plane
  extraMounts: [{hostPath: %q, containerPath: /kind/resolv.conf}]
kubeadmConfigPatches:
- |
  kind: KubeletConfiguration
  resolvConf: /kind/resolv.conf
`
)

// resolvConf names the DNS server in a pod itself, as a machine's does that has
// a DNS server of its own.
func resolvConf(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Failures that can be provoked are named from what they leave, with the exit
// code of their kind, at once where kind or kubeadm say so, and leave nothing.
func TestFailures(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	taken := listener.Addr().(*net.TCPAddr).Port
	for _, tc := range []struct {
		name  string
		args  []string
		code  int
		want  string
		limit time.Duration
		env   []string
	}{
		{"port taken", []string{"--config", config(t, fmt.Sprintf("nodes: [{role: control-plane, extraPortMappings: [{containerPort: 30080, hostPort: %d, listenAddress: 127.0.0.1}]}]\n", taken))},
			2, "a host port of the configuration is taken", time.Minute, nil},
		{"mount that is not there", []string{"--config", config(t, "nodes: [{role: control-plane, extraMounts: [{hostPath: \"/no/such:path\", containerPath: /x}]}]\n")},
			2, "docker refuses an extraMounts path", time.Minute, nil},
		{"configuration that kubeadm refuses", []string{"--config", config(t, "kubeadmConfigPatches:\n- |\n  kind: ClusterConfiguration\n  apiServer: {extraArgs: {v: [\"1\"]}}\n")},
			2, "kubeadm refuses the configuration", time.Minute, nil},
		{"configuration that the kubelet refuses", []string{"--config", config(t, "kubeadmConfigPatches:\n- |\n  kind: KubeletConfiguration\n  maxPods: -5\n")},
			2, "the kubelet refuses its configuration", time.Minute, nil},
		{"image that is nowhere", []string{"--image", platform.Registry + "/e2e/nowhere:v1"},
			2, "neither in the docker daemon nor in its registry", time.Minute, nil},
		{"node image that is none", []string{"--node-image", "model-delivery/registry:v3.0.0"},
			2, "is not a kind node image", time.Minute, nil},
		{"node image that is nowhere", []string{"--node-image", platform.Registry + "/e2e/no-node:v1"},
			2, "could not be pulled", time.Minute, nil},
		{"archive that is none", []string{"--archive", config(t, "")},
			2, "could not load", 2 * time.Minute, nil},
		{"network without a plugin", []string{"--timeout", "40s", "--config", config(t, "networking: {disableDefaultCNI: true}\n")},
			3, "no network plugin made the node ready", 2 * time.Minute, nil},
		{"no docker command", []string{"--docker-timeout", "2s"}, 3, "the docker command is not there yet", time.Minute, []string{"PATH=/nowhere"}},
		{"a setting that containerd refuses", []string{"--config", config(t, "containerdConfigPatches: ['[plugins.\"io.containerd.grpc.v1.cri\"]\n\n  sandbox_image = 3']\n")},
			3, "containerd does not run in the node", 2 * time.Minute, nil},
		{"flag that the kubelet does not know", []string{"--config", config(t, "kubeadmConfigPatches:\n- |\n  kind: InitConfiguration\n  nodeRegistration: {kubeletExtraArgs: {no-such-flag: x}}\n")},
			2, "the kubelet refuses its configuration", time.Minute, nil},
		{"cgroup v1 refused", []string{"--config", config(t, "kubeadmConfigPatches:\n- |\n  kind: KubeletConfiguration\n  failCgroupV1: true\n")},
			3, "this kubelet does not run on cgroup v1", 2 * time.Minute, nil},
		{"an image of the control plane that is nowhere", []string{"--timeout", "45s", "--config", config(t, "kubeadmConfigPatches:\n- |\n  kind: ClusterConfiguration\n  dns: {imageRepository: 127.0.0.1:1/nowhere}\n")},
			3, "an image that the control plane needs is not in the node image and cannot be pulled", 3 * time.Minute, nil},
		{"a worker that nobody knows", []string{"--config", config(t, workerWithoutToken)},
			3, "a further node could not join", 2 * time.Minute, nil},
		{"a DNS that asks itself", []string{"--config", config(t, fmt.Sprintf(dnsLoop, resolvConf(t)))},
			3, "the cluster's DNS asks itself", time.Minute, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cluster := clusterName(t)
			w := watch(t, cluster)
			args := []string{"create", "--name", cluster, "--node-image", platform.NodeImage, "--retries", "0"}
			p := startWith(t, tc.env, "kind-cluster", append(args, tc.args...)...)
			if code := p.wait(tc.limit); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if !strings.Contains(p.text(), tc.want) || !strings.Contains(p.text(), "\nhint: ") {
				t.Errorf("the output lacks %q or a hint", tc.want)
			}
			w.nothingLeft()
		})
	}
}
