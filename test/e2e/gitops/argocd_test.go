//go:build e2e

package gitops

import (
	"context"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/model-delivery/model-delivery/steps/kube"
)

// application makes an Argo CD Application that brings the repository's
// directory of an environment to a namespace of the same name as the repository.
func (r *repository) application(t *testing.T, environment string) {
	t.Helper()
	client, err := kube.NewClient(kube.Options{Kubeconfig: platform.Kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	app := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": map[string]any{"name": r.name, "namespace": "argocd"},
		"spec": map[string]any{
			"project":     r.name,
			"source":      map[string]any{"repoURL": r.url, "targetRevision": "main", "path": environment, "directory": map[string]any{"recurse": true}},
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": r.name},
			"syncPolicy":  map[string]any{"automated": map[string]any{"prune": true}, "syncOptions": []any{"CreateNamespace=true"}},
		},
	}}
	project := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
		"metadata": map[string]any{"name": r.name, "namespace": "argocd"},
		"spec": map[string]any{
			"sourceRepos":              []any{r.url},
			"destinations":             []any{map[string]any{"server": "https://kubernetes.default.svc", "namespace": r.name}},
			"clusterResourceWhitelist": []any{map[string]any{"group": "", "kind": "Namespace"}},
		},
	}}
	projects, err := client.Resource(project.GroupVersionKind(), "argocd")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := projects.Create(t.Context(), project, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := projects.Delete(context.Background(), r.name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("deleting the project: %v", err)
		}
	})
	apps, err := client.Resource(app.GroupVersionKind(), "argocd")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := apps.Create(t.Context(), app, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := apps.Delete(ctx, r.name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("deleting the application: %v", err)
		}
		namespaces, err := client.Resource(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, "")
		if err == nil {
			err = namespaces.Delete(ctx, r.name, metav1.DeleteOptions{})
		}
		if err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("deleting the namespace: %v", err)
		}
	})
}

// A promotion is seen live, a later commit counts, and a revert and a manifest
// that cannot be applied end the wait early.
func TestWaitForArgoCD(t *testing.T) {
	r := newRepository(t)
	promote := []string{"--environment=staging", "--model=news"}
	first := r.must(t, "gitops-promote", append(promote, "--source="+r.model(t, "news", "1"))...).results["commit"]
	r.application(t, "staging")
	wait := func(commit string, args ...string) outcome {
		t.Helper()
		return r.run(t.Context(), t, "gitops-wait", append([]string{"--kubeconfig=" + platform.Kubeconfig, "--application=" + r.name, "--commit=" + commit,
			"--path={environment}/{model}", "--environment=staging", "--model=news", "--timeout=3m"}, args...)...)
	}
	if o := wait(first); o.code != 0 || o.results["revision"] != first {
		t.Fatalf("exit code %d, %v\n%s", o.code, o.results, o.stderr)
	}

	start := time.Now()
	second := r.must(t, "gitops-promote", append(promote, "--source="+r.model(t, "news", "2"))...).results["commit"]
	if o := wait(second); o.code != 0 || o.results["revision"] != second {
		t.Fatalf("exit code %d, %v\n%s", o.code, o.results, o.stderr)
	}
	t.Logf("promoted and live after %s", time.Since(start).Round(100*time.Millisecond))

	// Another model comes: the commit before is live all the same.
	other := r.must(t, "gitops-promote", "--environment=staging", "--model=other", "--source="+r.model(t, "other", "1")).results["commit"]
	if o := wait(other); o.code != 0 {
		t.Fatalf("exit code %d\n%s", o.code, o.stderr)
	}
	if o := wait(second); o.code != 0 || o.results["revision"] != other {
		t.Errorf("exit code %d, %v\n%s", o.code, o.results, o.stderr)
	}

	back := r.must(t, "gitops-revert", "--environment=staging", "--model=news", "--strategy=push").results["commit"]
	if o := wait(back); o.code != 0 {
		t.Fatalf("exit code %d\n%s", o.code, o.stderr)
	}
	start = time.Now()
	if o := wait(second); o.code != 1 || !strings.Contains(o.stderr, "it was reverted") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("the revert was told after %s", took)
	}

	// A name that Kubernetes does not take.
	bad := r.model(t, "Not_A_Name", "3")
	broken := r.must(t, "gitops-promote", append(promote, "--source="+bad)...).results["commit"]
	start = time.Now()
	if o := wait(broken, "--patience=20s"); o.code != 1 || !strings.Contains(o.stderr, "Not_A_Name") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
	t.Logf("a manifest that cannot be applied was told after %s", time.Since(start).Round(time.Second))
}
