package seldon_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube/kubetest"
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
)

// world is a cluster in which the tests play Seldon's operator and the
// controllers. Its parts are put one by one, so that each order of events and
// each stale state can be had.
type world struct {
	*kubetest.Server
	t *testing.T
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := kubetest.New(t)
	server.Serve("machinelearning.seldon.io/v1", "SeldonDeployment", "seldondeployments", true)
	return &world{server, t}
}

// spec puts the SeldonDeployment, asking for an image, with the state that the
// operator reported last.
func (w *world) spec(generation int, image, state string) {
	w.PutYAML(w.t, fmt.Sprintf(`
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: news, namespace: default, generation: %d}
spec:
  predictors:
  - name: main
    replicas: 1
    graph: {name: classifier, type: MODEL}
    componentSpecs:
    - spec: {containers: [{name: classifier, image: %s, env: [{name: MODE, value: fast}], resources: {limits: {cpu: "1"}}}]}
status:
  state: %s
  deploymentStatus: {news-main-0-classifier: {availableReplicas: 1}}
  serviceStatus: {news-main: {svcName: news-main, httpEndpoint: "news-main.default:9000", grpcEndpoint: "news-main.default:9500"}}
  address: {url: "http://news-main.default.svc.cluster.local:9000/api/v1.0/predictions"}
`, generation, image, state))
}

// deployment puts the Deployment that the operator makes of it.
func (w *world) deployment(generation, observed int, image string, replicas, updated, available int) {
	w.PutYAML(w.t, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: news-main-0-classifier, namespace: default, generation: %d, labels: {seldon-deployment-id: news, version: main}}
spec:
  replicas: 1
  selector: {matchLabels: {app: news-main-0-classifier}}
  template: {spec: {containers: [{name: classifier, image: %s, env: [{name: MODE, value: fast}, {name: PREDICTIVE_UNIT_ID, value: classifier}], resources: {limits: {cpu: 1000m}}}]}}
status: {observedGeneration: %d, replicas: %d, updatedReplicas: %d, availableReplicas: %d}
`, generation, image, observed, replicas, updated, available))
}

// pod puts a pod, and the endpoints that lead to it.
func (w *world) pod(name, image, status string) {
	w.PutYAML(w.t, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default, labels: {seldon-deployment-id: news, app: news-main-0-classifier}}
spec: {containers: [{name: classifier, image: %s, env: [{name: MODE, value: fast}, {name: PREDICTIVE_UNIT_ID, value: classifier}], resources: {limits: {cpu: "1"}}}]}
status: %s
`, name, image, status))
}

func (w *world) endpoints(pod string) {
	w.PutYAML(w.t, fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: news-main-x, namespace: default, labels: {seldon-deployment-id: news, kubernetes.io/service-name: news-main}}
endpoints: [{conditions: {ready: true}, targetRef: {kind: Pod, name: %s}}]
`, pod))
}

const running = "{phase: Running, conditions: [{type: Ready, status: 'True'}]}"

// serving puts all that there is when a version serves.
func (w *world) serving(generation int, image string) {
	w.spec(generation, image, "Available")
	w.deployment(generation, generation, image, 1, 1, 1)
	w.pod("pod-"+image, image, running)
	w.endpoints("pod-" + image)
}

func (w *world) wait(want seldon.Want) (*seldon.Status, error) {
	w.t.Helper()
	return seldon.Wait(w.t.Context(), w.Client(w.t), "default", "news", want)
}

func TestWaitForANewDeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.spec(1, "a", "Creating")
	time.AfterFunc(100*time.Millisecond, func() { w.deployment(1, 1, "a", 1, 1, 0) })
	time.AfterFunc(300*time.Millisecond, func() { w.serving(1, "a") })
	start := time.Now()
	status, err := w.wait(seldon.Want{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 800*time.Millisecond || took > 8*time.Second {
		t.Errorf("took %s, want half a second of calm after 300ms", took)
	}
	p := status.Predictors[0]
	if p.Service != "news-main" || p.HTTPEndpoint != "news-main.default:9000" || p.Images["classifier"] != "a" || status.Protocol != "seldon" || len(status.Deployments) != 1 {
		t.Errorf("status %+v", status)
	}
}

// The operator's Available is stale after each update: the old model must never
// be taken for the new, at whichever point of the roll-out one looks.
func TestWaitDoesNotTakeTheOldModelForTheNew(t *testing.T) {
	t.Parallel()
	stages := map[string]struct {
		now   func(w *world)
		stage seldon.Stage
	}{
		"the operator has not acted yet":          {func(*world) {}, seldon.StageIdentity},
		"the Deployment is not observed yet":      {func(w *world) { w.deployment(2, 1, "b", 1, 1, 1) }, seldon.StageRollout},
		"no new pod yet":                          {func(w *world) { w.deployment(2, 2, "b", 1, 0, 1) }, seldon.StageRollout},
		"old and new pods":                        {func(w *world) { w.deployment(2, 2, "b", 2, 1, 2) }, seldon.StageRollout},
		"the new pod is not available":            {func(w *world) { w.deployment(2, 2, "b", 1, 1, 0) }, seldon.StageRollout},
		"the operator says Creating":              {func(w *world) { w.deployment(2, 2, "b", 1, 1, 1); w.spec(2, "b", "Creating") }, seldon.StageState},
		"the service still leads to the old pod":  {func(w *world) { w.deployment(2, 2, "b", 1, 1, 1); w.Remove("Pod", "default", "pod-a") }, seldon.StageEndpoints},
		"a Deployment of the old version remains": {func(w *world) { w.serving(2, "b"); w.leftover(healthy) }, seldon.StageState},
	}
	for name, test := range stages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serving(1, "a")
			w.spec(2, "b", "Available") // applied; the state is the old one's
			test.now(w)
			_, err := w.wait(seldon.Want{Generation: 2, Timeout: 900 * time.Millisecond, Stable: 100 * time.Millisecond})
			var notReady *seldon.NotReadyError
			if !errors.As(err, &notReady) || step.ExitCode(err) != step.ExitFailed {
				t.Fatalf("error %v, want a NotReadyError with code 1", err)
			}
			if notReady.Stage != test.stage || !notReady.TimedOut {
				t.Errorf("stopped at stage %s (%s), want %s", notReady.Stage, notReady.Message, test.stage)
			}
		})
	}
}

// What is asked for beside the image counts as well.
func TestWaitComparesWhatIsAsked(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(c map[string]any){
		"environment": func(c map[string]any) { c["env"] = []any{map[string]any{"name": "MODE", "value": "thorough"}} },
		"resources":   func(c map[string]any) { c["resources"] = map[string]any{"limits": map[string]any{"cpu": "2"}} },
		"arguments":   func(c map[string]any) { c["args"] = []any{"--debug"} },
		"command":     func(c map[string]any) { c["command"] = []any{"serve"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serving(1, "a")
			sdep := w.Get("SeldonDeployment", "default", "news")
			predictor := sdep.Object["spec"].(map[string]any)["predictors"].([]any)[0].(map[string]any)
			change(predictor["componentSpecs"].([]any)[0].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any))
			w.Put(sdep)
			_, err := w.wait(seldon.Want{Timeout: 500 * time.Millisecond})
			var notReady *seldon.NotReadyError
			if !errors.As(err, &notReady) || notReady.Stage != seldon.StageIdentity {
				t.Errorf("error %v, want to be stopped at stage identity", err)
			}
		})
	}
}

// Under GitOps somebody else applies: what is waited for is an image.
func TestWaitForAnImageThatOthersApply(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]seldon.Want{
		"of a container": {Images: map[string]string{"classifier": "b"}},
		"of any":         {AnyImages: []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serving(1, "a")
			time.AfterFunc(300*time.Millisecond, func() { w.Remove("Pod", "default", "pod-a"); w.serving(2, "b") })
			want.Timeout, want.Stable = 10*time.Second, 100*time.Millisecond
			status, err := w.wait(want)
			if err != nil || status.Predictors[0].Images["classifier"] != "b" {
				t.Errorf("status %+v, error %v", status, err)
			}
		})
	}
}

// Two predictors share a container's name; each has to be served by a
// Deployment of its own.
func TestWaitTellsCanariesApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.PutYAML(t, strings.Replace(canary, "metadata: {name: news}", "metadata: {name: news, namespace: default}", 1))
	put := func(predictor, containers string) {
		w.PutYAML(t, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: news-%s-0, namespace: default, labels: {seldon-deployment-id: news, version: %s}}
spec: {replicas: 1, template: {spec: {containers: %s}}}
status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1}
`, predictor, predictor, containers))
	}
	put("main", "[{name: classifier, image: 'registry.example.org/news:1'}, {name: side, image: 'registry.example.org/side:1'}]")
	put("canary", "[{name: classifier, image: 'registry.example.org/news:1'}]")
	_, err := w.wait(seldon.Want{Timeout: 400 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "predictor canary: Deployment news-canary-0 still has image registry.example.org/news:1") {
		t.Errorf("error %v, want the canary's old image named", err)
	}
}

// A prepackaged server is told by the model that its initializer loads.
func TestWaitForAModelURI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put := func(uri, generation string) {
		w.PutYAML(t, `
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: news, namespace: default}
spec: {predictors: [{name: main, graph: {name: classifier, implementation: SKLEARN_SERVER, modelUri: "gs://models/v2"}}]}
status: {state: Available, deploymentStatus: {d: {}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: default, generation: `+generation+`, labels: {seldon-deployment-id: news}}
spec:
  replicas: 1
  template: {spec: {initContainers: [{name: classifier-model-initializer, args: ["`+uri+`", /mnt/models]}], containers: [{name: classifier, image: s}]}}
status: {observedGeneration: `+generation+`, replicas: 1, updatedReplicas: 1, availableReplicas: 1}
`)
	}
	put("gs://models/v1", "1")
	if _, err := w.wait(seldon.Want{Timeout: 400 * time.Millisecond}); err == nil || !strings.Contains(err.Error(), `still loads "gs://models/v1"`) {
		t.Errorf("error %v, want the old model's URI named", err)
	}
	put("gs://models/v2", "2")
	status, err := w.wait(seldon.Want{Timeout: 5 * time.Second, Stable: 50 * time.Millisecond})
	if err != nil || status.Predictors[0].ModelURIs["classifier"] != "gs://models/v2" {
		t.Errorf("status %+v, error %v", status, err)
	}
}

func TestWaitGivesUpEarlyAndExplains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.spec(1, "b", "Creating")
	w.deployment(1, 1, "b", 1, 1, 0)
	w.pod("pod-b", "b", "{phase: Pending, containerStatuses: [{name: classifier, image: b, restartCount: 5, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 3}}}]}")
	w.Log("default", "pod-b", "classifier", "starting\nValueError: model file is of another version")
	start := time.Now()
	_, err := w.wait(seldon.Want{Timeout: time.Minute, Patience: 300 * time.Millisecond})
	if err == nil || time.Since(start) > 10*time.Second {
		t.Fatalf("error %v after %s, want one soon", err, time.Since(start))
	}
	for _, evidence := range []string{"does not come up (stage rollout)", "CrashLoopBackOff, exit code 3, 5 restarts"} {
		if !strings.Contains(err.Error(), evidence) {
			t.Errorf("the error lacks %q:\n%v", evidence, err)
		}
	}
}

func TestWaitExplainsByLogs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.spec(1, "b", "Creating")
	w.deployment(1, 1, "b", 1, 1, 0)
	owner := w.Get("SeldonDeployment", "default", "news")
	deployment := w.Get("Deployment", "default", "news-main-0-classifier")
	deployment.Object["metadata"].(map[string]any)["ownerReferences"] = []any{map[string]any{"uid": string(owner.GetUID()), "kind": "SeldonDeployment", "name": "news"}}
	w.Put(deployment)
	w.pod("pod-b", "b", "{phase: Pending, initContainerStatuses: [{name: classifier-model-initializer, state: {terminated: {exitCode: 1, reason: Error}}}]}")
	w.Log("default", "pod-b", "classifier-model-initializer", "Failed to copy: AccessDenied")
	_, err := w.wait(seldon.Want{Timeout: 300 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "init container classifier-model-initializer: Error, exit code 1") || !strings.Contains(err.Error(), "| Failed to copy: AccessDenied") {
		t.Errorf("the error does not show why:\n%v", err)
	}
}

func TestWaitForWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment", "metadata": map[string]any{"name": "other", "namespace": "default"}}}
	w.Put(other)
	_, err := w.wait(seldon.Want{Timeout: 200 * time.Millisecond})
	if step.ExitCode(err) != step.ExitFailed || !strings.Contains(err.Error(), "is not in the cluster yet") || !strings.Contains(step.Hint(err), "other") {
		t.Errorf("error %v (hint %q)", err, step.Hint(err))
	}
	without := kubetest.New(t)
	_, err = seldon.Wait(t.Context(), without.Client(t), "default", "news", seldon.Want{Timeout: time.Second})
	if step.ExitCode(err) != step.ExitInfra || !strings.Contains(step.Hint(err), "Seldon Core") {
		t.Errorf("without Seldon Core: error %v (hint %q)", err, step.Hint(err))
	}
}
