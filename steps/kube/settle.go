package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// How long the pods of a workload have to stay as they are before it counts as
// ready. A container without a readiness probe is ready from the moment that it
// starts until the moment that it ends: without this, a process that ends after
// half a second passes for one that serves.
const (
	settleUnprobed  = 2 * time.Second  // a container has no probe that readiness waits for
	settleRestarted = 10 * time.Second // a container was started again
	settleOld       = time.Minute      // older than this is settled, whatever the clocks say
)

// unsettled says what has to stay as it is a little longer, or "".
func (c *Client) unsettled(ctx context.Context, p *pending) string {
	pods, err := c.Dynamic.Resource(podResource).Namespace(p.last.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: podSelector(p.last)})
	if err != nil {
		return "" // without the right to look at pods, their controller's word has to do
	}
	var needed time.Duration
	var state []string
	why := ""
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.GetDeletionTimestamp() != nil {
			continue
		}
		need, restarts, container := settleTime(pod)
		state = append(state, fmt.Sprintf("%s:%d", pod.GetName(), restarts))
		if need > needed {
			needed = need
			why = fmt.Sprintf("pod %s runs, but its container %s has no readiness probe: watching it a moment longer", pod.GetName(), container)
			if restarts > 0 {
				why = fmt.Sprintf("pod %s runs, but its container %s was started %d times again: watching it a moment longer", pod.GetName(), container, restarts)
			}
		}
	}
	slices.Sort(state)
	if now := strings.Join(state, ","); now != p.settling || p.settledAt.IsZero() {
		p.settling, p.settledAt = now, time.Now()
	}
	if time.Since(p.settledAt) >= needed {
		return ""
	}
	return why
}

// settleTime tells how long a pod has to stay as it is, how often its containers
// were started again, and which container is why.
func settleTime(pod *unstructured.Unstructured) (need time.Duration, restarts int64, container string) {
	probed := map[string]bool{}
	specs, _, _ := unstructured.NestedSlice(pod.Object, "spec", "containers")
	for _, entry := range specs {
		if spec, ok := entry.(map[string]any); ok {
			name, _ := spec["name"].(string)
			// A startup probe holds readiness back too, until the process answers.
			probed[name] = spec["readinessProbe"] != nil || spec["startupProbe"] != nil
		}
	}
	statuses, _, _ := unstructured.NestedSlice(pod.Object, "status", "containerStatuses")
	for _, entry := range statuses {
		status, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		name, _ := status["name"].(string)
		count, _ := status["restartCount"].(int64)
		started, _, _ := unstructured.NestedString(status, "state", "running", "startedAt")
		if at, err := time.Parse(time.RFC3339, started); err == nil && time.Since(at) > settleOld {
			continue
		}
		restarts += count
		wanted := time.Duration(0)
		if !probed[name] {
			wanted = settleUnprobed
			if count > 0 {
				wanted = settleRestarted
			}
		}
		if wanted > need {
			need, container = wanted, name
		}
	}
	return need, restarts, container
}
