package kind

import (
	"net/netip"
	"strings"
	"testing"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func TestLint(t *testing.T) {
	t.Parallel()
	outer := outerCluster{addresses: map[netip.Addr]string{netip.MustParseAddr("10.96.0.10"): "the DNS server"}}
	mapping := func(port int32) []v1alpha4.Node {
		return []v1alpha4.Node{{ExtraPortMappings: []v1alpha4.PortMapping{{ContainerPort: port}}}}
	}
	for _, tc := range []struct {
		name   string
		config v1alpha4.Cluster
		around surroundings
		want   string // "" for no finding
		fatal  bool
	}{
		{"nothing to find", v1alpha4.Cluster{KubeadmConfigPatches: []string{"kind: ClusterConfiguration\napiServer: {extraArgs: {v: '4'}}\n"}},
			surroundings{kubernetesVersion: "v1.34.4"}, "", false},
		{"patch for another kubeadm", v1alpha4.Cluster{KubeadmConfigPatches: []string{"kind: InitConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\n"}},
			surroundings{kubernetesVersion: "v1.34.4"}, "pinned to apiVersion kubeadm.k8s.io/v1beta4, but kubeadm.k8s.io/v1beta3", false},
		{"patch for the kubeadm that is generated", v1alpha4.Cluster{KubeadmConfigPatches: []string{"kind: InitConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\n"}},
			surroundings{kubernetesVersion: "v1.36.1"}, "", false},
		{"second document of a patch", v1alpha4.Cluster{KubeadmConfigPatches: []string{"kind: InitConfiguration\n---\nkind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1alpha1\n"}},
			surroundings{kubernetesVersion: "v1.36.1"}, "kubelet.config.k8s.io/v1beta1", false},
		{"patch without a kind", v1alpha4.Cluster{KubeadmConfigPatches: []string{"apiServer: {}\n"}}, surroundings{}, "names no kind", false},
		{"patch of an unknown kind", v1alpha4.Cluster{KubeadmConfigPatches: []string{"kind: ClusterConfig\n"}}, surroundings{}, "does not generate", false},
		{"patch of a node", v1alpha4.Cluster{Nodes: []v1alpha4.Node{{KubeadmConfigPatches: []string{"kind: Foo\n"}}}}, surroundings{}, "nodes[0].kubeadmConfigPatches[0]", false},
		{"JSON patch for another kubeadm", v1alpha4.Cluster{KubeadmConfigPatchesJSON6902: []v1alpha4.PatchJSON6902{{Group: "kubeadm.k8s.io", Version: "v1beta2", Kind: "ClusterConfiguration"}}},
			surroundings{kubernetesVersion: "v1.30.0"}, "v1beta2", false},
		{"arguments in the new form for an old kubeadm", v1alpha4.Cluster{KubeadmConfigPatches: []string{"kind: ClusterConfiguration\nscheduler: {extraArgs: [{name: v, value: '4'}]}\n"}},
			surroundings{kubernetesVersion: "v1.34.4"}, "write a map", true},
		{"arguments in the old form in a pinned patch", v1alpha4.Cluster{KubeadmConfigPatches: []string{"kind: ClusterConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\nscheduler: {extraArgs: {v: '4'}}\n"}},
			surroundings{kubernetesVersion: "v1.36.1"}, "leave apiVersion out", false},
		{"patch that is not YAML", v1alpha4.Cluster{KubeadmConfigPatches: []string{"{"}}, surroundings{}, "not YAML", true},

		{"containerd patch for another version", v1alpha4.Cluster{ContainerdConfigPatches: []string{"version = 2\n"}}, surroundings{containerdConfig: 3}, "the node's is 3", false},
		{"containerd table of another version", v1alpha4.Cluster{ContainerdConfigPatches: []string{"[plugins.\"io.containerd.grpc.v1.cri\".containerd]\nx = 1\n"}}, surroundings{containerdConfig: 3}, "configuration version 2", false},
		{"containerd mirrors", v1alpha4.Cluster{ContainerdConfigPatches: []string{"[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"localhost:5000\"]\nendpoint = [\"http://r:5000\"]\n"}},
			surroundings{containerdConfig: 2}, "--registry-mirror", false},
		{"containerd config_path", v1alpha4.Cluster{ContainerdConfigPatches: []string{"[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n"}},
			surroundings{containerdConfig: 2}, "", false},
		{"containerd patch that is not TOML", v1alpha4.Cluster{ContainerdConfigPatches: []string{"="}}, surroundings{}, "not TOML", true},

		{"subnets that overlap", v1alpha4.Cluster{Networking: v1alpha4.Networking{PodSubnet: "10.0.0.0/8", ServiceSubnet: "10.96.0.0/16"}}, surroundings{}, "overlap", true},
		{"services of the outer cluster", v1alpha4.Cluster{Networking: v1alpha4.Networking{ServiceSubnet: "10.96.0.0/12"}}, surroundings{outer: outer}, "the DNS server (10.96.0.10)", false},
		{"services elsewhere", v1alpha4.Cluster{Networking: v1alpha4.Networking{ServiceSubnet: "10.112.0.0/16"}}, surroundings{outer: outer}, "", false},

		{"port that is no node port", v1alpha4.Cluster{Nodes: mapping(80)}, surroundings{}, "only a pod with hostPort", false},
		{"node port", v1alpha4.Cluster{Nodes: mapping(30080)}, surroundings{remote: true, nodePorts: []int32{30080}}, "", false},
		{"node port that nothing maps", v1alpha4.Cluster{Nodes: mapping(30080)}, surroundings{remote: true, nodePorts: []int32{30081}}, "nothing maps node port 30081", false},
		{"host port that nothing is mapped to", v1alpha4.Cluster{Nodes: mapping(30080)}, surroundings{hostPorts: []int32{30188}}, "nothing is mapped to host port 30188", false},
		{"host port that is mapped", v1alpha4.Cluster{Nodes: []v1alpha4.Node{{ExtraPortMappings: []v1alpha4.PortMapping{{ContainerPort: 30080, HostPort: 30188}}}}}, surroundings{hostPorts: []int32{30188}}, "", false},
		{"node port in the same network", v1alpha4.Cluster{}, surroundings{nodePorts: []int32{30081}}, "", false},

		{"old Kubernetes", v1alpha4.Cluster{}, surroundings{kubernetesVersion: "v1.19.16"}, "older than 1.24.0", true},
		{"new Kubernetes", v1alpha4.Cluster{}, surroundings{kubernetesVersion: "v1.37.0"}, "newer than what", false},
		{"Kubernetes of the future", v1alpha4.Cluster{}, surroundings{kubernetesVersion: "v1.40.0"}, "newer than 1.37", true},
		{"nonsense for a version", v1alpha4.Cluster{}, surroundings{kubernetesVersion: "latest"}, "not a version", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			found := lint(&tc.config, tc.around)
			if tc.want == "" {
				if len(found) > 0 {
					t.Errorf("found %v", found)
				}
				return
			}
			if len(found) != 1 || !strings.Contains(found[0].String(), tc.want) || found[0].Fatal != tc.fatal {
				t.Errorf("found %v, want one with %q (fatal: %v)", found, tc.want, tc.fatal)
			}
		})
	}
}

func TestFindOuter(t *testing.T) {
	t.Parallel()
	inPod := func(name string) string {
		return map[string]string{"KUBERNETES_SERVICE_HOST": "10.96.0.1"}[name]
	}
	outer, err := findOuter(nil, inPod)
	if err != nil || outer.clash(netip.MustParsePrefix("10.96.0.0/16")) != "the API server (10.96.0.1)" {
		t.Errorf("got %+v, %v", outer, err)
	}
	outer, err = findOuter([]string{"172.20.0.0/16"}, inPod)
	if err != nil || outer.clash(netip.MustParsePrefix("10.96.0.0/16")) != "" || outer.clash(netip.MustParsePrefix("172.20.5.0/24")) == "" {
		t.Errorf("got %+v, %v", outer, err)
	}
	if _, err := findOuter([]string{"x"}, inPod); err == nil {
		t.Error("nonsense was accepted")
	}
	if got := nameservers("search a\nnameserver 10.96.0.10\nnameserver 127.0.0.11\nnameserver x\n"); len(got) != 1 || got[0].String() != "10.96.0.10" {
		t.Errorf("got %v", got)
	}
}
