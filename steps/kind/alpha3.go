package kind

import (
	"errors"
	"fmt"
	"io"
	"strings"

	yaml "go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

// clusterAlpha3 is a v1alpha3 configuration. What it shares with v1alpha4 has
// that version's types: only the patches differ.
type clusterAlpha3 struct {
	v1alpha4.TypeMeta            `yaml:",inline"`
	Nodes                        []nodeAlpha3        `yaml:"nodes"`
	Networking                   v1alpha4.Networking `yaml:"networking"`
	KubeadmConfigPatches         []string            `yaml:"kubeadmConfigPatches"`
	KubeadmConfigPatchesJSON6902 []patchAlpha3       `yaml:"kubeadmConfigPatchesJson6902"`
	ContainerdConfigPatches      []string            `yaml:"containerdConfigPatches"`
	ContainerdPatchesJSON6902    []string            `yaml:"containerdConfigPatchesJSON6902"`
}

type nodeAlpha3 struct {
	Role              v1alpha4.NodeRole      `yaml:"role"`
	Image             string                 `yaml:"image"`
	ExtraMounts       []v1alpha4.Mount       `yaml:"extraMounts"`
	ExtraPortMappings []v1alpha4.PortMapping `yaml:"extraPortMappings"`
}

// patchAlpha3 names its target; v1alpha4 matches by group, version and kind.
type patchAlpha3 struct {
	Group     string `yaml:"group"`
	Version   string `yaml:"version"`
	Kind      string `yaml:"kind"`
	Name      string `yaml:"name"`
	Namespace string `yaml:"namespace"`
	Patch     string `yaml:"patch"`
}

// convertAlpha3 reads a v1alpha3 configuration as v1alpha4. Patches written
// for it pin a kubeadm version of its day, which would make kind skip them
// without a word, so the pins are dropped.
func convertAlpha3(data []byte) (*v1alpha4.Cluster, []string, error) {
	var old clusterAlpha3
	if err := decodeStrict(data, &old); err != nil {
		return nil, nil, err
	}
	notes := []string{"apiVersion " + apiVersionAlpha3 + " was read as " + apiVersionAlpha4 + "; kind itself dropped it"}
	config := &v1alpha4.Cluster{
		Networking:                      old.Networking,
		ContainerdConfigPatches:         old.ContainerdConfigPatches,
		ContainerdConfigPatchesJSON6902: old.ContainerdPatchesJSON6902,
	}
	for _, node := range old.Nodes {
		config.Nodes = append(config.Nodes, v1alpha4.Node{
			Role: node.Role, Image: node.Image,
			ExtraMounts: node.ExtraMounts, ExtraPortMappings: node.ExtraPortMappings,
		})
	}
	for i, patch := range old.KubeadmConfigPatches {
		unpinned, pins, err := dropAPIVersion(patch)
		if err != nil {
			return nil, nil, fmt.Errorf("kubeadmConfigPatches[%d]: %w", i, err)
		}
		for _, pin := range pins {
			notes = append(notes, fmt.Sprintf("kubeadmConfigPatches[%d]: dropped apiVersion %s, with which kind would skip the patch", i, pin))
		}
		config.KubeadmConfigPatches = append(config.KubeadmConfigPatches, unpinned)
	}
	for i, patch := range old.KubeadmConfigPatchesJSON6902 {
		if patch.Version != "" {
			notes = append(notes, fmt.Sprintf("kubeadmConfigPatchesJson6902[%d]: dropped group and version %s/%s, with which kind would skip the patch", i, patch.Group, patch.Version))
		}
		config.KubeadmConfigPatchesJSON6902 = append(config.KubeadmConfigPatchesJSON6902, v1alpha4.PatchJSON6902{Kind: patch.Kind, Patch: patch.Patch})
	}
	return config, notes, nil
}

// dropAPIVersion removes the top-level apiVersion of each document of a kubeadm
// patch. Documents for the kubelet's and the proxy's configuration keep theirs.
func dropAPIVersion(patch string) (unpinned string, pins []string, err error) {
	decoder := yaml.NewDecoder(strings.NewReader(patch))
	var documents []string
	for {
		var document map[string]any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", nil, err
		}
		if document == nil {
			continue // nothing between two separators
		}
		if version, ok := document["apiVersion"].(string); ok && isKubeadmVersion(version) {
			delete(document, "apiVersion")
			pins = append(pins, version)
		}
		out, err := yaml.Marshal(document)
		if err != nil {
			return "", nil, err
		}
		documents = append(documents, string(out))
	}
	if len(pins) == 0 {
		return patch, nil, nil
	}
	return strings.Join(documents, "---\n"), pins, nil
}
