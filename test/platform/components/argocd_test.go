package components

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/test/platform/kubeapply"
)

// argocdPublished is core-install.yaml in small: one of everything that changes.
const argocdPublished = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: applicationsets.argoproj.io}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: argocd-application-controller}
subjects: [{kind: ServiceAccount, name: argocd-application-controller, namespace: elsewhere}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: argocd-redis}
subjects: [{kind: ServiceAccount, name: argocd-redis}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cm}
---
apiVersion: v1
kind: Secret
metadata: {name: argocd-secret}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: argocd-redis}
spec:
  template:
    spec:
      containers: [{name: redis, image: redis, args: [--save, ""]}]
      initContainers: [{name: secret-init, image: argocd}]
`

func argocdObjects(t *testing.T, refs argocdRefs) map[string]*unstructured.Unstructured {
	t.Helper()
	manifests, err := argocdCore([]byte(argocdPublished), refs, "key")
	if err != nil {
		t.Fatal(err)
	}
	return byName(t, manifests)
}

func byName(t *testing.T, manifests []byte) map[string]*unstructured.Unstructured {
	t.Helper()
	objects, err := kubeapply.Parse(manifests)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		found[object.GetKind()+" "+object.GetName()] = object
	}
	return found
}

func TestArgoCDCore(t *testing.T) {
	t.Parallel()
	objects := argocdObjects(t, argocdRefs{built: true, argocd: "registry/argocd@sha256:1", redis: "registry/argocd@sha256:1"})

	if _, found := objects["CustomResourceDefinition applicationsets.argoproj.io"]; found {
		t.Error("ApplicationSets are installed, which nothing uses")
	}
	if _, found := objects["Namespace argocd"]; !found {
		t.Error("the namespace is missing")
	}
	for _, name := range []string{"ClusterRoleBinding argocd-application-controller", "RoleBinding argocd-redis"} {
		subjects, _, _ := unstructured.NestedSlice(objects[name].Object, "subjects")
		if got := subjects[0].(map[string]any)["namespace"]; got != "argocd" {
			t.Errorf("%s is for an account of the namespace %v", name, got)
		}
	}
	if got := objects["ClusterRoleBinding argocd-application-controller"].GetNamespace(); got != "" {
		t.Errorf("a ClusterRoleBinding is in the namespace %q", got)
	}
	if got, _, _ := unstructured.NestedString(objects["Secret argocd-secret"].Object, "stringData", "server.secretkey"); got != "key" {
		t.Errorf("server.secretkey = %q", got)
	}
	if got, _, _ := unstructured.NestedString(objects["ConfigMap argocd-cm"].Object, "data", "timeout.reconciliation"); got != argocdPoll {
		t.Errorf("timeout.reconciliation = %q", got)
	}
	redis := objects["Deployment argocd-redis"]
	containers, _, _ := unstructured.NestedSlice(redis.Object, "spec", "template", "spec", "containers")
	container := containers[0].(map[string]any)
	if container["image"] != "registry/argocd@sha256:1" || !slices.Equal(container["command"].([]any), []any{"redis-server"}) {
		t.Errorf("redis is %v", container)
	}
	inits, _, _ := unstructured.NestedSlice(redis.Object, "spec", "template", "spec", "initContainers")
	if got := inits[0].(map[string]any)["image"]; got != "registry/argocd@sha256:1" {
		t.Errorf("the init container runs %v", got)
	}
}

func TestArgoCDCoreOfARelease(t *testing.T) {
	t.Parallel()
	redis := argocdObjects(t, argocdRefs{})["Deployment argocd-redis"]
	containers, _, _ := unstructured.NestedSlice(redis.Object, "spec", "template", "spec", "containers")
	if got := containers[0].(map[string]any); got["image"] != "redis" || got["command"] != nil {
		t.Errorf("a release's redis was changed to %v", got)
	}
}

func TestArgoCDApplications(t *testing.T) {
	t.Parallel()
	manifests, err := argocdApplications("http://forge/ml/gitops.git", "argocd", "token")
	if err != nil {
		t.Fatal(err)
	}
	objects := byName(t, manifests)
	for _, environment := range []string{"staging", "production"} {
		application := objects["Application "+environment]
		if application == nil {
			t.Fatalf("there is no application %s", environment)
		}
		folder, _, _ := unstructured.NestedString(application.Object, "spec", "source", "path")
		namespace, _, _ := unstructured.NestedString(application.Object, "spec", "destination", "namespace")
		if folder != environment || namespace != environment {
			t.Errorf("the application %s puts the folder %s into the namespace %s", environment, folder, namespace)
		}
		if objects["Namespace "+environment] == nil {
			t.Errorf("the namespace %s is missing", environment)
		}
	}
	if got, _, _ := unstructured.NestedStringSlice(objects["AppProject default"].Object, "spec", "sourceRepos"); !slices.Equal(got, []string{"http://forge/ml/gitops.git"}) {
		t.Errorf("the project may take from %q", got)
	}
}

func TestComparison(t *testing.T) {
	t.Parallel()
	condition := func(kind string) []any { return []any{map[string]any{"type": kind, "message": "because"}} }
	status := func(sync string, conditions []any) map[string]any {
		return map[string]any{
			"sync": map[string]any{"status": sync}, "health": map[string]any{"status": "Healthy"}, "conditions": conditions,
		}
	}
	tests := []struct {
		name   string
		status map[string]any
		want   string
		fails  string
	}{
		{"synced", status("Synced", nil), "Synced Healthy", ""},
		{"behind", status("OutOfSync", nil), "OutOfSync Healthy", ""},
		{"not looked at yet", map[string]any{}, "", "has not been compared"},
		{"unknown", status("Unknown", nil), "", "has not been compared"},
		{"repository refused", status("Unknown", condition("ComparisonError")), "", "ComparisonError: because"},
		{"a sync that failed is retried", status("OutOfSync", condition("SyncError")), "OutOfSync Healthy", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			application := object("argoproj.io/v1alpha1", "Application", "staging")
			application.Object["status"] = test.status
			got, err := comparison(application)
			if got != test.want || (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Errorf("comparison = %q, %v; want %q, %q", got, err, test.want, test.fails)
			}
		})
	}
}
