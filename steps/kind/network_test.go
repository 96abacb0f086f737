package kind

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

// networkText has what kind's own manifest has that matters here.
const networkText = `
# would you kindly template this file
# would you kindly patch this file
---
kind: ServiceAccount
apiVersion: v1
metadata: {name: kindnet, namespace: kube-system}
---
kind: DaemonSet
apiVersion: apps/v1
metadata: {name: kindnet, namespace: kube-system}
spec:
  template:
    spec:
      containers:
      - name: kindnet-cni
        env:
        - {name: POD_SUBNET, value: {{ .PodSubnet }}}
`

func TestTakeNetwork(t *testing.T) {
	t.Parallel()
	controlPlane, worker := v1alpha4.Node{Role: v1alpha4.ControlPlaneRole}, v1alpha4.Node{Role: v1alpha4.WorkerRole}
	for _, tc := range []struct {
		name     string
		manifest string
		config   v1alpha4.Cluster
		want     []string // env of the DaemonSet, as name=value; nil: kind does it
	}{
		{"kind's own", networkText, v1alpha4.Cluster{Nodes: []v1alpha4.Node{controlPlane, worker}},
			[]string{"POD_SUBNET=10.244.0.0/16", "CONTROL_PLANE_ENDPOINT=it-control-plane:6443"}},
		{"another subnet", networkText, v1alpha4.Cluster{Nodes: []v1alpha4.Node{controlPlane}, Networking: v1alpha4.Networking{PodSubnet: "10.1.0.0/16"}},
			[]string{"POD_SUBNET=10.1.0.0/16", "CONTROL_PLANE_ENDPOINT=it-control-plane:6443"}},
		{"a manifest that is complete", "kind: DaemonSet\napiVersion: apps/v1\nmetadata: {name: own}\nspec: {template: {spec: {containers: [{name: c, env: [{name: A, value: b}]}]}}}\n",
			v1alpha4.Cluster{Nodes: []v1alpha4.Node{controlPlane}}, []string{"A=b"}},
		{"several control planes", networkText, v1alpha4.Cluster{Nodes: []v1alpha4.Node{controlPlane, controlPlane}}, nil},
		{"IPv6", networkText, v1alpha4.Cluster{Nodes: []v1alpha4.Node{controlPlane}, Networking: v1alpha4.Networking{IPFamily: v1alpha4.IPv6Family}}, nil},
		{"a template that asks for more", "# would you kindly template this file\nkind: A\nx: {{ .Other }}\n", v1alpha4.Cluster{Nodes: []v1alpha4.Node{controlPlane}}, nil},
		{"no YAML", "{", v1alpha4.Cluster{Nodes: []v1alpha4.Node{controlPlane}}, nil},
		{"none is wanted", networkText, v1alpha4.Cluster{Nodes: []v1alpha4.Node{controlPlane}, Networking: v1alpha4.Networking{DisableDefaultCNI: true}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before := tc.config.Networking.DisableDefaultCNI
			c := &creation{config: &tc.config, image: nodeImage{cni: []byte(tc.manifest)}}
			c.Name = "it"
			c.takeNetwork()
			if taken := tc.want != nil; (c.network != nil) != taken || tc.config.Networking.DisableDefaultCNI != (taken || before) {
				t.Fatalf("taken %v, disableDefaultCNI %v", c.network != nil, tc.config.Networking.DisableDefaultCNI)
			}
			for _, object := range c.network {
				if object.GetKind() != "DaemonSet" {
					continue
				}
				var got []string
				containers, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
				env, _, _ := unstructured.NestedSlice(containers[0].(map[string]any), "env")
				for _, entry := range env {
					got = append(got, entry.(map[string]any)["name"].(string)+"="+entry.(map[string]any)["value"].(string))
				}
				if len(got) != len(tc.want) || got[0] != tc.want[0] || got[len(got)-1] != tc.want[len(tc.want)-1] {
					t.Errorf("env is %q, want %q", got, tc.want)
				}
			}
		})
	}
}
