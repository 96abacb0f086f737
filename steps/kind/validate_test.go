package kind

import (
	"slices"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/step"
)

const header = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n"

// What kind refuses is refused before there is a daemon, and it is said where it
// is wrong.
func TestCreateRefusesConfig(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, config, want string }{
		{"role", "nodes: [{role: bogus}]\n", "nodes[0].role"},
		{"only workers", "nodes: [{role: worker}, {role: worker}]\n", "no control-plane"},
		{"pod subnet", "networking: {podSubnet: foo}\n", "networking.podSubnet"},
		{"two pod subnets of one family", "networking: {podSubnet: '10.1.0.0/16,10.2.0.0/16'}\n", "networking.podSubnet"},
		{"three subnets", "networking: {ipFamily: dual, podSubnet: '10.1.0.0/16,fd00::/56,fd01::/56'}\n", "networking.podSubnet"},
		{"service subnet of another family", "networking: {ipFamily: ipv6, serviceSubnet: 10.1.0.0/16}\n", "networking.serviceSubnet"},
		{"subnets that overlap", "networking: {podSubnet: 10.0.0.0/8, serviceSubnet: 10.1.0.0/16}\n", "overlap"},
		{"family", "networking: {ipFamily: ipv5}\n", "networking.ipFamily"},
		{"proxy mode", "networking: {kubeProxyMode: x}\n", "networking.kubeProxyMode"},
		{"port of the API server", "networking: {apiServerPort: 70000}\n", "networking.apiServerPort"},
		{"container port", "nodes: [{extraPortMappings: [{containerPort: 99999}]}]\n", "nodes[0].extraPortMappings[0]"},
		{"no container port", "nodes: [{extraPortMappings: [{hostPort: 80}]}]\n", "containerPort 0"},
		{"host port", "nodes: [{extraPortMappings: [{containerPort: 30080, hostPort: -2}]}]\n", "hostPort -2"},
		{"listen address", "nodes: [{extraPortMappings: [{containerPort: 30080, listenAddress: x}]}]\n", "listenAddress"},
		{"one host port twice", "nodes: [{extraPortMappings: [{containerPort: 30080, hostPort: 80}, {containerPort: 30081, hostPort: 80, listenAddress: 127.0.0.1}]}]\n", "nodes[0].extraPortMappings[1]: hostPort 80 is mapped by nodes[0].extraPortMappings[0] already"},
		{"one host port in two nodes", "nodes: [{extraPortMappings: [{containerPort: 30080, hostPort: 80}]}, {role: worker, extraPortMappings: [{containerPort: 30080, hostPort: 80}]}]\n", "nodes[1].extraPortMappings[0]"},
		{"JSON patch", "kubeadmConfigPatchesJSON6902: [{kind: ClusterConfiguration, patch: 'a: b'}]\n", "kubeadmConfigPatchesJSON6902[0].patch"},
		{"operation of a JSON patch", "kubeadmConfigPatchesJSON6902: [{kind: ClusterConfiguration, patch: '[{op: put, path: /a}]'}]\n", "op \"put\""},
		{"path of a JSON patch", "kubeadmConfigPatchesJSON6902: [{kind: ClusterConfiguration, patch: '[{op: remove, path: a}]'}]\n", "does not begin"},
		{"JSON patch of a node", "nodes: [{kubeadmConfigPatchesJSON6902: [{kind: ClusterConfiguration, patch: '['}]}]\n", "nodes[0].kubeadmConfigPatchesJSON6902[0].patch"},
		{"JSON patch for containerd", "containerdConfigPatchesJSON6902: ['[']\n", "containerdConfigPatchesJSON6902[0]"},
		{"patch that is no YAML", "kubeadmConfigPatches: ['{']\n", "kubeadmConfigPatches[0]"},
		{"patch that is no TOML", "containerdConfigPatches: ['[']\n", "containerdConfigPatches[0]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Create(t.Context(), Options{Target: Target{Host: "tcp://127.0.0.1:1"}, Config: []byte(header + tc.config)})
			if err == nil || !strings.Contains(err.Error(), tc.want) || step.ExitCode(err) != step.ExitInvalid || step.Hint(err) == "" {
				t.Errorf("got %v (exit code %d), want %q", err, step.ExitCode(err), tc.want)
			}
		})
	}
}

func TestConfigThatIsFine(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":         "",
		"workers":         header + "nodes: [{role: control-plane}, {role: worker}]\n",
		"networking":      header + "networking: {ipFamily: dual, podSubnet: '10.1.0.0/16,fd00:1::/56', kubeProxyMode: nftables, apiServerPort: -1}\n",
		"IPv6":            header + "networking: {ipFamily: ipv6, podSubnet: 'fd00:1::/56'}\n",
		"free host ports": header + "nodes: [{extraPortMappings: [{containerPort: 30080}, {containerPort: 30081, hostPort: -1}, {containerPort: 30082, hostPort: -1}]}]\n",
		"host ports":      header + "nodes: [{extraPortMappings: [{containerPort: 30080, hostPort: 80, protocol: UDP}, {containerPort: 30080, hostPort: 80, listenAddress: 127.0.0.1}, {containerPort: 30080, hostPort: 80, listenAddress: 127.0.0.2}]}]\n",
		"JSON patches":    header + "kubeadmConfigPatchesJSON6902: [{kind: ClusterConfiguration, patch: '[{op: add, path: /a, value: 1}]'}, {kind: ClusterConfiguration, patch: ''}]\ncontainerdConfigPatchesJSON6902: ['[{\"op\": \"remove\", \"path\": \"/a\"}]']\n",
	} {
		config, _, err := ParseConfig([]byte(text))
		if err == nil {
			err = checkConfig(config)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every document of a patch is kept.
func TestAlpha3PatchOfSeveralDocuments(t *testing.T) {
	t.Parallel()
	const patch = `apiVersion: kubeadm.k8s.io/v1beta2
kind: ClusterConfiguration
---
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 7
---
kind: InitConfiguration
apiVersion: kubeadm.k8s.io/v1beta2
`
	for name, tc := range map[string]struct {
		patch, want string
		pins        []string
	}{
		"several": {patch, "kind: ClusterConfiguration\n---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 7\n---\nkind: InitConfiguration\n",
			[]string{"kubeadm.k8s.io/v1beta2", "kubeadm.k8s.io/v1beta2"}},
		"no pin": {"# as it is\nkind: ClusterConfiguration\n", "# as it is\nkind: ClusterConfiguration\n", nil},
		"empty":  {"", "", nil},
	} {
		got, pins, err := dropAPIVersion(tc.patch)
		if err != nil || got != tc.want || !slices.Equal(pins, tc.pins) {
			t.Errorf("%s: got %q, %q, %v", name, got, pins, err)
		}
	}
	if _, _, err := dropAPIVersion("kind: ClusterConfiguration\n---\n{"); err == nil {
		t.Error("a second document that is none was taken")
	}
}

// Whatever a configuration holds, checking it ends.
func FuzzCheckConfig(f *testing.F) {
	f.Add([]byte(header + "networking: {podSubnet: foo}\nkubeadmConfigPatches: ['a: [b']\ncontainerdConfigPatches: ['a=']\n"))
	f.Add([]byte("kind: Cluster\napiVersion: " + apiVersionAlpha3 + "\nkubeadmConfigPatches: ['a: b']\n"))
	f.Add([]byte(header + "nodes: [{extraPortMappings: [{hostPort: 1, listenAddress: '::ffff:1.2.3.4'}]}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, _, err := ParseConfig(data)
		if err != nil {
			return
		}
		_ = checkConfig(config)
		_ = lint(config, surroundings{kubernetesVersion: "v1.34.4", containerdConfig: 3})
		_ = nodeNames("test", config)
	})
}
