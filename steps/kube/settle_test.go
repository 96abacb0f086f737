package kube_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/kube/kubetest"
)

// webPod is a pod of the Deployment web whose container runs.
func webPod(restarts int, probe string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: default, labels: {app: web}}
spec: {containers: [{name: main%s}]}
status: {phase: Running, containerStatuses: [{name: main, ready: true, restartCount: %d, state: {running: {startedAt: "%s"}}}]}
`, probe, restarts, time.Now().UTC().Format(time.RFC3339))
}

// A container without a readiness probe counts as ready while it lives. One that
// ends at once, and is started again and again, must not pass in between.
func TestWaitReadyDoesNotTakeACrashLoopForReady(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	deployment := server.Put(rolledOut(t))
	server.PutYAML(t, webPod(0, ""))
	time.AfterFunc(500*time.Millisecond, func() { server.PutYAML(t, webPod(1, "")) })
	err := kube.WaitReady(t.Context(), server.Client(t), []*unstructured.Unstructured{deployment}, kube.WaitOptions{Timeout: 3 * time.Second})
	if err == nil || !strings.Contains(err.Error(), "was started 1 times again") {
		t.Errorf("error %v, want the container that was started again", err)
	}
}

func TestWaitReadyWatchesWhatHasNoProbe(t *testing.T) {
	t.Parallel()
	for probe, least := range map[string]time.Duration{"": 2 * time.Second, ", readinessProbe: {}": 0, ", startupProbe: {}": 0} {
		t.Run("probe"+probe, func(t *testing.T) {
			t.Parallel()
			server := kubetest.New(t)
			deployment := server.Put(rolledOut(t))
			server.PutYAML(t, webPod(0, probe))
			// A busy machine may take long by itself: the best of some tries counts.
			best := time.Hour
			for range 5 {
				start := time.Now()
				if err := kube.WaitReady(t.Context(), server.Client(t), []*unstructured.Unstructured{deployment}, kube.WaitOptions{Timeout: 10 * time.Second}); err != nil {
					t.Fatal(err)
				}
				if best = min(best, time.Since(start)); best < least+1500*time.Millisecond {
					break
				}
			}
			if best < least || best > least+1500*time.Millisecond {
				t.Errorf("took %s, want about %s", best, least)
			}
		})
	}
}
