package seldon_test

import (
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/seldon"
)

// leftover puts a Deployment of a container that is no longer asked for.
func (w *world) leftover(status string) {
	w.PutYAML(w.t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: news-main-0-older, namespace: default, labels: {seldon-deployment-id: news, version: main}}
spec: {replicas: 1, template: {spec: {containers: [{name: older, image: a}]}}}
status: `+status+"\n")
}

const (
	healthy = "{observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1}"
	broken  = "{observedGeneration: 1, replicas: 1, updatedReplicas: 1, conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded}]}"
)

// What an earlier version left broken, and the operator removes once the new one
// is ready, must not fail the new one.
func TestWaitOutlastsABrokenLeftover(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serving(2, "b")
	w.leftover(broken)
	w.PutYAML(t, `
apiVersion: v1
kind: Pod
metadata: {name: older-1, namespace: default, labels: {seldon-deployment-id: news, app: news-main-0-older}}
spec: {containers: [{name: older, image: a}]}
status: {phase: Running, containerStatuses: [{name: older, image: a, restartCount: 9, state: {waiting: {reason: CrashLoopBackOff}}}]}
`)
	time.AfterFunc(700*time.Millisecond, func() {
		w.Remove("Deployment", "default", "news-main-0-older")
		w.Remove("Pod", "default", "older-1")
	})
	status, err := w.wait(seldon.Want{Generation: 2, Timeout: 10 * time.Second, Patience: 200 * time.Millisecond, Stable: 50 * time.Millisecond})
	if err != nil || len(status.Deployments) != 1 {
		t.Errorf("status %+v, error %v", status, err)
	}
}
