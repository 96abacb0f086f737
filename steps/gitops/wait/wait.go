// Package wait waits until a commit of the GitOps repository is live: until
// Argo CD or Flux has applied it, or a later one that contains it, and what it
// describes is healthy.
package wait

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// History answers for revisions of the GitOps repository.
type History interface {
	// Contains tells whether a revision is a commit or comes after it.
	Contains(ctx context.Context, commit, revision string) (bool, error)
	// Same tells whether a path holds the same in two commits.
	Same(ctx context.Context, a, b, path string) (bool, error)
}

// Target says what is waited for.
type Target struct {
	Client     *kube.Client
	Controller Controller
	Namespace  string // of the controller's object
	Name       string
	Commit     string
	// Path in the repository must hold in the live commit what it holds in
	// Commit; empty: that is not looked at.
	Path     string
	History  History
	Refresh  bool // ask the controller to look now
	Timeout  time.Duration
	Patience time.Duration // how long a trouble is watched that hardly heals
	Logf     func(format string, args ...any)
}

// Controller is what applies the repository.
type Controller interface {
	// kind of the object to watch, and how it is told where it must be defined.
	selection(namespace, name string) kube.Selection
	judge(obj *unstructured.Unstructured, contains func(revision string) (bool, error)) (verdict, error)
	// nudge asks the controller to look at the repository now.
	nudge(ctx context.Context, t Target, obj *unstructured.Unstructured) error
}

// verdict is how far the controller is.
type verdict struct {
	live     bool
	revision string // that contains the commit; empty: none does yet
	final    string // why it will not get there; empty: it may
	trouble  string // what is wrong and hardly heals
	waiting  string // what is waited for
}

const (
	stableFor     = 2 * time.Second // how long it has to stay live
	nudgeInterval = 10 * time.Second
	sayInterval   = 30 * time.Second
	retryInterval = 2 * time.Second // after the history could not be read
)

// Wait waits and returns the revision that is live.
func Wait(ctx context.Context, t Target) (string, error) {
	limited, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	changed := make(chan struct{}, 1)
	selection := t.Controller.selection(t.Namespace, t.Name)
	what := selection.Kind.Kind + " " + t.Namespace + "/" + t.Name
	follower, err := t.Client.Follow(limited, selection, changed)
	if err != nil {
		return "", step.WithHint(step.Infraf("looking for %s: %w", what, err), "its controller must be installed in the cluster, and the service account may get, list and watch it")
	}
	w := &waiter{Target: t, what: what, follower: follower}
	for {
		v, err := w.look(limited)
		if err != nil {
			return "", err
		}
		again, done, err := w.weigh(v, time.Now())
		if err != nil || done {
			return v.revision, err
		}
		w.nudge(limited)
		timer := time.NewTimer(again)
		select {
		case <-changed:
		case <-timer.C:
		case <-limited.Done():
			timer.Stop()
			if ctx.Err() != nil {
				return "", step.Infraf("waiting for %s: %w", what, context.Cause(ctx))
			}
			return "", step.Failedf("%s is not live after %s: waiting for %s", what, t.Timeout, w.said)
		}
		timer.Stop()
	}
}

// waiter remembers between two looks.
type waiter struct {
	Target
	what     string
	follower *kube.Follower
	object   *unstructured.Unstructured
	live     time.Time // since when
	troubled time.Time
	said     string
	saidAt   time.Time
	nudged   time.Time
	waiting  bool // for the controller to see the commit
	unread   error
}

// weigh tells after which time to look again, or that the wait is over.
func (w *waiter) weigh(v verdict, now time.Time) (again time.Duration, done bool, err error) {
	again = sayInterval
	if v.final != "" {
		return 0, false, step.Failedf("%s: %s", w.what, v.final)
	}
	if v.live {
		if w.live.IsZero() {
			w.live = now
		}
		if left := stableFor - now.Sub(w.live); left > 0 {
			return left, false, nil
		}
		return 0, true, nil
	}
	w.live = time.Time{}
	if v.trouble == "" {
		w.troubled = time.Time{}
	} else {
		if w.troubled.IsZero() {
			w.troubled = now
		}
		left := w.Patience - now.Sub(w.troubled)
		if left <= 0 {
			if w.unread != nil {
				return 0, false, w.unread
			}
			return 0, false, step.Failedf("%s: %s", w.what, v.trouble)
		}
		again = min(again, left)
		v.waiting = v.trouble
	}
	if w.unread != nil {
		again = min(again, retryInterval)
	}
	if v.waiting != w.said || now.Sub(w.saidAt) >= sayInterval {
		w.said, w.saidAt = v.waiting, now
		w.Logf("waiting for %s", v.waiting)
	}
	w.waiting = v.revision == ""
	if w.Refresh && w.waiting {
		again = min(again, nudgeInterval)
	}
	return again, false, nil
}

// look judges what the cluster last told.
func (w *waiter) look(ctx context.Context) (verdict, error) {
	obj, synced, err := w.follower.Object()
	w.object, w.unread = obj, nil
	switch {
	case err != nil:
		return verdict{waiting: "the cluster to answer: " + err.Error()}, nil
	case !synced:
		return verdict{waiting: "the cluster to answer"}, nil
	case obj == nil:
		return verdict{waiting: w.what + " to be there"}, nil
	}
	v, err := w.judge(ctx, obj)
	if err != nil && ctx.Err() == nil {
		w.unread = err
		return verdict{trouble: "the GitOps repository to be readable: " + err.Error()}, nil
	}
	return v, nil
}

func (w *waiter) judge(ctx context.Context, obj *unstructured.Unstructured) (verdict, error) {
	v, err := w.Controller.judge(obj, func(revision string) (bool, error) { return w.History.Contains(ctx, w.Commit, revision) })
	if err != nil || w.Path == "" || v.final != "" || v.revision == w.Commit || !git.IsCommit(v.revision) {
		return v, err
	}
	same, err := w.History.Same(ctx, w.Commit, v.revision, w.Path)
	if err == nil && !same {
		v.final = fmt.Sprintf("commit %.12s, which is live or about to be, has another %s than %.12s: it was reverted, or another version was promoted", v.revision, w.Path, w.Commit)
	}
	return v, err
}

// nudge asks the controller to look, until it has seen the commit.
func (w *waiter) nudge(ctx context.Context) {
	if !w.Refresh || !w.waiting || w.object == nil || time.Since(w.nudged) < nudgeInterval {
		return
	}
	first := w.nudged.IsZero()
	w.nudged = time.Now()
	if err := w.Controller.nudge(ctx, w.Target, w.object); err != nil && first && ctx.Err() == nil {
		w.Logf("the controller cannot be asked to look now, so that its own interval counts: %v", err)
	}
}
