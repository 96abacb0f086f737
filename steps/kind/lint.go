package kind

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pelletier/go-toml"
	yaml "go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

// Finding is something wrong, or likely wrong, with a configuration.
type Finding struct {
	Fatal bool   // the cluster cannot work
	Path  string // where in the configuration
	Text  string
}

func (f Finding) String() string {
	kind := "warning"
	if f.Fatal {
		kind = "error"
	}
	return fmt.Sprintf("%s: kind configuration: %s: %s", kind, f.Path, f.Text)
}

// surroundings is what a configuration is checked against. Zero values skip
// the checks that need them.
type surroundings struct {
	kubernetesVersion string
	containerdConfig  int // version of the node's containerd configuration
	outer             outerCluster
	remote            bool // the daemon is on another machine
	nodePorts         []int32
	hostPorts         []int32
}

// kinds of documents that kind generates for kubeadm, with the version of
// those that are not kubeadm's own.
var generatedKinds = map[string]string{
	"ClusterConfiguration": "", "InitConfiguration": "", "JoinConfiguration": "",
	"KubeletConfiguration":   "kubelet.config.k8s.io/v1beta1",
	"KubeProxyConfiguration": "kubeproxy.config.k8s.io/v1alpha1",
}

// lint finds what kind would silently ignore or what cannot work.
func lint(config *v1alpha4.Cluster, s surroundings) []Finding {
	var found []Finding
	if s.kubernetesVersion != "" {
		found = append(found, checkKubernetesVersion(s.kubernetesVersion)...)
	}
	for i, patch := range config.KubeadmConfigPatches {
		found = append(found, lintKubeadmPatch(fmt.Sprintf("kubeadmConfigPatches[%d]", i), patch, s.kubernetesVersion)...)
	}
	for i, patch := range config.KubeadmConfigPatchesJSON6902 {
		found = append(found, lintJSONPatch(fmt.Sprintf("kubeadmConfigPatchesJSON6902[%d]", i), patch, s.kubernetesVersion)...)
	}
	for n, node := range config.Nodes {
		for i, patch := range node.KubeadmConfigPatches {
			found = append(found, lintKubeadmPatch(fmt.Sprintf("nodes[%d].kubeadmConfigPatches[%d]", n, i), patch, s.kubernetesVersion)...)
		}
		for i, patch := range node.KubeadmConfigPatchesJSON6902 {
			found = append(found, lintJSONPatch(fmt.Sprintf("nodes[%d].kubeadmConfigPatchesJSON6902[%d]", n, i), patch, s.kubernetesVersion)...)
		}
	}
	for i, patch := range config.ContainerdConfigPatches {
		found = append(found, lintContainerdPatch(fmt.Sprintf("containerdConfigPatches[%d]", i), patch, s.containerdConfig)...)
	}
	found = append(found, lintSubnets(config, s.outer)...)
	found = append(found, lintPorts(config, s)...)
	if len(config.Nodes) > 1 {
		found = append(found, Finding{Path: "nodes", Text: fmt.Sprintf("%d nodes in one daemon need several times the memory, time and inotify instances of one", len(config.Nodes))})
	}
	return found
}

// lintKubeadmPatch checks the documents of a merge patch against what kind
// applies them to.
func lintKubeadmPatch(path, patch, kubernetes string) []Finding {
	var found []Finding
	decoder := yaml.NewDecoder(strings.NewReader(patch))
	for {
		var document map[string]any
		if err := decoder.Decode(&document); err != nil {
			if err.Error() != "EOF" {
				found = append(found, Finding{Fatal: true, Path: path, Text: "not YAML: " + err.Error()})
			}
			return found
		}
		if document == nil {
			continue
		}
		kind, _ := document["kind"].(string)
		version, _ := document["apiVersion"].(string)
		ignored := lintTarget(path, kind, version, kubernetes)
		found = append(found, ignored...)
		if len(ignored) == 0 && kubernetes != "" {
			found = append(found, lintExtraArgs(path, document, version, kubeadmVersion(kubernetes))...)
		}
	}
}

func lintJSONPatch(path string, patch v1alpha4.PatchJSON6902, kubernetes string) []Finding {
	version := patch.Version
	if patch.Group != "" {
		version = patch.Group + "/" + patch.Version
	}
	return lintTarget(path, patch.Kind, version, kubernetes)
}

// lintTarget says when no generated document matches, so that kind would skip
// the patch without a word.
func lintTarget(path, kind, version, kubernetes string) []Finding {
	want, known := generatedKinds[kind]
	switch {
	case kind == "":
		return []Finding{{Path: path, Text: "names no kind, so kind ignores it"}}
	case !known:
		return []Finding{{Path: path, Text: fmt.Sprintf("is for kind %s, which kind does not generate, so kind ignores it", kind)}}
	case version == "":
		return nil
	case want == "" && kubernetes == "":
		return nil
	case want == "":
		want = kubeadmVersion(kubernetes)
	}
	if version == want {
		return nil
	}
	return []Finding{{Path: path, Text: fmt.Sprintf("is pinned to apiVersion %s, but %s is what is generated for Kubernetes %s, so kind ignores it; leave apiVersion out", version, want, kubernetes)}}
}

// lintExtraArgs finds arguments in the form of another kubeadm version: a
// list of name and value is v1beta4, a map is older.
func lintExtraArgs(path string, value any, pinned, generated string) []Finding {
	var found []Finding
	fields, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	for name, child := range fields {
		if name != "extraArgs" && name != "kubeletExtraArgs" {
			found = append(found, lintExtraArgs(path, child, pinned, generated)...)
			continue
		}
		_, isList := child.([]any)
		switch {
		case isList && generated != "kubeadm.k8s.io/v1beta4":
			found = append(found, Finding{Fatal: true, Path: path, Text: fmt.Sprintf("%s is a list, which %s does not know; write a map of names to values", name, generated)})
		case !isList && generated == "kubeadm.k8s.io/v1beta4" && pinned != "":
			found = append(found, Finding{Path: path, Text: fmt.Sprintf("%s is a map in a patch pinned to %s, so kind ignores it; leave apiVersion out, or write a list of name and value", name, pinned)})
		}
	}
	return found
}

// lintContainerdPatch checks a TOML patch against the node's containerd.
func lintContainerdPatch(path, patch string, nodeVersion int) []Finding {
	tree, err := toml.Load(patch)
	if err != nil {
		return []Finding{{Fatal: true, Path: path, Text: "not TOML: " + err.Error()}}
	}
	var found []Finding
	if version, ok := tree.Get("version").(int64); ok && nodeVersion != 0 && int(version) != nodeVersion {
		return []Finding{{Path: path, Text: fmt.Sprintf("is for containerd configuration version %d, but the node's is %d, so kind ignores it", version, nodeVersion)}}
	}
	plugins, _ := tree.Get("plugins").(*toml.Tree)
	if plugins == nil {
		return nil
	}
	const criV2, criV3 = "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"
	if plugins.Has("cri") {
		found = append(found, Finding{Path: path, Text: "[plugins.cri] is from containerd configuration version 1, so containerd ignores it"})
	}
	for _, cri := range []string{"cri", criV2, criV3} {
		for _, table := range []string{"mirrors", "configs"} {
			if plugins.HasPath([]string{cri, "registry", table}) {
				found = append(found, Finding{Path: path, Text: "registry." + table + " and the config_path that node images since kind v0.27 set exclude each other, so containerd refuses one of them; name the registry with --registry-mirror instead"})
			}
		}
	}
	switch {
	case nodeVersion >= 3 && plugins.HasPath([]string{criV2}):
		found = append(found, Finding{Path: path, Text: fmt.Sprintf("[plugins.%q] is from containerd configuration version 2, but the node's is %d, so containerd ignores it", criV2, nodeVersion)})
	case nodeVersion == 2 && plugins.HasPath([]string{criV3}):
		found = append(found, Finding{Path: path, Text: fmt.Sprintf("[plugins.%q] is from containerd configuration version 3, but the node's is 2, so containerd ignores it", criV3)})
	}
	return found
}

// lintSubnets finds addresses that clash with each other or with the outer
// cluster's.
func lintSubnets(config *v1alpha4.Cluster, outer outerCluster) []Finding {
	var found []Finding
	pods, services := subnetsOf(config.Networking.PodSubnet), subnetsOf(config.Networking.ServiceSubnet)
	for _, p := range pods {
		for _, s := range services {
			if p.Overlaps(s) {
				found = append(found, Finding{Fatal: true, Path: "networking", Text: fmt.Sprintf("podSubnet %s and serviceSubnet %s overlap", p, s)})
			}
		}
	}
	for _, part := range []struct {
		name    string
		subnets []netip.Prefix
	}{{"podSubnet", pods}, {"serviceSubnet", services}} {
		for _, subnet := range part.subnets {
			if what := outer.clash(subnet); what != "" {
				found = append(found, Finding{Path: "networking." + part.name, Text: fmt.Sprintf("%s holds %s of the cluster around this one, which can then not be reached from inside", subnet, what)})
			}
		}
	}
	return found
}

// lintPorts finds port mappings that lead nowhere, and node ports that are
// used but that nothing maps when they cannot be reached otherwise.
func lintPorts(config *v1alpha4.Cluster, s surroundings) []Finding {
	const firstNodePort, lastNodePort = 30000, 32767
	var found []Finding
	var mapped, published []int32
	custom := strings.Contains(strings.Join(config.KubeadmConfigPatches, "\n"), "service-node-port-range")
	for n, node := range config.Nodes {
		for i, m := range node.ExtraPortMappings {
			mapped, published = append(mapped, m.ContainerPort), append(published, m.HostPort)
			outside := m.ContainerPort < firstNodePort || m.ContainerPort > lastNodePort
			if outside && !custom {
				found = append(found, Finding{Path: fmt.Sprintf("nodes[%d].extraPortMappings[%d]", n, i),
					Text: fmt.Sprintf("containerPort %d is not a node port (%d to %d), so only a pod with hostPort can answer there", m.ContainerPort, firstNodePort, lastNodePort)})
			}
		}
	}
	for _, port := range s.nodePorts {
		if s.remote && !slices.Contains(mapped, port) {
			found = append(found, Finding{Path: "nodes.extraPortMappings",
				Text: fmt.Sprintf("nothing maps node port %d, and the daemon is on another machine, so it cannot be reached", port)})
		}
	}
	for _, port := range s.hostPorts {
		if !slices.Contains(published, port) {
			found = append(found, Finding{Path: "nodes.extraPortMappings",
				Text: fmt.Sprintf("nothing is mapped to host port %d, where the tests ask; add {containerPort: NODE_PORT, hostPort: %d, listenAddress: 127.0.0.1}", port, port)})
		}
	}
	return found
}

func subnetsOf(text string) []netip.Prefix {
	var out []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		if prefix, err := netip.ParsePrefix(strings.TrimSpace(part)); err == nil {
			out = append(out, prefix.Masked())
		}
	}
	return out
}
