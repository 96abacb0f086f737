package kind

import (
	"bytes"
	"context"
	"fmt"
	"text/template"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// networkManifest is where a node image has the manifest of kind's default network.
const networkManifest = "/kind/manifests/default-cni.yaml"

// Lines of that manifest which say that it is not complete. They are of kind's
// package installcni.
const (
	markTemplate = "would you kindly template this file"
	markPatch    = "would you kindly patch this file"
)

const (
	defaultPodSubnet = "10.244.0.0/16" // kind's, for IPv4
	apiServerPort    = 6443
	networkTimeout   = time.Minute
)

// takeNetwork takes the installation of the default network out of kind's hands.
// kind does it when kubeadm is done, with a kubectl in the node; the API server
// takes the manifest seconds before, and until a node has a network it is not
// Ready and no pod of another kind starts. What kind would do differently than
// for one IPv4 control plane, or a manifest that asks for more than is known
// here, is left to kind.
func (c *creation) takeNetwork() {
	networking := &c.config.Networking
	controlPlanes := 0
	for _, node := range c.config.Nodes {
		if node.Role == v1alpha4.ControlPlaneRole {
			controlPlanes++
		}
	}
	if networking.DisableDefaultCNI || c.image.cni == nil || controlPlanes != 1 || !isIPv4(networking) {
		return
	}
	podSubnet := networking.PodSubnet
	if podSubnet == "" {
		podSubnet = defaultPodSubnet
	}
	endpoint := fmt.Sprintf("%s:%d", c.firstNode(), apiServerPort)
	objects, err := renderNetwork(c.image.cni, podSubnet, endpoint)
	if err != nil {
		return // kind will say what is wrong with it
	}
	c.network = objects
	networking.DisableDefaultCNI = true
}

// renderNetwork completes a manifest of kind's default network as kind does.
// endpoint is where pods of the nodes' own network reach the API server.
func renderNetwork(manifest []byte, podSubnet, endpoint string) ([]*unstructured.Unstructured, error) {
	patch := bytes.Contains(manifest, []byte(markPatch))
	if bytes.Contains(manifest, []byte(markTemplate)) {
		parsed, err := template.New(networkManifest).Parse(string(manifest))
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		if err := parsed.Execute(&out, struct{ PodSubnet string }{podSubnet}); err != nil {
			return nil, err
		}
		manifest = out.Bytes()
	}
	objects, err := kube.Decode(manifest, networkManifest)
	if err != nil || !patch {
		return objects, err
	}
	for _, object := range objects {
		if object.GroupVersionKind().GroupKind().String() != "DaemonSet.apps" {
			continue
		}
		path := []string{"spec", "template", "spec", "containers"}
		containers, _, err := unstructured.NestedSlice(object.Object, path...)
		if err != nil || len(containers) == 0 {
			return nil, fmt.Errorf("DaemonSet %s has no containers", object.GetName())
		}
		first, _ := containers[0].(map[string]any)
		env, _, _ := unstructured.NestedSlice(first, "env")
		first["env"] = append(env, map[string]any{"name": "CONTROL_PLANE_ENDPOINT", "value": endpoint})
		if err := unstructured.SetNestedSlice(object.Object, containers, path...); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// installNetwork sends the network that [creation.takeNetwork] took over.
func (c *creation) installNetwork(ctx context.Context, config *rest.Config) error {
	if c.network == nil {
		return nil
	}
	cli, err := kube.NewClientForConfig(config, systemNamespace)
	if err != nil {
		return err
	}
	if _, err := kube.Apply(ctx, cli, c.network, kube.ApplyOptions{Timeout: networkTimeout}); err != nil {
		return step.Infraf("install the cluster's network: %w", err)
	}
	c.Log("the network's manifest is applied")
	return nil
}
