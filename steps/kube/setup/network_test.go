package setup_test

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube/kubetest"
	"github.com/model-delivery/model-delivery/steps/kube/setup"
)

// What makes pods waits until a node is Ready and kube-proxy runs; the rest is
// there by then.
func TestPodsWaitForTheNetwork(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"setup.yaml": header + "- {name: a, manifests: [{file: a.yaml}]}\n",
		"a.yaml":     deployment("app") + "\n---\n" + configMap("settings") + "\n",
	})
	server := kubetest.New(t)
	server.Serve("/v1", "Node", "nodes", false)
	server.PutYAML(t, "{apiVersion: v1, kind: Node, metadata: {name: node-1}, status: {conditions: [{type: Ready, status: \"False\"}]}}")
	server.PutYAML(t, "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: kube-proxy, namespace: kube-system}, status: {numberReady: 0}}")
	rolled := rollOut(server, 10*time.Millisecond)
	server.OnApply = func(obj *unstructured.Unstructured) { rolled(obj) }
	client := server.Client(t)
	done := make(chan error, 1)
	go func() {
		_, err := setup.Install(t.Context(), plan(t, dir), setup.Options{
			Client: client, Timeout: 20 * time.Second, BeforePods: func(ctx context.Context) error { return setup.AwaitNetwork(ctx, client, nil) },
		})
		done <- err
	}()
	step := func(what string, change string) {
		t.Helper()
		time.Sleep(400 * time.Millisecond)
		if server.Get("ConfigMap", "a", "settings") == nil || server.Get("Deployment", "a", "app") != nil {
			t.Errorf("%s: the settings must be there and the Deployment not", what)
		}
		server.PutYAML(t, change)
	}
	step("no node is Ready", "{apiVersion: v1, kind: Node, metadata: {name: node-1}, status: {conditions: [{type: Ready, status: \"True\"}]}}")
	step("kube-proxy does not run", "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: kube-proxy, namespace: kube-system}, status: {numberReady: 1}}")
	if err := <-done; err != nil || server.Get("Deployment", "a", "app") == nil {
		t.Errorf("%v", err)
	}
}
