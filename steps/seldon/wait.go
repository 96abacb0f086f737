package seldon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// NotReadyError says how far a SeldonDeployment came and what holds it up.
type NotReadyError struct {
	Namespace, Name string
	Stage           Stage
	Message         string
	TimedOut        bool
	After           time.Duration
	Because         kube.Explanation
}

// Error tells the stage, the reason and the cluster's evidence.
func (e *NotReadyError) Error() string {
	how := "does not come up"
	if e.TimedOut {
		how = "is not ready after " + e.After.Round(time.Second).String()
	}
	text := fmt.Sprintf("SeldonDeployment %s/%s %s (stage %s): %s", e.Namespace, e.Name, how, e.Stage, e.Message)
	if because := e.Because.String(); because != "" {
		text += "\n" + because
	}
	return text
}

const (
	defaultTimeout  = 5 * time.Minute
	defaultPatience = 45 * time.Second
	softGrace       = 30 * time.Second
)

// Wait waits until the version of a SeldonDeployment that is wanted serves, and
// no older one does: the cluster holds it, the live pod templates carry it, its
// Deployments have rolled out with no old pod left, the operator calls it
// Available, its services lead to its pods alone, and all of that stays so for a
// moment. It works through watches.
//
// When that does not happen in time, or clearly never will, the error is a
// [*NotReadyError] with exit code 1, which explains why from the cluster's evidence.
func Wait(ctx context.Context, c *kube.Client, namespace, name string, want Want) (*Status, error) {
	if namespace == "" {
		namespace = c.Namespace
	}
	if want.Timeout <= 0 {
		want.Timeout = defaultTimeout
	}
	if want.Patience <= 0 {
		want.Patience = defaultPatience
	}
	if want.Progress == nil {
		want.Progress = func(string, ...any) {}
	}
	waiting, cancel := context.WithTimeout(ctx, want.Timeout)
	defer cancel()
	f, err := follow(waiting, c, namespace, name)
	if err != nil {
		return nil, err
	}
	w := &waiter{client: c, want: want, namespace: namespace, name: name, start: time.Now()}
	return w.run(ctx, waiting, f)
}

// waiter judges one snapshot after another.
type waiter struct {
	client          *kube.Client
	want            Want
	namespace, name string
	start           time.Time

	last      verdict
	passed    time.Time // since when all is well; zero: it is not
	soft      time.Time // since when only something soft is missing
	suspected time.Time // since when a trouble is seen
	told      time.Time
}

func (w *waiter) run(ctx, waiting context.Context, f *followers) (*Status, error) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := f.snapshot()
		if err != nil {
			w.last = verdict{stage: StageSpec, message: err.Error()}
		} else if status, done := w.judge(s); done {
			return status, nil
		} else if w.last.fatal != "" || w.hopeless() {
			return nil, w.explain(ctx, false)
		}
		select {
		case <-waiting.Done():
			if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, step.Infraf("wait for SeldonDeployment %s/%s: %w", w.namespace, w.name, context.Cause(ctx))
			}
			return nil, w.explain(ctx, true)
		case <-f.changed:
		case <-tick.C:
		}
	}
}

// judge takes a snapshot into account; done when all has been well long enough.
func (w *waiter) judge(s snapshot) (status *Status, done bool) {
	now := time.Now()
	v := review(s, w.want)
	if v.stage != w.last.stage || now.Sub(w.told) > 10*time.Second {
		w.told = now
		if v.stage != StageStable {
			w.want.Progress("%s/%s, stage %s (%s): %s", w.namespace, w.name, v.stage, now.Sub(w.start).Round(time.Second), v.message)
		}
	}
	w.last = v
	since(&w.suspected, v.suspect != "", now)
	since(&w.soft, v.soft, now)
	since(&w.passed, v.stage == StageStable, now)
	switch {
	case v.stage == StageStable:
		return v.status, now.Sub(w.passed) >= settle(s.sdep, w.want)
	case v.soft && now.Sub(w.soft) > softGrace:
		w.want.Progress("%s/%s: going on although %s", w.namespace, w.name, v.message)
		return v.status, true
	}
	return nil, false
}

// since keeps the time at which holds became true.
func since(mark *time.Time, holds bool, now time.Time) {
	if !holds {
		*mark = time.Time{}
	} else if mark.IsZero() {
		*mark = now
	}
}

// hopeless tells whether a trouble has been seen for longer than there is patience.
func (w *waiter) hopeless() bool {
	patience := w.want.Patience
	if strings.Contains(w.last.suspect, "InvalidImageName") {
		patience = 0
	}
	return !w.suspected.IsZero() && time.Since(w.suspected) >= patience
}
