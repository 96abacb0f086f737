package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// explainTimeout bounds the calls that an explanation makes.
const explainTimeout = 8 * time.Second

// Bounds of one explanation.
const (
	maxLines     = 80
	maxLineBytes = 400
)

// ExplainOptions bounds what an explanation shows. Zero values mean the
// defaults in brackets.
type ExplainOptions struct {
	LogLines int // last lines of each container in trouble [15]
	Pods     int // pods shown of one workload [3]
	Events   int // latest events of one object [5]
}

func (o ExplainOptions) withDefaults() ExplainOptions {
	o.LogLines = cmp.Or(o.LogLines, 15)
	o.Pods = cmp.Or(o.Pods, 3)
	o.Events = cmp.Or(o.Events, 5)
	return o
}

// Explanation is the cluster's evidence about an object: what its conditions,
// events and pods say, down to the last log lines.
type Explanation struct {
	Lines []Line
	// Hint says what to try, where the evidence is known to mean something.
	Hint string
}

// Line is one line of evidence; Depth tells below which it belongs.
type Line struct {
	Depth int
	Text  string
}

// String indents the lines by their depth.
func (e Explanation) String() string {
	var b strings.Builder
	for i, line := range e.Lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.Repeat("  ", line.Depth+1) + line.Text)
	}
	return b.String()
}

func (e *Explanation) add(depth int, format string, args ...any) {
	switch {
	case len(e.Lines) > maxLines:
		return
	case len(e.Lines) == maxLines:
		e.Lines = append(e.Lines, Line{Text: "… more left out"})
		return
	}
	e.Lines = append(e.Lines, Line{Depth: depth, Text: clean(fmt.Sprintf(format, args...))})
}

func (e *Explanation) hint(text string) {
	if e.Hint == "" {
		e.Hint = text
	}
}

// clean makes text from the cluster fit one line of a terminal.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	if len(text) > maxLineBytes {
		// The end says most: errors are wrapped from the front.
		const head = maxLineBytes / 3
		text = strings.ToValidUTF8(text[:head], "") + " … " + strings.ToValidUTF8(text[len(text)-(maxLineBytes-head):], "")
	}
	return text
}

// explainer gathers evidence about one object and what belongs to it.
type explainer struct {
	client *Client
	o      ExplainOptions
	out    Explanation
	events map[string][]unstructured.Unstructured // by namespace
	seen   map[string]bool                        // pods told already, by namespace/name
}

// Explain gathers what the cluster knows about why obj is not ready: its
// conditions, its events, the workloads it owns, their pods and why these wait
// or ended, and the last lines those wrote. It never fails: what cannot be read
// is left out. It is bounded in time, lines and bytes.
func Explain(ctx context.Context, c *Client, obj *unstructured.Unstructured, o ExplainOptions) Explanation {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	e := &explainer{client: c, o: o.withDefaults(), events: map[string][]unstructured.Unstructured{}, seen: map[string]bool{}}
	e.object(ctx, obj, 0)
	return e.out
}

// ExplainPods is [Explain] for the pods that carry labels, such as those of a
// workload whose object is not at hand.
func ExplainPods(ctx context.Context, c *Client, namespace, labelSelector string, o ExplainOptions) Explanation {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	e := &explainer{client: c, o: o.withDefaults(), events: map[string][]unstructured.Unstructured{}, seen: map[string]bool{}}
	e.pods(ctx, namespace, labelSelector, 0)
	return e.out
}

// object tells about obj, then about what it owns.
func (e *explainer) object(ctx context.Context, obj *unstructured.Unstructured, depth int) {
	if obj.GetKind() == "Pod" {
		e.pod(ctx, obj, depth)
		return
	}
	e.conditions(obj, depth)
	e.eventsOf(ctx, obj, depth)
	if selector := podSelector(obj); selector != "" {
		e.pods(ctx, obj.GetNamespace(), selector, depth)
		return
	}
	if !isBuiltin(obj.GroupVersionKind().Group) && depth == 0 {
		e.owned(ctx, obj, depth)
	}
}

// conditions tells what the object's own conditions complain about.
func (e *explainer) conditions(obj *unstructured.Unstructured, depth int) {
	if description, _, _ := unstructured.NestedString(obj.Object, "status", "description"); description != "" {
		e.out.add(depth, "description: %s", description)
	}
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, entry := range conditions {
		c, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		conditionType, _ := c["type"].(string)
		// These are bad when true, all others when not.
		bad := slices.Contains([]string{"ReplicaFailure", "Failed", "Stalled", "Degraded", "NonStructuralSchema"}, conditionType)
		if (c["status"] == "True") == bad {
			e.out.add(depth, "%s", conditionText(conditionType, c))
		}
	}
}

// owned tells about the workloads that belong to a custom resource.
func (e *explainer) owned(ctx context.Context, owner *unstructured.Unstructured, depth int) {
	if owner.GetUID() == "" || owner.GetNamespace() == "" {
		return
	}
	for _, gvr := range []schema.GroupVersionResource{
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "apps", Version: "v1", Resource: "statefulsets"},
		{Group: "apps", Version: "v1", Resource: "daemonsets"},
		{Group: "batch", Version: "v1", Resource: "jobs"},
		podResource,
	} {
		list, err := e.client.Dynamic.Resource(gvr).Namespace(owner.GetNamespace()).List(ctx, metav1.ListOptions{})
		if err != nil {
			continue
		}
		for i := range list.Items {
			child := &list.Items[i]
			mine := slices.ContainsFunc(child.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == owner.GetUID() })
			if status := StatusOf(child); mine && status.State != Ready {
				e.out.add(depth, "%s: %s", Ref(child), status.Message)
				e.object(ctx, child, depth+1)
			}
		}
	}
}

// podSelector returns the label selector of a workload's pods, or "".
func podSelector(obj *unstructured.Unstructured) string {
	switch obj.GetKind() {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job":
	default:
		return ""
	}
	if obj.GetKind() == "Job" {
		if _, found, _ := unstructured.NestedMap(obj.Object, "spec", "selector"); !found {
			return "job-name=" + obj.GetName()
		}
	}
	labels, _, _ := unstructured.NestedStringMap(obj.Object, "spec", "selector", "matchLabels")
	if len(labels) == 0 {
		return ""
	}
	return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels})
}

// eventsOf tells the latest warnings about obj; where there are none, its
// latest event, which says how far it came.
func (e *explainer) eventsOf(ctx context.Context, obj *unstructured.Unstructured, depth int) {
	events := e.eventsAbout(ctx, obj)
	warnings := slices.DeleteFunc(slices.Clone(events), func(u unstructured.Unstructured) bool {
		message, _ := u.Object["message"].(string)
		return u.Object["type"] != "Warning" || strings.Contains(message, "the object has been modified") // settled by itself
	})
	if len(warnings) == 0 && len(events) > 0 {
		warnings = events[len(events)-1:]
	}
	if len(warnings) > e.o.Events {
		warnings = warnings[len(warnings)-e.o.Events:]
	}
	for _, event := range warnings {
		reason, _ := event.Object["reason"].(string)
		message, _ := event.Object["message"].(string)
		times := ""
		if count, _, _ := unstructured.NestedInt64(event.Object, "count"); count > 1 {
			times = fmt.Sprintf(", %d times", count)
		}
		e.out.add(depth, "event %s (%s ago%s): %s", reason, time.Since(eventTime(event)).Round(time.Second), times, message)
		e.hintOfEvent(reason, message)
	}
}

func (e *explainer) eventsAbout(ctx context.Context, obj *unstructured.Unstructured) []unstructured.Unstructured {
	namespace := obj.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	all, listed := e.events[namespace]
	if !listed {
		list, err := e.client.Dynamic.Resource(eventResource).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: 2000})
		if err == nil {
			all = list.Items
		}
		slices.SortStableFunc(all, func(a, b unstructured.Unstructured) int { return eventTime(a).Compare(eventTime(b)) })
		e.events[namespace] = all
	}
	var about []unstructured.Unstructured
	for _, event := range all {
		ref, _, _ := unstructured.NestedMap(event.Object, "involvedObject")
		if ref["kind"] == obj.GetKind() && ref["name"] == obj.GetName() && (obj.GetUID() == "" || ref["uid"] == nil || ref["uid"] == string(obj.GetUID())) {
			about = append(about, event)
		}
	}
	return about
}

// eventTime is when an event was last seen, in whichever field it says so.
func eventTime(event unstructured.Unstructured) time.Time {
	series, _, _ := unstructured.NestedString(event.Object, "series", "lastObservedTime")
	for _, text := range []any{series, event.Object["lastTimestamp"], event.Object["eventTime"], event.Object["firstTimestamp"]} {
		if s, _ := text.(string); s != "" {
			if t, err := time.Parse(time.RFC3339, s); err == nil {
				return t
			}
		}
	}
	return event.GetCreationTimestamp().Time
}
