//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/model-delivery/model-delivery/test/delivery"
)

// deployer is a service account for the Task seldon-deploy and a namespace that
// it may deploy to. Both go with the test.
func deployer(t *testing.T, s *delivery.Session, name string) {
	t.Helper()
	kube := s.Runs.Kube
	meta := metav1.ObjectMeta{Name: name}
	account := rbacv1.Subject{Kind: "ServiceAccount", Name: name, Namespace: delivery.RunNamespace}
	_, err := kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: meta}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.CoreV1().Namespaces().Delete(cleanup(t), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	if _, err := kube.CoreV1().ServiceAccounts(delivery.RunNamespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.CoreV1().ServiceAccounts(delivery.RunNamespace).Delete(cleanup(t), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"machinelearning.seldon.io"}, Resources: []string{"seldondeployments"}, Verbs: []string{"get", "list", "watch", "create", "patch"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "replicasets"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"pods", "services", "events"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
	}}
	if _, err := kube.RbacV1().Roles(name).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}, Subjects: []rbacv1.Subject{account}}
	if _, err := kube.RbacV1().RoleBindings(name).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// Every Task can be started by itself with tkn, one on what another left in a
// shared volume, as somebody would who takes them into a pipeline of their own.
func TestTasksOneByOne(t *testing.T) {
	s := connect(t)
	values := settings(t, s)
	commit := push(t, s, fresh("one-by-one"), "Deliver one Task after another", nil)
	gateway := s.Platform.Value("gateway", "cluster-url")
	volume := claim(t, s)
	source, gitops := on(volume, "source", "models-repository"), on(volume, "source", "gitops-repository")
	credentials := []string{"--workspace", "name=basic-auth,secret=forge-credentials"}
	tasks := taskStarter{s: s, timeout: 10 * time.Minute, common: []string{
		"--serviceaccount", "model-delivery-run", "--pod-template", "pipelines/model-delivery/samples/pod-template.yaml",
	}}
	run := func(name string, args ...[]string) map[string]string {
		t.Helper()
		task := tasks.run(t, name, slices.Concat(args...)...)
		results := map[string]string{}
		for _, result := range task.Status.Results {
			results[result.Name] = result.Value.StringVal
			if result.Value.ArrayVal != nil {
				results[result.Name] = strings.Join(result.Value.ArrayVal, ",")
			}
		}
		return results
	}

	run("forge-report", credentials, params("provider", "gitea", "repository", values["models-repository"], "commit", commit, "state", "pending", "context", "one-by-one"))
	checkout := run("git-checkout", credentials, on(volume, "output", ""), params("url", values["models-repository"], "revision", commit, "subdirectory", "models-repository"))
	if checkout["commit"] != commit {
		t.Errorf("git-checkout is at %q, not at %s", checkout["commit"], commit)
	}
	if changes := run("model-changes", source, params("models", "all")); changes["models"] != model {
		t.Errorf("model-changes found %q", changes["models"])
	}
	run("model-unit-test", source, params("model", model, "builder-image", values["builder-image"]))

	docker := params("model", model, "builder-image", values["builder-image"], "base-image", values["base-image"],
		"dind-image", values["dind-image"], "insecure-registries", values["insecure-registries"])
	image := values["image-prefix"] + "/one-by-one:" + commit
	built := run("model-image", source, docker, params("image", image, "push", image))
	if !strings.HasPrefix(built["IMAGE_DIGEST"], "sha256:") {
		t.Errorf("model-image pushed %q", built["IMAGE_DIGEST"])
	}
	proved := run("kind-integration-test", source, on(volume, "reports", "reports"), docker, params("image", image, "push", "true", "source-commit", commit,
		"node-image", values["node-image"], "node-registry-mirrors", values["node-registry-mirrors"], "chart-registry", values["chart-registry"]))
	if proved["outcome"] != "success" || proved["release"] == "" {
		t.Fatalf("kind-integration-test: %v", proved)
	}

	namespace := "one-by-one-" + commit[:8]
	deployer(t, s, namespace)
	pinned := image + "@" + proved["IMAGE_DIGEST"]
	deploying := tasks
	deploying.common = []string{"--serviceaccount", namespace, "--pod-template", "pipelines/model-delivery/samples/pod-template.yaml"}
	deploying.run(t, "seldon-deploy", slices.Concat(source, params("manifests", "models/"+model+"/charts", "namespace", namespace, "image", "classifier="+pinned))...)
	checked := run("seldon-predict", source, params("endpoint", gateway, "namespace", namespace, "release", proved["release"]))
	if checked["outcome"] != "passed" || checked["failed"] != "0" {
		t.Errorf("seldon-predict: %v", checked)
	}
	deploying.run(t, "gitops-wait", params("controller", "objects", "namespace", namespace, "release", proved["release"])...)

	promoted := run("gitops-promote", source, credentials, params("repository", values["gitops-repository"], "environment", "trial-"+commit[:8],
		"provider", "gitea", "release", proved["release"]))
	if promoted["changed"] != "true" || promoted["release"] == "" {
		t.Errorf("gitops-promote: %v", promoted)
	}
	run("git-checkout", credentials, on(volume, "output", ""), params("url", values["gitops-repository"], "revision", "main", "subdirectory", "gitops-repository"))
	if found := run("promoted-releases", gitops, params("path", "trial-"+commit[:8])); !strings.Contains(found["releases"], proved["IMAGE_DIGEST"]) {
		t.Errorf("promoted-releases: %v", found)
	}
	run("forge-report", credentials, params("provider", "gitea", "repository", values["models-repository"], "commit", commit, "state", "success", "context", "one-by-one"))
	if green, err := s.Lead.WaitStatus(t.Context(), s.ModelsRepo, commit, time.Minute); err != nil || !green {
		t.Errorf("the commit's status is green: %v, %v", green, err)
	}
}
