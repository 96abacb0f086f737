package locate

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return obj
}

// TestPodPort follows a Service's port to the pod's, however it is written.
func TestPodPort(t *testing.T) {
	t.Parallel()
	pod := parse(t, `{apiVersion: v1, kind: Pod, spec: {containers: [{name: side}, {name: m, ports: [{name: http, containerPort: 9000}, {name: grpc, containerPort: 9500}]}]}}`)
	for target, want := range map[string]int{"9000": 9000, "http": 9000, "grpc": 9500, `"9100"`: 9100, "nowhere": 8000, "0": 8000, "null": 8000} {
		service := parse(t, `{apiVersion: v1, kind: Service, spec: {ports: [{name: http, port: 8000, targetPort: `+target+`}]}}`)
		ports := servicePorts(service)
		if len(ports) != 1 || ports[0].name != "http" || ports[0].number != 8000 {
			t.Fatalf("ports are %+v", ports)
		}
		if got := podPort(pod, ports[0]); got != want {
			t.Errorf("target %s is port %d, want %d", target, got, want)
		}
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{
		"{conditions: [{type: Ready, status: 'True'}]}": true, "{conditions: [{type: Ready, status: 'False'}]}": false, "{phase: Running}": false,
	} {
		if got := isReady(parse(t, "{apiVersion: v1, kind: Pod, status: "+status+"}")); got != want {
			t.Errorf("%s: ready is %v", status, got)
		}
	}
}
