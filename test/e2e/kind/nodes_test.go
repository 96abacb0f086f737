//go:build e2e

package kind

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const twoNodes = `nodes:
- role: control-plane
- role: worker
`

// A cluster of several nodes is ready when all of them are, with a second
// CoreDNS for the loss of a node, and an image is loaded into each.
func TestTwoNodes(t *testing.T) {
	cluster := clusterName(t)
	w := watch(t, cluster)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	archive, archived := imageArchive(t, t.TempDir())
	created := run(t, 0, "kind-cluster", "create", "--name", cluster, "--node-image", platform.NodeImage,
		"--config", config(t, twoNodes), "--kubeconfig", kubeconfig, "--archive", archive)
	t.Logf("phases: %v", phases(t, created))
	if got := kubectl(t, kubeconfig, "get", "nodes", "-o", "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"); got != "True True" {
		t.Errorf("the nodes' Ready is %q", got)
	}
	if got := kubectl(t, kubeconfig, "-n", "kube-system", "get", "deployment", "coredns", "-o", "jsonpath={.spec.replicas}"); got != "2" {
		t.Errorf("there are %s CoreDNS", got)
	}
	for _, node := range []string{cluster + "-control-plane", cluster + "-worker"} {
		if list := dockerCommand(t, "exec", node, "ctr", "-n", "k8s.io", "images", "ls", "-q"); !slices.Contains(strings.Fields(list), archived) {
			t.Errorf("%s is not in %s: %s", archived, node, list)
		}
	}
	run(t, 0, "kind-cluster", "delete", "--name", cluster, "--kubeconfig", kubeconfig)
	w.nothingLeft()
}
