package kind

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	yaml "go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/defaults"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Versions of kind's configuration that are read.
const (
	apiVersionAlpha4 = "kind.x-k8s.io/v1alpha4"
	apiVersionAlpha3 = "kind.sigs.k8s.io/v1alpha3"
)

const configHint = "the fields are described at https://kind.sigs.k8s.io/docs/user/configuration/"

// maxConfig bounds the configuration file, in bytes.
const maxConfig = 1 << 20

// ParseConfig reads a kind configuration of either version, strictly, and
// returns it as v1alpha4 with a note for each thing it had to change. Empty
// data is one control-plane node. The error is an input error.
func ParseConfig(data []byte) (*v1alpha4.Cluster, []string, error) {
	config := &v1alpha4.Cluster{}
	var notes []string
	if len(data) > maxConfig {
		return nil, nil, step.Invalidf("kind configuration: %d bytes are more than the %d allowed", len(data), maxConfig)
	}
	if len(bytes.TrimSpace(data)) > 0 {
		var meta struct {
			Kind       string `yaml:"kind"`
			APIVersion string `yaml:"apiVersion"`
		}
		if err := yaml.Unmarshal(data, &meta); err != nil {
			return nil, nil, step.Invalidf("kind configuration: %w", err)
		}
		var err error
		switch {
		case meta.Kind != "Cluster":
			err = fmt.Errorf("kind is %q, not Cluster", meta.Kind)
		case meta.APIVersion == apiVersionAlpha4:
			err = decodeStrict(data, config)
		case meta.APIVersion == apiVersionAlpha3:
			config, notes, err = convertAlpha3(data)
		default:
			err = fmt.Errorf("apiVersion %q is neither %s nor %s", meta.APIVersion, apiVersionAlpha4, apiVersionAlpha3)
		}
		if err != nil {
			return nil, nil, step.WithHint(step.Invalidf("kind configuration: %w", err), configHint)
		}
	}
	config.Kind, config.APIVersion = "Cluster", apiVersionAlpha4
	if len(config.Nodes) == 0 {
		config.Nodes = []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole}}
	}
	for i := range config.Nodes {
		if config.Nodes[i].Role == "" {
			config.Nodes[i].Role = v1alpha4.ControlPlaneRole
		}
	}
	return config, notes, nil
}

// decodeStrict reads exactly one document and refuses unknown fields.
func decodeStrict(data []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("more than one document in the file")
	}
	return nil
}

// setNodeImage gives every node the image, or kind's default to those without.
func setNodeImage(config *v1alpha4.Cluster, image string) {
	for i := range config.Nodes {
		if image != "" {
			config.Nodes[i].Image = image
		}
		if config.Nodes[i].Image == "" {
			config.Nodes[i].Image = defaults.Image
		}
	}
}

// firstNode is the name of the container of the first control plane.
func (c *creation) firstNode() string { return c.Name + "-" + string(v1alpha4.ControlPlaneRole) }

// nodeNames lists the names that kind gives to the containers of a cluster.
func nodeNames(cluster string, config *v1alpha4.Cluster) []string {
	var names []string
	count := map[v1alpha4.NodeRole]int{}
	for _, node := range config.Nodes {
		count[node.Role]++
		name := cluster + "-" + string(node.Role)
		if n := count[node.Role]; n > 1 {
			name += strconv.Itoa(n)
		}
		names = append(names, name)
	}
	if count[v1alpha4.ControlPlaneRole] > 1 {
		names = append(names, cluster+"-external-load-balancer")
	}
	return names
}
