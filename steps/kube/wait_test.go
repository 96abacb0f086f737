package kube_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/kube/kubetest"
	"github.com/model-delivery/model-delivery/steps/step"
)

const deploymentSpec = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec: {replicas: 1, selector: {matchLabels: {app: web}}}
`

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	obj := decode(t, text)[0]
	obj.SetAnnotations(nil)
	return obj
}

// rolledOut is a Deployment whose pods are all there.
func rolledOut(t *testing.T) *unstructured.Unstructured {
	obj := object(t, deploymentSpec)
	obj.Object["status"] = map[string]any{
		"observedGeneration": int64(1), "replicas": int64(1), "updatedReplicas": int64(1), "readyReplicas": int64(1), "availableReplicas": int64(1),
		"conditions": []any{map[string]any{"type": "Available", "status": "True"}},
	}
	return obj
}

func TestWaitReadySeesChangesAtOnce(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	deployment := server.Put(object(t, deploymentSpec))
	time.AfterFunc(200*time.Millisecond, server.CutWatches) // a watch that ends is taken up again
	time.AfterFunc(400*time.Millisecond, func() { server.Put(rolledOut(t)) })
	start := time.Now()
	if err := kube.WaitReady(t.Context(), server.Client(t), []*unstructured.Unstructured{deployment}, kube.WaitOptions{Timeout: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 400*time.Millisecond || took > 8*time.Second {
		t.Errorf("ready was seen after %s, want soon after 400ms", took)
	}
}

func TestWaitReadyDoesNotAskAboutWhatIsReadyWhenStored(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	objs := decode(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}\n---\n{apiVersion: v1, kind: Service, metadata: {name: a}}")
	if err := kube.WaitReady(t.Context(), server.Client(t), objs, kube.WaitOptions{Timeout: time.Second}); err != nil {
		t.Fatal(err)
	}
	if asked := server.Requests(); len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}
}

func TestWaitReadySaysWhatIsNotReadyAndWhy(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	deployment := server.Put(object(t, deploymentSpec))
	server.PutYAML(t, `
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: default, labels: {app: web}}
status:
  phase: Running
  containerStatuses:
  - name: model
    image: registry.example.org/model:1
    restartCount: 4
    state: {waiting: {reason: CrashLoopBackOff, message: back-off 40s}}
    lastState: {terminated: {exitCode: 1, reason: Error}}
---
apiVersion: v1
kind: Event
metadata: {name: e1, namespace: default}
involvedObject: {kind: Pod, name: web-1}
type: Warning
reason: BackOff
message: Back-off restarting failed container
count: 7
`)
	server.Log("default", "web-1", "model", "loading model\nTraceback\nModuleNotFoundError: No module named 'sklearn'")
	err := kube.WaitReady(t.Context(), server.Client(t), []*unstructured.Unstructured{deployment}, kube.WaitOptions{Timeout: 200 * time.Millisecond})
	var notReady *kube.NotReadyError
	if !errors.As(err, &notReady) || !notReady.TimedOut || step.ExitCode(err) != step.ExitFailed {
		t.Fatalf("error %v (code %d), want a NotReadyError that timed out, code 1", err, step.ExitCode(err))
	}
	for _, evidence := range []string{
		"1 of 1 objects not ready", "Deployment default/web: Replicas: 0/1", "Pod default/web-1", "container model: CrashLoopBackOff, exit code 1, 4 restarts",
		"event BackOff", "7 times", "| ModuleNotFoundError: No module named 'sklearn'",
	} {
		if !strings.Contains(err.Error(), evidence) {
			t.Errorf("the error lacks %q:\n%v", evidence, err)
		}
	}
	if !strings.Contains(step.Hint(err), "container model") {
		t.Errorf("hint %q does not name the container", step.Hint(err))
	}
}

func TestWaitReadyGivesUpOnWhatFailedForGood(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	failed := object(t, deploymentSpec)
	failed.Object["status"] = map[string]any{"observedGeneration": int64(1), "conditions": []any{
		map[string]any{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out progressing"},
	}}
	start := time.Now()
	err := kube.WaitReady(t.Context(), server.Client(t), []*unstructured.Unstructured{server.Put(failed)}, kube.WaitOptions{Timeout: time.Minute})
	if err == nil || time.Since(start) > 5*time.Second || !strings.Contains(err.Error(), "timed out progressing") {
		t.Errorf("error %v after %s, want the condition's message at once", err, time.Since(start))
	}
}

func TestStatusOf(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		object string
		want   kube.State
	}{
		"job that started":             {"{apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {startTime: x, active: 1}}", kube.InProgress},
		"job that is complete":         {"{apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {conditions: [{type: Complete, status: 'True'}]}}", kube.Ready},
		"job that failed":              {"{apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {conditions: [{type: Failed, status: 'True'}]}}", kube.Failed},
		"pod that ended badly":         {"{apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Failed}}", kube.Failed},
		"pod without a node yet":       {"{apiVersion: v1, kind: Pod, metadata: {name: a, creationTimestamp: '2020-01-01T00:00:00Z'}, status: {phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable}]}}", kube.InProgress},
		"resource with stale status":   {"{apiVersion: e.org/v1, kind: W, metadata: {name: a, generation: 2}, status: {observedGeneration: 1, conditions: [{type: Ready, status: 'True'}]}}", kube.InProgress},
		"resource that is not ready":   {"{apiVersion: e.org/v1, kind: W, metadata: {name: a}, status: {conditions: [{type: Ready, status: 'False', message: m}]}}", kube.InProgress},
		"resource that is stalled":     {"{apiVersion: e.org/v1, kind: W, metadata: {name: a}, status: {conditions: [{type: Stalled, status: 'True', message: m}]}}", kube.Failed},
		"api that is not served":       {"{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: a}, status: {conditions: [{type: Available, status: 'False'}]}}", kube.InProgress},
		"model without a word":         {"{apiVersion: machinelearning.seldon.io/v1, kind: SeldonDeployment, metadata: {name: a}}", kube.InProgress},
		"model that is available":      {"{apiVersion: machinelearning.seldon.io/v1, kind: SeldonDeployment, metadata: {name: a}, status: {state: Available}}", kube.Ready},
		"model the operator failed on": {"{apiVersion: machinelearning.seldon.io/v1, kind: SeldonDeployment, metadata: {name: a}, status: {state: Failed, description: d}}", kube.InProgress},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := kube.StatusOf(decode(t, test.object)[0]); got.State != test.want {
				t.Errorf("got %s (%s), want %s", got.State, got.Message, test.want)
			}
		})
	}
}

// A custom resource whose definition promises conditions has to get one before
// it counts as ready, although it has none that says otherwise.
func TestWaitReadyHearsTheControllerFirst(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	server.PutYAML(t, widgetDefinition)
	widget := object(t, "{apiVersion: example.org/v1, kind: Widget, metadata: {name: w, namespace: default}}")
	stored := server.Put(widget)
	time.AfterFunc(300*time.Millisecond, func() {
		widget.Object["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}}
		server.Put(widget)
	})
	start := time.Now()
	if err := kube.WaitReady(t.Context(), server.Client(t), []*unstructured.Unstructured{stored}, kube.WaitOptions{Timeout: 4 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("called ready after %s, before its controller said so", took)
	}
}

// A claim that is bound when its first pod comes would otherwise be waited for
// in vain.
func TestWaitReadyKnowsClaimsThatBindLate(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	server.PutYAML(t, `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
volumeBindingMode: WaitForFirstConsumer
`)
	class := server.Get("StorageClass", "", "standard")
	class.SetAnnotations(map[string]string{"storageclass.kubernetes.io/is-default-class": "true"})
	server.Put(class)
	claim := server.Put(object(t, "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, namespace: default}, spec: {}, status: {phase: Pending}}"))
	if err := kube.WaitReady(t.Context(), server.Client(t), []*unstructured.Unstructured{claim}, kube.WaitOptions{Timeout: 2 * time.Second}); err != nil {
		t.Error(err)
	}
}
