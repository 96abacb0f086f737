package components

import (
	"context"
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube/chart"
)

// seldonSmall is what kustomize makes of Seldon's config/default, in small.
const seldonSmall = `
apiVersion: v1
kind: Namespace
metadata: {name: seldon-system}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: seldon-serving-cert, namespace: seldon-system}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: seldondeployments.machinelearning.seldon.io
  annotations: {cert-manager.io/inject-ca-from: somewhere}
spec: {group: machinelearning.seldon.io, names: {kind: SeldonDeployment}}
status: {storedVersions: []}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: seldon
  annotations: {cert-manager.io/inject-ca-from: somewhere}
webhooks:
- clientConfig: {service: {name: seldon-webhook-service, namespace: seldon-system}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: seldon-controller-manager, namespace: seldon-system}
spec:
  template:
    spec:
      containers:
      - name: manager
        image: docker.io/seldonio/seldon-core-operator:1.16.0
        args: [--enable-leader-election]
        env:
        - {name: AMBASSADOR_ENABLED, value: "false"}
        - {name: AMBASSADOR_VERSION, value: v0}
        - {name: DEFAULT_USER_ID, value: ""}
        - {name: EXECUTOR_SERVER_PORT, value: "8000"}
`

// rendered pushes the chart to a registry, fetches it as cluster-setup does and
// renders it.
func rendered(t *testing.T, pushed helmChart, namespace string, values map[string]any) *chart.Release {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	repository := strings.TrimPrefix(server.URL, "http://") + "/charts"
	first, err := writeChart(t.Context(), repository, pushed)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := writeChart(context.Background(), repository, pushed); err != nil || again != first {
		t.Errorf("the same chart is %s and then %s, %v", first, again, err)
	}
	loaded, err := chart.Fetch(t.Context(), chart.Source{OCI: "oci://" + repository, Name: pushed.name, Version: pushed.version}, nil)
	if err != nil {
		t.Fatal(err)
	}
	release, err := chart.Render(loaded, chart.RenderOptions{Release: "test", Namespace: namespace, Values: values})
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func find(t *testing.T, objects []*unstructured.Unstructured, kind string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() == kind {
			return object
		}
	}
	t.Fatalf("there is no %s", kind)
	return nil
}

func container(t *testing.T, deployment *unstructured.Unstructured) map[string]any {
	t.Helper()
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		t.Fatalf("the deployment has %d containers, %v", len(containers), err)
	}
	return containers[0].(map[string]any)
}

func TestSeldonChart(t *testing.T) {
	t.Parallel()
	made, err := seldonChart([]byte(seldonSmall), "registry/operator@sha256:1")
	if err != nil {
		t.Fatal(err)
	}
	release := rendered(t, made, "elsewhere", map[string]any{"ambassador": map[string]any{"enabled": true, "version": "v2"}})

	if len(release.CRDs) != 1 || release.CRDs[0].Object["status"] != nil {
		t.Errorf("the definitions are %v", release.CRDs)
	}
	for _, object := range append(slices.Clone(release.CRDs), release.Objects...) {
		for annotation := range object.GetAnnotations() {
			if strings.Contains(annotation, "cert-manager") {
				t.Errorf("%s leaves its certificate to cert-manager", object.GetKind())
			}
		}
	}
	kinds := map[string]bool{}
	for _, object := range release.Objects {
		kinds[object.GetKind()] = true
		if namespace := object.GetNamespace(); namespace != "" && namespace != "elsewhere" {
			t.Errorf("%s is in the namespace %s", object.GetKind(), namespace)
		}
	}
	if got, want := slices.Sorted(maps.Keys(kinds)), []string{"Deployment", "Secret", "ValidatingWebhookConfiguration"}; !slices.Equal(got, want) {
		t.Errorf("the chart has %q, want %q", got, want)
	}

	manager := container(t, find(t, release.Objects, "Deployment"))
	if manager["image"] != "registry/operator@sha256:1" {
		t.Errorf("the operator's image is %v", manager["image"])
	}
	got := map[string]any{}
	for _, entry := range manager["env"].([]any) {
		variable := entry.(map[string]any)
		got[variable["name"].(string)] = variable["value"]
	}
	want := map[string]any{"AMBASSADOR_ENABLED": "true", "AMBASSADOR_VERSION": "v2", "DEFAULT_USER_ID": "8888", "EXECUTOR_SERVER_PORT": "8000"}
	if !maps.Equal(got, want) {
		t.Errorf("the operator's variables are %v, want %v", got, want)
	}

	secret := find(t, release.Objects, "Secret")
	certificate, _, _ := unstructured.NestedString(secret.Object, "data", "tls.crt")
	webhooks, _, _ := unstructured.NestedSlice(find(t, release.Objects, "ValidatingWebhookConfiguration").Object, "webhooks")
	trusted, _, _ := unstructured.NestedString(webhooks[0].(map[string]any), "clientConfig", "caBundle")
	if certificate == "" || trusted != certificate {
		t.Errorf("the API server trusts %.20q and the operator serves %.20q", trusted, certificate)
	}
}

func TestSeldonChartRefusesTemplates(t *testing.T) {
	t.Parallel()
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: \"{{ .Bad }}\"}\n"
	if _, err := seldonChart([]byte(text), "image"); err == nil {
		t.Error("text that a chart would take for a template is accepted")
	}
}

func TestGatewayChart(t *testing.T) {
	t.Parallel()
	ports := func(more map[string]any) map[string]any {
		port := map[string]any{"name": "http", "port": 80, "targetPort": 8080}
		maps.Copy(port, more)
		return map[string]any{"ports": []any{port}}
	}
	tests := []struct {
		name   string
		values map[string]any
		kind   string
		port   int64
	}{
		{"as the profile has it", nil, "ClusterIP", 0},
		{"on a port of the node", map[string]any{"service": map[string]any{
			"type": "NodePort", "ports": ports(map[string]any{"nodePort": 30088})["ports"],
		}}, "NodePort", 30088},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			release := rendered(t, gatewayChart("registry/gateway@sha256:1"), "gateway", test.values)
			service := find(t, release.Objects, "Service")
			kind, _, _ := unstructured.NestedString(service.Object, "spec", "type")
			list, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
			port, _, _ := unstructured.NestedInt64(list[0].(map[string]any), "nodePort")
			if kind != test.kind || port != test.port || service.GetName() != "gateway" {
				t.Errorf("the service %s is of type %s with the node port %d", service.GetName(), kind, port)
			}
			if got := container(t, find(t, release.Objects, "Deployment"))["image"]; got != "registry/gateway@sha256:1" {
				t.Errorf("the image is %v", got)
			}
		})
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	var heard []string
	l := &lines{logf: func(_ string, args ...any) { heard = append(heard, args[0].(string)) }}
	for _, part := range []string{"one\ntw", "o\n", "three\nrest"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if want := []string{"one", "two", "three"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
	if got := l.tail(2); got != "two\nthree" {
		t.Errorf("tail = %q", got)
	}
}
