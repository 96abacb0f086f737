package kind

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/steps/step"
)

// checkConfig refuses a configuration that cannot work whatever the node image
// and the daemon are, before either is asked for. kind would refuse most of it
// too, but only when all is there.
func checkConfig(config *v1alpha4.Cluster) error {
	found := append(validate(config), lint(config, surroundings{})...)
	var wrong []string
	for _, f := range found {
		if f.Fatal {
			wrong = append(wrong, f.Path+": "+f.Text)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return step.WithHint(step.Invalidf("kind configuration: %s", strings.Join(wrong, "; ")), configHint)
}

// validate finds values that kind refuses.
func validate(config *v1alpha4.Cluster) []Finding {
	var found []Finding
	refuse := func(path, format string, args ...any) {
		found = append(found, Finding{Fatal: true, Path: path, Text: fmt.Sprintf(format, args...)})
	}
	controlPlanes := 0
	for n, node := range config.Nodes {
		switch node.Role {
		case v1alpha4.ControlPlaneRole:
			controlPlanes++
		case v1alpha4.WorkerRole:
		default:
			refuse(fmt.Sprintf("nodes[%d].role", n), "%q is neither %s nor %s", node.Role, v1alpha4.ControlPlaneRole, v1alpha4.WorkerRole)
		}
	}
	if controlPlanes == 0 {
		refuse("nodes", "there is no %s among them", v1alpha4.ControlPlaneRole)
	}
	found = append(found, validateNetworking(config.Networking)...)
	found = append(found, validatePorts(config.Nodes)...)
	checkPatches := func(path string, patches []v1alpha4.PatchJSON6902) {
		for i, patch := range patches {
			data, err := yaml.YAMLToJSON([]byte(patch.Patch))
			if err == nil {
				err = checkJSONPatch(data)
			}
			if err != nil {
				refuse(fmt.Sprintf("%s[%d].patch", path, i), "not a JSON 6902 patch: %v", err)
			}
		}
	}
	checkPatches("kubeadmConfigPatchesJSON6902", config.KubeadmConfigPatchesJSON6902)
	for n, node := range config.Nodes {
		checkPatches(fmt.Sprintf("nodes[%d].kubeadmConfigPatchesJSON6902", n), node.KubeadmConfigPatchesJSON6902)
	}
	for i, patch := range config.ContainerdConfigPatchesJSON6902 {
		if err := checkJSONPatch([]byte(patch)); err != nil {
			refuse(fmt.Sprintf("containerdConfigPatchesJSON6902[%d]", i), "not a JSON 6902 patch: %v", err)
		}
	}
	return found
}

// noProxy has no name in kind's types.
const noProxy v1alpha4.ProxyMode = "none"

func validateNetworking(networking v1alpha4.Networking) []Finding {
	var found []Finding
	refuse := func(path, format string, args ...any) {
		found = append(found, Finding{Fatal: true, Path: "networking." + path, Text: fmt.Sprintf(format, args...)})
	}
	families := []v1alpha4.ClusterIPFamily{v1alpha4.IPv4Family, v1alpha4.IPv6Family, v1alpha4.DualStackFamily}
	if family := networking.IPFamily; family != "" && !slices.Contains(families, family) {
		refuse("ipFamily", "%q is none of %s", family, join(families))
	}
	modes := []v1alpha4.ProxyMode{v1alpha4.IPTablesProxyMode, v1alpha4.NFTablesProxyMode, v1alpha4.IPVSProxyMode, noProxy}
	if mode := networking.KubeProxyMode; mode != "" && !slices.Contains(modes, mode) {
		refuse("kubeProxyMode", "%q is none of %s", mode, join(modes))
	}
	for _, part := range []struct{ name, subnets string }{{"podSubnet", networking.PodSubnet}, {"serviceSubnet", networking.ServiceSubnet}} {
		if err := checkSubnets(part.subnets, networking.IPFamily); part.subnets != "" && err != nil {
			refuse(part.name, "%v", err)
		}
	}
	if port := networking.APIServerPort; port < -1 || port > maxPort {
		refuse("apiServerPort", "%d is no port", port)
	}
	return found
}

func join[T ~string](values []T) string {
	var texts []string
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return strings.Join(texts, ", ")
}

// checkSubnets wants one subnet of the family, or one of each for both.
func checkSubnets(text string, family v1alpha4.ClusterIPFamily) error {
	parts := strings.Split(text, ",")
	var four, six int
	for _, part := range parts {
		ip, _, err := net.ParseCIDR(part)
		switch {
		case err != nil:
			return fmt.Errorf("%q is no subnet such as 10.244.0.0/16", part)
		case ip.To4() != nil:
			four++
		default:
			six++
		}
	}
	switch {
	case family == v1alpha4.DualStackFamily && (four > 1 || six > 1):
		return fmt.Errorf("%q is more than one subnet of a family", text)
	case family != v1alpha4.DualStackFamily && len(parts) > 1:
		return fmt.Errorf("%q is more than one subnet, and ipFamily is not dual", text)
	case family == v1alpha4.IPv6Family && four > 0, (family == "" || family == v1alpha4.IPv4Family) && six > 0:
		return fmt.Errorf("%q is of another family than ipFamily says", text)
	}
	return nil
}

const maxPort = 65535

// validatePorts finds ports that are none, and two that the daemon's machine
// would have to give twice.
func validatePorts(nodes []v1alpha4.Node) []Finding {
	type taken struct {
		address        netip.Addr
		port, protocol string
		path           string
	}
	var found []Finding
	var all []taken
	for n, node := range nodes {
		for i, m := range node.ExtraPortMappings {
			path := fmt.Sprintf("nodes[%d].extraPortMappings[%d]", n, i)
			refuse := func(format string, args ...any) {
				found = append(found, Finding{Fatal: true, Path: path, Text: fmt.Sprintf(format, args...)})
			}
			if m.ContainerPort < 1 || m.ContainerPort > maxPort {
				refuse("containerPort %d is no port", m.ContainerPort)
			}
			if m.HostPort < -1 || m.HostPort > maxPort {
				refuse("hostPort %d is no port", m.HostPort)
			}
			address := netip.IPv4Unspecified()
			if m.ListenAddress != "" {
				var err error
				if address, err = netip.ParseAddr(m.ListenAddress); err != nil {
					refuse("listenAddress %q is no address", m.ListenAddress)
					continue
				}
			}
			if m.HostPort < 1 {
				continue // a free one is taken
			}
			protocol := strings.ToUpper(string(m.Protocol))
			if protocol == "" {
				protocol = string(v1alpha4.PortMappingProtocolTCP)
			}
			here := taken{address.Unmap(), fmt.Sprint(m.HostPort), protocol, path}
			for _, other := range all {
				same := other.address == here.address || other.address.IsUnspecified() || here.address.IsUnspecified()
				if same && other.port == here.port && other.protocol == here.protocol {
					refuse("hostPort %d is mapped by %s already", m.HostPort, other.path)
					break
				}
			}
			all = append(all, here)
		}
	}
	return found
}

var patchOperations = []string{"add", "remove", "replace", "move", "copy", "test"}

// checkJSONPatch tells what is wrong with a list of operations on a document.
func checkJSONPatch(data []byte) error {
	var operations []struct {
		Op   string  `json:"op"`
		Path *string `json:"path"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&operations); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("there is more after the list")
	}
	for i, operation := range operations {
		switch {
		case !slices.Contains(patchOperations, operation.Op):
			return fmt.Errorf("operation %d: op %q is none of %s", i, operation.Op, strings.Join(patchOperations, ", "))
		case operation.Path == nil:
			return fmt.Errorf("operation %d names no path", i)
		case *operation.Path != "" && !strings.HasPrefix(*operation.Path, "/"):
			return fmt.Errorf("operation %d: path %q does not begin with /", i, *operation.Path)
		}
	}
	return nil
}
