package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ContainerTrouble is a container of a pod that does not do what it should.
type ContainerTrouble struct {
	Container string
	Init      bool
	Reason    string // the kubelet's word: ImagePullBackOff, CrashLoopBackOff, OOMKilled, Error, NotReady…
	Message   string
	Image     string
	Restarts  int64
	ExitCode  int64 // of the last run that ended; -1 when none did
}

// String says it in one line.
func (t ContainerTrouble) String() string {
	text := "container " + t.Container + ": " + t.Reason
	if t.Init {
		text = "init " + text
	}
	if t.ExitCode >= 0 {
		text += fmt.Sprintf(", exit code %d", t.ExitCode)
	}
	if t.Restarts > 0 {
		text += fmt.Sprintf(", %d restarts", t.Restarts)
	}
	if t.Message != "" {
		text += ": " + t.Message
	}
	return text
}

// started tells whether the container ever ran, and so may have a log.
func (t ContainerTrouble) started() bool { return t.ExitCode >= 0 || t.Reason == "NotReady" }

// PodTroubles lists the containers of a pod that wait, ended or are not ready,
// init containers first. Containers that wait for their turn are left out.
func PodTroubles(pod *unstructured.Unstructured) []ContainerTrouble {
	var out []ContainerTrouble
	for _, kind := range []string{"initContainerStatuses", "containerStatuses"} {
		statuses, _, _ := unstructured.NestedSlice(pod.Object, "status", kind)
		for _, entry := range statuses {
			if status, ok := entry.(map[string]any); ok {
				if t, bad := troubleOf(status, kind == "initContainerStatuses"); bad {
					out = append(out, t)
				}
			}
		}
	}
	return out
}

func troubleOf(status map[string]any, init bool) (ContainerTrouble, bool) {
	t := ContainerTrouble{Init: init, ExitCode: -1}
	t.Container, _ = status["name"].(string)
	t.Image, _ = status["image"].(string)
	t.Restarts, _ = status["restartCount"].(int64)
	ended, wasEnded, _ := unstructured.NestedMap(status, "lastState", "terminated")
	if now, is, _ := unstructured.NestedMap(status, "state", "terminated"); is {
		ended, wasEnded = now, true
		t.Reason, _ = now["reason"].(string)
		t.Message, _ = now["message"].(string)
		if code, _ := now["exitCode"].(int64); code == 0 && t.Reason == "Completed" {
			return t, false
		}
	}
	if wasEnded {
		t.ExitCode, _ = ended["exitCode"].(int64)
	}
	waiting, waits, _ := unstructured.NestedMap(status, "state", "waiting")
	ready, _ := status["ready"].(bool)
	_, running, _ := unstructured.NestedMap(status, "state", "running")
	switch {
	case waits:
		t.Reason, _ = waiting["reason"].(string)
		t.Message, _ = waiting["message"].(string)
		if reason, _ := ended["reason"].(string); reason == "OOMKilled" {
			t.Reason = "OOMKilled"
		}
		return t, t.Reason != "PodInitializing" && t.Reason != ""
	case running && !ready && !init:
		t.Reason = "NotReady"
		t.Message = "it runs, but its readiness probe has not passed"
		return t, true
	case running:
		return t, false
	}
	return t, t.Reason != ""
}

// podTrouble says in a few words what troubles the pods of a workload.
func (c *Client) podTrouble(ctx context.Context, obj *unstructured.Unstructured) string {
	selector := podSelector(obj)
	if selector == "" {
		return ""
	}
	pods, err := c.Dynamic.Resource(podResource).Namespace(obj.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return ""
	}
	for i := range pods.Items {
		if troubles := PodTroubles(&pods.Items[i]); len(troubles) > 0 {
			return clean(troubles[0].String())
		}
		if scheduled := Condition(&pods.Items[i], "PodScheduled"); scheduled["status"] == "False" {
			return clean(conditionText("PodScheduled", scheduled))
		}
	}
	return ""
}

// pods tells about the pods that are in trouble, the newest first.
func (e *explainer) pods(ctx context.Context, namespace, selector string, depth int) {
	list, err := e.client.Dynamic.Resource(podResource).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		e.out.add(depth, "its pods cannot be listed: %v", err)
		return
	}
	pods := list.Items
	slices.SortStableFunc(pods, func(a, b unstructured.Unstructured) int {
		return b.GetCreationTimestamp().Compare(a.GetCreationTimestamp().Time)
	})
	if len(pods) == 0 {
		e.out.add(depth, "it has no pods")
		e.replicaSets(ctx, namespace, selector, depth)
		return
	}
	shown := 0
	for i := range pods {
		pod := &pods[i]
		if StatusOf(pod).State == Ready || pod.GetDeletionTimestamp() != nil || e.seen[key(pod)] {
			continue
		}
		if shown == e.o.Pods {
			e.out.add(depth, "… and more pods in trouble")
			return
		}
		e.out.add(depth, "%s:", Ref(pod))
		e.pod(ctx, pod, depth+1)
		shown++
	}
}

// replicaSets tells why no pod was made: quotas and policies speak there.
func (e *explainer) replicaSets(ctx context.Context, namespace, selector string, depth int) {
	list, err := e.client.Dynamic.Resource(replicaSetResource).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return
	}
	for i := range list.Items {
		set := &list.Items[i]
		if wanted, _, _ := unstructured.NestedInt64(set.Object, "spec", "replicas"); wanted > 0 {
			e.conditions(set, depth)
			e.eventsOf(ctx, set, depth)
		}
	}
}

// pod tells why one pod is not ready.
func (e *explainer) pod(ctx context.Context, pod *unstructured.Unstructured, depth int) {
	e.seen[key(pod)] = true
	if c := Condition(pod, "PodScheduled"); c != nil && c["status"] != "True" {
		message, _ := c["message"].(string)
		e.out.add(depth, "not scheduled: %s", message)
		e.hintOfEvent("FailedScheduling", message)
	}
	if reason, _, _ := unstructured.NestedString(pod.Object, "status", "reason"); reason != "" {
		message, _, _ := unstructured.NestedString(pod.Object, "status", "message")
		e.out.add(depth, "%s: %s", reason, message)
	}
	troubles := PodTroubles(pod)
	for _, t := range troubles {
		e.out.add(depth, "%s", t)
		e.hintOfTrouble(t)
	}
	told := len(e.out.Lines)
	e.eventsOf(ctx, pod, depth)
	if node, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName"); node == "" && len(troubles) == 0 && told == len(e.out.Lines) {
		e.out.add(depth, "no node was chosen for it, and no scheduler says why")
	} else if len(troubles) == 0 && told == len(e.out.Lines) {
		phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
		e.out.add(depth, "phase %s on node %s, nothing more is known", phase, node)
	}
	for _, t := range troubles {
		if t.started() {
			e.log(ctx, pod, t, depth)
		}
	}
}

// log tells the last lines that a container wrote, of its last run when the
// current one has written nothing.
func (e *explainer) log(ctx context.Context, pod *unstructured.Unstructured, t ContainerTrouble, depth int) {
	if e.client.Logs == nil {
		return
	}
	title := "last lines of " + t.Container
	text, err := e.client.Logs.Tail(ctx, pod.GetNamespace(), pod.GetName(), t.Container, e.o.LogLines, false)
	if (err != nil || strings.TrimSpace(text) == "") && t.Restarts > 0 {
		title += ", run before"
		text, err = e.client.Logs.Tail(ctx, pod.GetNamespace(), pod.GetName(), t.Container, e.o.LogLines, true)
	}
	if err != nil {
		return
	}
	if strings.TrimSpace(text) == "" {
		e.out.add(depth, "%s wrote nothing", t.Container)
		return
	}
	lines := strings.Split(text, "\n")
	if len(lines) > e.o.LogLines {
		lines = lines[len(lines)-e.o.LogLines:]
	}
	e.out.add(depth, "%s:", title)
	for _, line := range lines {
		e.out.add(depth+1, "| %s", line)
	}
}
