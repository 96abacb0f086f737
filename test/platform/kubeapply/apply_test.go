package kubeapply_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube/kubetest"
	"github.com/model-delivery/model-delivery/test/platform/kubeapply"
)

func connect(t *testing.T, server *kubetest.Server) *kubeapply.Cluster {
	t.Helper()
	cluster, err := kubeapply.Connect(fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: test,
clusters: [{name: test, cluster: {server: %q}}], contexts: [{name: test, context: {cluster: test, user: test}}], users: [{name: test, user: {}}]}`, server.URL()))
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

func TestConnectRefusesWhatIsNoKubeconfig(t *testing.T) {
	t.Parallel()
	if _, err := kubeapply.Connect([]byte("apiVersion: [")); err == nil || !strings.Contains(err.Error(), "kubeconfig") {
		t.Errorf("Connect() = %v", err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want string // kind/name with blanks between
		err  string
	}{
		"documents":  {text: "kind: A\nmetadata: {name: a}\n---\n# nothing\n---\nkind: B\nmetadata: {name: b}\n", want: "A/a B/b"},
		"a list":     {text: "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: A, metadata: {name: a}}\n- {apiVersion: v1, kind: B, metadata: {name: b}}\n", want: "A/a B/b"},
		"JSON":       {text: `{"kind": "A", "metadata": {"name": "a"}}`, want: "A/a"},
		"nothing":    {text: "---\n---\n"},
		"no mapping": {text: "kind: A\nmetadata: {name: a}\n---\n- a\n", err: "manifest 2"},
		"no YAML":    {text: "kind: {", err: "manifest 1"},
	} {
		objects, err := kubeapply.Parse([]byte(test.text))
		var got []string
		for _, object := range objects {
			got = append(got, object.GetKind()+"/"+object.GetName())
		}
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: %v, want an error about %s", name, err, test.err)
			}
		case err != nil || strings.Join(got, " ") != test.want:
			t.Errorf("%s: %v, %v; want %s", name, got, err, test.want)
		}
	}
}

// manifests come in an order in which they cannot be applied.
const manifests = `
apiVersion: example.org/v1
kind: Widget
metadata: {name: w, namespace: ours}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: ours}
spec: {replicas: 1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec: {group: example.org, scope: Namespaced, names: {kind: Widget, plural: widgets}, versions: [{name: v1}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: ours}
`

func TestApplyPutsFirstWhatOthersNeed(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	var mu sync.Mutex
	var applied []string
	server.OnApply = func(object *unstructured.Unstructured) {
		mu.Lock()
		defer mu.Unlock()
		applied = append(applied, object.GetKind())
	}
	cluster := connect(t, server)
	for range 2 { // a second time changes nothing
		applied = nil
		if err := cluster.Apply(t.Context(), []byte(manifests)); err != nil {
			t.Fatal(err)
		}
		if want := []string{"Namespace", "CustomResourceDefinition", "ConfigMap", "Widget", "Deployment"}; !slices.Equal(applied, want) {
			t.Errorf("applied %q, want %q", applied, want)
		}
	}
	if server.Get("ConfigMap", "default", "c") == nil || server.Get("Widget", "ours", "w") == nil {
		t.Error("an object is not where it belongs")
	}
}

// TestApplyWaitsForWhatIsStarting: a webhook that does not answer yet is no
// failure, one that refuses is.
func TestApplyWaitsForWhatIsStarting(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		refusals int
		status   metav1.Status
		err      string
	}{
		"a webhook that starts": {refusals: 2, status: metav1.Status{Code: 500, Reason: metav1.StatusReasonInternalError, Message: "Internal error occurred: failed calling webhook \"w\": connection refused"}},
		"a server that starts":  {refusals: 1, status: metav1.Status{Code: 503, Reason: metav1.StatusReasonServiceUnavailable}},
		"another internal error": {refusals: 99, status: metav1.Status{Code: 500, Reason: metav1.StatusReasonInternalError, Message: "Internal error occurred: no space"},
			err: "apply ConfigMap x/c: Internal error occurred: no space"},
		"a refusal": {refusals: 99, status: metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden, Message: "not yours"}, err: "apply ConfigMap x/c: not yours"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kubetest.New(t)
			var mu sync.Mutex
			left := test.refusals
			server.Refuse = func(method, path string) *metav1.Status {
				mu.Lock()
				defer mu.Unlock()
				if method != "PATCH" || left == 0 {
					return nil
				}
				left--
				refusal := test.status
				return &refusal
			}
			server.PutYAML(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n")
			err := connect(t, server).Apply(t.Context(), []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: x}\n"))
			if test.err == "" && err != nil || test.err != "" && (err == nil || err.Error() != test.err) {
				t.Errorf("Apply() = %v, want %q", err, test.err)
			}
		})
	}
}

// TestApplyNamesAnUnknownKind: with the context's end, since its definition may
// have been about to come.
func TestApplyNamesAnUnknownKind(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	err := connect(t, kubetest.New(t)).Apply(ctx, []byte("apiVersion: example.org/v1\nkind: Gadget\nmetadata: {name: g}\n"))
	if err == nil || !strings.Contains(err.Error(), "apply Gadget g") {
		t.Errorf("Apply() = %v", err)
	}
}

const workloads = `
apiVersion: v1
kind: Namespace
metadata: {name: ours}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: ours, generation: 2}
spec: {replicas: 2}
status: {observedGeneration: 2, updatedReplicas: 2, availableReplicas: 1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: done, namespace: ours, generation: 1}
spec: {replicas: 1}
status: {observedGeneration: 1, updatedReplicas: 1, availableReplicas: 1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: unseen, namespace: ours, generation: 3}
spec: {replicas: 1}
status: {observedGeneration: 2, updatedReplicas: 1, availableReplicas: 1}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: ours, generation: 1}
status: {observedGeneration: 1, updatedReplicas: 1, readyReplicas: 0}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: ours, generation: 1}
status: {observedGeneration: 1, desiredNumberScheduled: 2, numberAvailable: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: ours}
status:
  conditions: [{type: PodScheduled, status: "False", message: "0/1 nodes are available: insufficient cpu"}]
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: ours}
status:
  initContainerStatuses: [{name: init, state: {terminated: {exitCode: 0}}}]
  containerStatuses:
  - name: db
    state: {waiting: {reason: CrashLoopBackOff, message: back-off}}
    lastState: {terminated: {exitCode: 2, reason: Error}}
---
apiVersion: v1
kind: Pod
metadata: {name: agent-x, namespace: ours}
status:
  containerStatuses: [{name: agent, ready: false, state: {running: {}}}]
`

func TestUnready(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	server.PutYAML(t, workloads)
	got, err := connect(t, server).Unready(t.Context(), "ours")
	want := []string{"daemonset agent", "deployment unseen", "deployment web", "statefulset db"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Unready() = %q, %v; want %q", got, err, want)
	}
}

// TestWaitReadyExplains: when time is up the error says what holds the pods.
func TestWaitReadyExplains(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	server.PutYAML(t, workloads)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var logged []string
	err := connect(t, server).WaitReady(ctx, "ours", func(format string, args ...any) { logged = append(logged, fmt.Sprintf(format, args...)) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("WaitReady() = %v", err)
	}
	for _, want := range []string{
		"namespace ours", "statefulset db",
		"pod web-1: 0/1 nodes are available: insufficient cpu",
		"pod db-0, container db: CrashLoopBackOff back-off (it ended with exit code 2: Error)",
		"pod agent-x, container agent: runs but is not ready",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error says nothing of %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "init") {
		t.Errorf("the error speaks of a container that did its work: %v", err)
	}
	if len(logged) != 1 {
		t.Errorf("what it waits for was told %d times: %q", len(logged), logged)
	}
}

func TestWaitReadyEnds(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	const text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: default, generation: 1}\nspec: {replicas: 1}\nstatus: {observedGeneration: 1, updatedReplicas: 1, availableReplicas: %d}\n"
	server.PutYAML(t, fmt.Sprintf(text, 0))
	ready := func(string, ...any) { server.PutYAML(t, fmt.Sprintf(text, 1)) }
	if err := connect(t, server).WaitReady(t.Context(), "default", ready); err != nil {
		t.Errorf("WaitReady() = %v", err)
	}
}
