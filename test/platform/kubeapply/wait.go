package kubeapply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// readyLimit is how long WaitReady waits when its context sets no sooner end.
const readyLimit = 5 * time.Minute

// WaitReady waits until every Deployment, StatefulSet and DaemonSet of the
// namespace has rolled out. When time is up the error names those that have not
// and what holds their pods.
func (c *Cluster) WaitReady(ctx context.Context, namespace string, logf func(string, ...any)) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	var last string
	for {
		waiting, err := c.Unready(ctx, namespace)
		if err == nil && len(waiting) == 0 {
			return nil
		}
		now := strings.Join(waiting, ", ")
		if err != nil {
			now = err.Error()
		}
		if now != last {
			logf("wait in %s for %s", namespace, now)
			last = now
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait in the namespace %s for %s: %w%s", namespace, last, context.Cause(ctx), c.explain(namespace))
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// Unready names the workloads of the namespace that have not rolled out, sorted,
// so that the same ones read the same each time.
func (c *Cluster) Unready(ctx context.Context, namespace string) ([]string, error) {
	var waiting []string
	deployments, err := c.Client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, d := range deployments.Items {
		if want := replicas(d.Spec.Replicas); d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < want || d.Status.AvailableReplicas < want {
			waiting = append(waiting, "deployment "+d.Name)
		}
	}
	sets, err := c.Client.AppsV1().StatefulSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, s := range sets.Items {
		if want := replicas(s.Spec.Replicas); s.Status.ObservedGeneration < s.Generation || s.Status.UpdatedReplicas < want || s.Status.ReadyReplicas < want {
			waiting = append(waiting, "statefulset "+s.Name)
		}
	}
	daemons, err := c.Client.AppsV1().DaemonSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, d := range daemons.Items {
		if d.Status.ObservedGeneration < d.Generation || d.Status.NumberAvailable < d.Status.DesiredNumberScheduled {
			waiting = append(waiting, "daemonset "+d.Name)
		}
	}
	slices.Sort(waiting)
	return waiting, nil
}

func replicas(wanted *int32) int32 {
	if wanted == nil {
		return 1
	}
	return *wanted
}

// explain says what holds the namespace's pods, one line for each.
func (c *Cluster) explain(namespace string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	pods, err := c.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return ""
	}
	var text strings.Builder
	for _, pod := range pods.Items {
		for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			if reason := held(status); reason != "" {
				fmt.Fprintf(&text, "\n    pod %s, container %s: %s", pod.Name, status.Name, reason)
			}
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status != corev1.ConditionTrue {
				fmt.Fprintf(&text, "\n    pod %s: %s", pod.Name, condition.Message)
			}
		}
	}
	return text.String()
}

func held(status corev1.ContainerStatus) string {
	switch {
	case status.State.Waiting != nil:
		reason := status.State.Waiting.Reason + " " + status.State.Waiting.Message
		if last := status.LastTerminationState.Terminated; last != nil {
			reason += fmt.Sprintf(" (it ended with exit code %d: %s)", last.ExitCode, last.Reason)
		}
		return strings.TrimSpace(reason)
	case status.State.Terminated != nil && status.State.Terminated.ExitCode != 0:
		return fmt.Sprintf("ended with exit code %d: %s", status.State.Terminated.ExitCode, status.State.Terminated.Message)
	case status.State.Running != nil && !status.Ready:
		return "runs but is not ready"
	}
	return ""
}
