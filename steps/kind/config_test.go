package kind

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/model-delivery/model-delivery/steps/step"
)

const alpha3Config = `
kind: Cluster
apiVersion: kind.sigs.k8s.io/v1alpha3
networking:
  apiServerAddress: "0.0.0.0"
nodes:
- role: control-plane
  extraPortMappings:
  - containerPort: 30080
    hostPort: 8080
    listenAddress: 127.0.0.1
    protocol: TCP
  extraMounts:
  - containerPath: /data
    hostPath: ./data
    readOnly: true
kubeadmConfigPatches:
- |
  apiVersion: kubeadm.k8s.io/v1beta1
  kind: ClusterConfiguration
  metadata:
    name: config
  apiServer:
    extraArgs:
      v: "4"
- |
  apiVersion: kubelet.config.k8s.io/v1beta1
  kind: KubeletConfiguration
  maxPods: 50
kubeadmConfigPatchesJson6902:
- group: kubeadm.k8s.io
  version: v1beta1
  kind: ClusterConfiguration
  name: config
  patch: |
    - op: add
      path: /apiServer/certSANs/-
      value: my-host
`

// Configurations of the format that kind dropped keep their meaning.
func TestParseConfigAlpha3(t *testing.T) {
	t.Parallel()
	config, notes, err := ParseConfig([]byte(alpha3Config))
	if err != nil {
		t.Fatal(err)
	}
	if config.APIVersion != apiVersionAlpha4 || config.Networking.APIServerAddress != "0.0.0.0" || len(config.Nodes) != 1 {
		t.Fatalf("got %+v", config)
	}
	wantPort := v1alpha4.PortMapping{ContainerPort: 30080, HostPort: 8080, ListenAddress: "127.0.0.1", Protocol: "TCP"}
	wantMount := v1alpha4.Mount{ContainerPath: "/data", HostPath: "./data", Readonly: true}
	node := config.Nodes[0]
	if !slices.Equal(node.ExtraPortMappings, []v1alpha4.PortMapping{wantPort}) || !slices.Equal(node.ExtraMounts, []v1alpha4.Mount{wantMount}) {
		t.Errorf("got node %+v", node)
	}
	if strings.Contains(config.KubeadmConfigPatches[0], "apiVersion") || !strings.Contains(config.KubeadmConfigPatches[0], `v: "4"`) {
		t.Errorf("the kubeadm patch is %q, want it without apiVersion", config.KubeadmConfigPatches[0])
	}
	if !strings.Contains(config.KubeadmConfigPatches[1], "kubelet.config.k8s.io/v1beta1") {
		t.Errorf("the kubelet patch is %q, want it unchanged", config.KubeadmConfigPatches[1])
	}
	if p := config.KubeadmConfigPatchesJSON6902[0]; p.Group != "" || p.Version != "" || p.Kind != "ClusterConfiguration" {
		t.Errorf("the JSON patch is %+v", p)
	}
	if len(notes) != 3 {
		t.Errorf("got notes %q, want three", notes)
	}
	// Nothing that kind would ignore is left.
	if found := lint(config, surroundings{kubernetesVersion: "v1.34.4"}); len(found) != 0 {
		t.Errorf("findings: %v", found)
	}
}

func TestParseConfig(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, wantErr string }{
		{"empty", "", ""},
		{"no nodes", "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n", ""},
		{"no role", "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n- {}\n", ""},
		{"unknown field", "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnode: []\n", "node"},
		{"field of the new version in the old", "kind: Cluster\napiVersion: kind.sigs.k8s.io/v1alpha3\nfeatureGates: {}\n", "featureGates"},
		{"unknown version", "kind: Cluster\napiVersion: kind.x-k8s.io/v1\n", "neither"},
		{"something else", "kind: Pod\napiVersion: v1\n", "not Cluster"},
		{"two documents", "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n---\nkind: Cluster\n", "more than one document"},
		{"not YAML", "{", "yaml"},
		{"too large", strings.Repeat("#", maxConfig+1), "more than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			config, _, err := ParseConfig([]byte(tc.text))
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) || step.ExitCode(err) != step.ExitInvalid {
					t.Fatalf("got %v (exit code %d), want %q and exit code 2", err, step.ExitCode(err), tc.wantErr)
				}
				return
			}
			if err != nil || len(config.Nodes) != 1 || config.Nodes[0].Role != v1alpha4.ControlPlaneRole {
				t.Fatalf("got %+v, %v", config, err)
			}
		})
	}
}

// A configuration from a stranger's repository is read or refused.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(alpha3Config))
	f.Add([]byte("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\ncontainerdConfigPatches: ['[plugins]']\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, _, err := ParseConfig(data)
		if err != nil {
			return
		}
		lint(config, surroundings{kubernetesVersion: "v1.36.1", containerdConfig: 3})
		fit(config, circumstances{fastEtcd: true})
	})
}

func TestParseMirror(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		want Mirror
	}{
		{"172.18.0.1:5000", Mirror{"172.18.0.1:5000", "http://172.18.0.1:5000"}},
		{"docker.io=https://mirror.example/v2", Mirror{"docker.io", "https://mirror.example/v2"}},
		{"", Mirror{}}, {"a/b", Mirror{}}, {"x=ftp://y", Mirror{}}, {"..", Mirror{}}, {"x=http://y\"", Mirror{}},
	} {
		got, err := ParseMirror(tc.text)
		if got != tc.want || (err == nil) != (tc.want != Mirror{}) {
			t.Errorf("ParseMirror(%q) = %+v, %v", tc.text, got, err)
		}
	}
}

func TestNodeNames(t *testing.T) {
	t.Parallel()
	config := &v1alpha4.Cluster{Nodes: []v1alpha4.Node{{Role: "control-plane"}, {Role: "worker"}, {Role: "control-plane"}, {Role: "worker"}}}
	want := []string{"x-control-plane", "x-worker", "x-control-plane2", "x-worker2", "x-external-load-balancer"}
	if got := nodeNames("x", config); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
