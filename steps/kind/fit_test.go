package kind

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/pelletier/go-toml"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func TestFit(t *testing.T) {
	t.Parallel()
	outer := outerCluster{subnets: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12"), netip.MustParsePrefix("10.244.0.0/16")}}
	published := nodeImage{kubernetesVersion: "v1.36.1", cni: []byte(networkText)}

	t.Run("what is open is chosen", func(t *testing.T) {
		t.Parallel()
		config := &v1alpha4.Cluster{}
		notes := fit(config, circumstances{image: published, cgroupVersion: "1", outer: outer, fastEtcd: true})
		// 10.112.0.0/16 lies outside 10.96.0.0/12, which ends at 10.111.255.255.
		if n := config.Networking; n.ServiceSubnet != "10.112.0.0/16" || n.PodSubnet != "10.124.0.0/16" || n.DisableDefaultCNI || n.DNSSearch == nil {
			t.Errorf("got %+v", n)
		}
		patches := strings.Join(config.KubeadmConfigPatches, "")
		if !strings.Contains(patches, "unsafe-no-fsync") || !strings.Contains(patches, "failCgroupV1: false") || !strings.Contains(patches, "kube-api-qps") {
			t.Errorf("got patches %s", patches)
		}
		if !strings.Contains(patches, patchesDir) {
			t.Errorf("kubeadm is not told of its patches: %s", patches)
		}
		if len(notes) != 3 {
			t.Errorf("got notes %q", notes)
		}
	})
	t.Run("what is said stays", func(t *testing.T) {
		t.Parallel()
		search := []string{"corp.example"}
		config := &v1alpha4.Cluster{
			Networking:           v1alpha4.Networking{ServiceSubnet: "10.96.0.0/16", PodSubnet: "10.244.0.0/16", DNSSearch: &search},
			KubeadmConfigPatches: []string{"kind: ClusterConfiguration\n"},
		}
		if notes := fit(config, circumstances{image: published, cgroupVersion: "2", outer: outer}); len(notes) != 0 {
			t.Errorf("got notes %q", notes)
		}
		if n := config.Networking; n.ServiceSubnet != "10.96.0.0/16" || n.PodSubnet != "10.244.0.0/16" || (*n.DNSSearch)[0] != "corp.example" {
			t.Errorf("got %+v", config)
		}
		// Of patches the later one wins.
		if n := len(config.KubeadmConfigPatches); n < 2 || config.KubeadmConfigPatches[n-1] != "kind: ClusterConfiguration\n" {
			t.Errorf("the configuration's patch is not the last of %q", config.KubeadmConfigPatches)
		}
	})
	t.Run("an image that brings no manifest for the network", func(t *testing.T) {
		t.Parallel()
		config := &v1alpha4.Cluster{}
		if notes := fit(config, circumstances{image: nodeImage{kubernetesVersion: "v1.34.4"}, outer: outer}); len(notes) != 2 {
			t.Errorf("got notes %q", notes)
		}
		if n := config.Networking; !n.DisableDefaultCNI || n.PodSubnet != "" {
			t.Errorf("got %+v", n)
		}
	})
	t.Run("cgroup v1", func(t *testing.T) {
		t.Parallel()
		for _, tc := range []struct {
			name       string
			config     v1alpha4.Cluster
			version    int // of containerd's configuration
			wantPlugin string
		}{
			{"version 2", v1alpha4.Cluster{}, 2, "io.containerd.grpc.v1.cri"},
			{"version 3", v1alpha4.Cluster{}, 3, "io.containerd.cri.v1.runtime"},
			{"unknown version", v1alpha4.Cluster{}, 0, ""},
			{"a driver for containerd", v1alpha4.Cluster{ContainerdConfigPatches: []string{"[x]\nSystemdCgroup = true\n"}}, 2, ""},
			{"a driver for a node's kubelet", v1alpha4.Cluster{Nodes: []v1alpha4.Node{{KubeadmConfigPatches: []string{"kind: KubeletConfiguration\ncgroupDriver: systemd\n"}}}}, 2, ""},
		} {
			own := len(tc.config.ContainerdConfigPatches)
			fit(&tc.config, circumstances{image: nodeImage{kubernetesVersion: "v1.34.4", containerdConfig: tc.version}, cgroupVersion: "1"})
			patches := strings.Join(tc.config.KubeadmConfigPatches, "")
			if strings.Contains(patches, "cgroupDriver: cgroupfs") != (tc.wantPlugin != "") {
				t.Errorf("%s: got patches %s", tc.name, patches)
			}
			added := tc.config.ContainerdConfigPatches[:len(tc.config.ContainerdConfigPatches)-own]
			if tc.wantPlugin == "" && len(added) > 0 {
				t.Errorf("%s: got patches %q", tc.name, added)
			}
			if tc.wantPlugin == "" {
				continue
			}
			tree, err := toml.Load(strings.Join(added, "\n"))
			if err != nil || tree.GetPath([]string{"plugins", tc.wantPlugin, "containerd", "runtimes", "runc", "options", "SystemdCgroup"}) != false {
				t.Errorf("%s: got patches %q, %v", tc.name, added, err)
			}
		}
	})
	t.Run("kubeadm", func(t *testing.T) {
		t.Parallel()
		for _, tc := range []struct {
			name, version string
			config        v1alpha4.Cluster
			want, wantNot []string
		}{
			{"kubeadm of v1beta3", "v1.34.4", v1alpha4.Cluster{}, []string{schedulerFile, "PublicKeysECDSA", "skipPhases: [preflight, kubelet-finalize]"}, []string{"encryptionAlgorithm"}},
			{"kubeadm of v1beta4", "v1.36.1", v1alpha4.Cluster{}, []string{schedulerFile, "encryptionAlgorithm"}, []string{"PublicKeysECDSA"}},
			{"a scheduler that is too old", "v1.27.16", v1alpha4.Cluster{}, nil, []string{schedulerFile}},
			{"a scheduler with settings", "v1.34.4", v1alpha4.Cluster{KubeadmConfigPatches: []string{"kind: ClusterConfiguration\nscheduler: {extraVolumes: []}\n"}}, nil, []string{schedulerFile}},
			{"a scheduler with patches of another kind", "v1.34.4", v1alpha4.Cluster{KubeadmConfigPatchesJSON6902: []v1alpha4.PatchJSON6902{{Kind: "ClusterConfiguration", Patch: "- {op: remove, path: /scheduler}\n"}}}, nil, []string{schedulerFile}},
			{"no kube-proxy", "v1.34.4", v1alpha4.Cluster{Networking: v1alpha4.Networking{KubeProxyMode: noProxy}}, []string{"skipPhases: [preflight, kubelet-finalize, addon/kube-proxy]"}, []string{"minSyncPeriod"}},
			{"kube-proxy", "v1.34.4", v1alpha4.Cluster{}, []string{"iptables:\n  minSyncPeriod: 100ms"}, nil},
			{"kube-proxy of nftables", "v1.34.4", v1alpha4.Cluster{Networking: v1alpha4.Networking{KubeProxyMode: v1alpha4.NFTablesProxyMode}}, []string{"nftables:\n  minSyncPeriod: 100ms"}, nil},
		} {
			fit(&tc.config, circumstances{image: nodeImage{kubernetesVersion: tc.version, containerdConfig: 2}, cgroupVersion: "2"})
			patches := strings.Join(tc.config.KubeadmConfigPatches, "")
			for _, text := range tc.want {
				if !strings.Contains(patches, text) {
					t.Errorf("%s: %q is missing in %s", tc.name, text, patches)
				}
			}
			for _, text := range tc.wantNot {
				if strings.Contains(patches, text) {
					t.Errorf("%s: %q is in %s", tc.name, text, patches)
				}
			}
			if len(tc.config.ContainerdConfigPatches) > 0 {
				t.Errorf("%s: got patches %q", tc.name, tc.config.ContainerdConfigPatches)
			}
		}
	})
	t.Run("a daemon elsewhere", func(t *testing.T) {
		t.Parallel()
		config := &v1alpha4.Cluster{}
		fit(config, circumstances{image: published, remoteHost: "builder.example"})
		if n := config.Networking; n.APIServerAddress != "0.0.0.0" || n.APIServerPort != -1 || !strings.Contains(strings.Join(config.KubeadmConfigPatches, ""), `"builder.example"`) {
			t.Errorf("got %+v", config)
		}
	})
}
