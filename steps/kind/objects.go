package kind

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	objectsTimeout = 5 * time.Second
	maxObjects     = 5000 // of a kind

	eventsFile = "events.txt"
	podsFile   = "pods.txt"
)

// keepObjects writes what the API server knows of events and pods beside the
// logs: what a pod that never ran would have logged.
func (s *session) keepObjects(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, objectsTimeout)
	defer cancel()
	access, err := s.access()
	if err != nil {
		return err
	}
	return writeObjects(ctx, access.api, dir)
}

func writeObjects(ctx context.Context, api kubernetes.Interface, dir string) error {
	events, err := api.CoreV1().Events(metav1.NamespaceAll).List(ctx, metav1.ListOptions{Limit: maxObjects})
	if err != nil {
		return fmt.Errorf("list events: %w", err)
	}
	pods, err := api.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{Limit: maxObjects})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	if err := writeText(filepath.Join(dir, eventsFile), func(w io.Writer) { printEvents(w, events.Items) }); err != nil {
		return err
	}
	return writeText(filepath.Join(dir, podsFile), func(w io.Writer) { printPods(w, pods.Items) })
}

func writeText(path string, write func(w io.Writer)) error {
	var text strings.Builder
	write(&text)
	return os.WriteFile(path, []byte(text.String()), 0o644)
}

func printEvents(w io.Writer, events []corev1.Event) {
	slices.SortStableFunc(events, func(a, b corev1.Event) int { return eventTime(a).Compare(eventTime(b)) })
	for _, e := range events {
		fmt.Fprintf(w, "%s %-7s %s %s/%s %s: %s", eventTime(e).UTC().Format(time.RFC3339), e.Type, e.InvolvedObject.Kind,
			e.InvolvedObject.Namespace, e.InvolvedObject.Name, e.Reason, strings.TrimSpace(e.Message))
		if e.Count > 1 {
			fmt.Fprintf(w, " (%d times)", e.Count)
		}
		fmt.Fprintln(w)
	}
}

func eventTime(e corev1.Event) time.Time {
	switch {
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}

func printPods(w io.Writer, pods []corev1.Pod) {
	for _, pod := range pods {
		fmt.Fprintf(w, "%s/%s %s on %s %s\n", pod.Namespace, pod.Name, pod.Status.Phase, pod.Spec.NodeName, pod.Status.Message)
		for _, c := range pod.Status.Conditions {
			if c.Status != corev1.ConditionTrue {
				fmt.Fprintf(w, "  %s is %s: %s %s\n", c.Type, c.Status, c.Reason, c.Message)
			}
		}
		for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			fmt.Fprintf(w, "  container %s of %s: ready %t, %d restart(s), %s\n", c.Name, c.Image, c.Ready, c.RestartCount, containerState(c.State))
			if ended := c.LastTerminationState.Terminated; ended != nil {
				fmt.Fprintf(w, "    before: ended with exit code %d, %s %s\n", ended.ExitCode, ended.Reason, ended.Message)
			}
		}
	}
}

func containerState(state corev1.ContainerState) string {
	switch {
	case state.Running != nil:
		return "running since " + state.Running.StartedAt.UTC().Format(time.RFC3339)
	case state.Terminated != nil:
		return fmt.Sprintf("ended with exit code %d, %s %s", state.Terminated.ExitCode, state.Terminated.Reason, state.Terminated.Message)
	case state.Waiting != nil:
		return "waiting: " + state.Waiting.Reason + " " + state.Waiting.Message
	}
	return "not begun"
}
