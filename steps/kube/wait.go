package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/step"
)

// DefaultWaitTimeout bounds a wait whose caller names no timeout.
const DefaultWaitTimeout = 5 * time.Minute

// tickInterval is how often what only time changes is looked at.
const tickInterval = 250 * time.Millisecond

// progressInterval is the pause between lines that say what is waited for.
const progressInterval = 10 * time.Second

// WaitOptions says how long to wait, and where to say what for.
type WaitOptions struct {
	// Timeout bounds the wait. Zero: [DefaultWaitTimeout].
	Timeout time.Duration
	// Progress gets a line every ten seconds. May be nil.
	Progress func(format string, args ...any)
	// Explain bounds the explanation of what did not become ready.
	Explain ExplainOptions
}

// NotReady is an object that did not become ready.
type NotReady struct {
	Object  *unstructured.Unstructured // as last seen; as applied if it was never seen
	Status  Status
	Because Explanation
}

// NotReadyError says which objects did not become ready, and why.
type NotReadyError struct {
	Objects  []NotReady
	Of       int // how many were waited for
	TimedOut bool
	After    time.Duration
}

// Error lists every object with what the cluster says about it.
func (e *NotReadyError) Error() string {
	var b strings.Builder
	if e.TimedOut {
		fmt.Fprintf(&b, "%d of %d objects not ready after %s", len(e.Objects), e.Of, e.After.Round(time.Second))
	} else {
		fmt.Fprintf(&b, "%d of %d objects failed or not ready, seen after %s", len(e.Objects), e.Of, e.After.Round(time.Second))
	}
	for _, o := range e.Objects {
		fmt.Fprintf(&b, "\n%s: %s", Ref(o.Object), o.Status.Message)
		if o.Status.State == Failed {
			b.WriteString(" (failed)")
		}
		if text := o.Because.String(); text != "" {
			b.WriteString("\n" + text)
		}
	}
	return b.String()
}

// pending is an object that is not ready yet.
type pending struct {
	applied  *unstructured.Unstructured
	follower *Follower
	last     *unstructured.Unstructured
	status   Status
	since    time.Time // when it was first seen
	promises bool      // its definition promises conditions

	settling  string    // the pods that have to stay as they are for a moment
	settledAt time.Time // since when they are as they are
}

// WaitReady waits until every object is ready by the rules of [StatusOf]: it
// watches each that is not, and returns as soon as the last one is. It gives up
// at once when an object failed for good, and at the timeout; the error is then
// a [*NotReadyError] with exit code 1, which explains each object that is not
// ready. objs are as [Apply] returned them, or anything that names the objects.
func WaitReady(ctx context.Context, c *Client, objs []*unstructured.Unstructured, o WaitOptions) error {
	if o.Timeout <= 0 {
		o.Timeout = DefaultWaitTimeout
	}
	if o.Progress == nil {
		o.Progress = func(string, ...any) {}
	}
	start := time.Now()
	waiting, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()

	changed := make(chan struct{}, 1)
	var open []*pending
	for _, obj := range objs {
		if obj == nil || alwaysReady(obj) {
			continue
		}
		follower, err := c.Follow(waiting, Selection{Kind: obj.GroupVersionKind(), Namespace: obj.GetNamespace(), Name: obj.GetName()}, changed)
		if err != nil {
			return step.Infra(err)
		}
		open = append(open, &pending{
			applied: obj, follower: follower, since: start,
			promises: !isBuiltin(obj.GroupVersionKind().Group) && c.promisesConditions(waiting, obj),
		})
	}
	total := len(open)
	tick := time.NewTicker(tickInterval)
	defer tick.Stop()
	told := start
	for {
		var failed bool
		if open, failed = c.review(waiting, open); len(open) == 0 {
			return nil
		}
		if failed {
			return notReady(ctx, c, open, total, false, start, o)
		}
		select {
		case <-waiting.Done():
			if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return step.Infra(fmt.Errorf("wait for %s: %w", Ref(open[0].applied), context.Cause(ctx)))
			}
			return notReady(ctx, c, open, total, true, start, o)
		case <-changed:
		case <-tick.C:
			if time.Since(told) >= progressInterval {
				told = time.Now()
				o.Progress("waiting for %d of %d objects (%s): %s", len(open), total, time.Since(start).Round(time.Second), c.summary(waiting, open))
			}
		}
	}
}

// alwaysReady tells whether obj is ready as soon as it is stored.
func alwaysReady(obj *unstructured.Unstructured) bool {
	gvk := obj.GroupVersionKind()
	if !isBuiltin(gvk.Group) {
		return false
	}
	switch rankOf(obj) {
	case rankSetting:
		return gvk.Kind != "PersistentVolumeClaim" && gvk.Kind != "PodDisruptionBudget"
	case rankAccess, rankService:
		return true
	}
	return strings.HasSuffix(gvk.Group, "admissionregistration.k8s.io")
}

// review drops what became ready and tells whether something failed for good.
func (c *Client) review(ctx context.Context, open []*pending) (rest []*pending, failed bool) {
	for _, p := range open {
		obj, synced, err := p.follower.Object()
		switch {
		case err != nil && !synced:
			p.status = Status{State: InProgress, Message: err.Error()}
		case !synced:
			p.status = Status{State: InProgress, Message: "not heard of yet"}
		default:
			p.last, p.status = obj, StatusOf(obj)
			c.refine(ctx, p)
			if err != nil {
				p.status.Message += "; since then: " + err.Error()
			}
		}
		if p.status.State != Ready {
			rest = append(rest, p)
			failed = failed || p.status.State == Failed
		}
	}
	return rest, failed
}

// refine corrects the cases that need more than the object itself.
func (c *Client) refine(ctx context.Context, p *pending) {
	switch {
	case p.last == nil:
	case p.status.State == Ready && podSelector(p.last) != "" && p.last.GetKind() != "Job":
		if message := c.unsettled(ctx, p); message != "" {
			p.status = Status{State: InProgress, Message: message}
		}
	case p.status.State == Ready && p.promises && silent(p.last) && time.Since(p.since) < silenceGrace:
		p.status = Status{State: InProgress, Message: "its controller has reported nothing yet"}
	case p.status.State == InProgress && p.last.GetKind() == "PersistentVolumeClaim" && c.bindsLate(ctx, p.last):
		p.status = Status{State: Ready, Message: "bound when the first pod uses it"}
	}
}

// notReady explains what is left. The explanation has its own few seconds,
// since the deadline of the wait is over by then.
func notReady(ctx context.Context, c *Client, open []*pending, total int, timedOut bool, start time.Time, o WaitOptions) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), explainTimeout)
	defer cancel()
	e := &NotReadyError{Of: total, TimedOut: timedOut, After: time.Since(start)}
	for _, p := range open {
		obj := p.last
		if obj == nil {
			obj = p.applied
		}
		e.Objects = append(e.Objects, NotReady{Object: obj, Status: p.status, Because: Explain(ctx, c, obj, o.Explain)})
	}
	var hint string
	for _, object := range e.Objects {
		if hint = object.Because.Hint; hint != "" {
			break
		}
	}
	if hint == "" {
		hint = "see the events and log lines above; if it was only slow, raise --timeout"
	}
	return step.WithHint(step.Failed(e), hint)
}

// summary says in one line what is not ready, and the trouble of its pods.
func (c *Client) summary(ctx context.Context, open []*pending) string {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	var parts []string
	for i, p := range open {
		if i == 3 {
			parts = append(parts, fmt.Sprintf("and %d more", len(open)-i))
			break
		}
		part := Ref(p.applied) + ": " + p.status.Message
		if p.last != nil {
			if trouble := c.podTrouble(ctx, p.last); trouble != "" {
				part += " (" + trouble + ")"
			}
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}
