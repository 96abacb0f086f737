package gitops

import (
	"context"
	"fmt"
	"time"

	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/step"
)

// filter leaves files out of what is fetched: only those that differ are
// needed, and only for the pull request's text.
const filter = "blob:none"

// base fetches the newest state of the branch.
func (w *work) base(ctx context.Context) (string, error) {
	if err := w.clone.Fetch(ctx, 1, filter, []string{w.Branch}); err != nil {
		return "", err
	}
	return w.clone.Resolve(ctx, ref(w.Branch))
}

// dryRun tells what would change.
func (w *work) dryRun(ctx context.Context) (Outcome, error) {
	base, err := w.base(ctx)
	if err != nil {
		return Outcome{}, err
	}
	c, err := w.onto(ctx, base)
	if err != nil || c.tree == "" {
		return Outcome{Commit: base, Branch: w.Branch}, err
	}
	diff, err := w.diff(ctx, c)
	return Outcome{Changed: true, Commit: base, Branch: w.Branch, Diff: diff}, err
}

// push lands the promotion on the branch itself. When somebody else pushed
// first, the change is made anew on top of theirs.
func (w *work) push(ctx context.Context) (Outcome, error) {
	start := time.Now()
	// The commit that was pushed last: an answer that says no, or none at all,
	// may be the one to a second try of git's own after the first arrived.
	pushed, unclear := "", false
	for attempt := 1; ; attempt++ {
		began := time.Now()
		base, err := w.base(ctx)
		if err != nil {
			return Outcome{}, err
		}
		c, err := w.onto(ctx, base)
		if err != nil {
			return Outcome{}, err
		}
		outcome := Outcome{Commit: base, Branch: w.Branch}
		if c.tree == "" {
			outcome.Changed = base == pushed
			w.Logf("%s already holds this version of %s: nothing to do", w.Environment, w.Model)
			return outcome, w.tag(ctx, base)
		}
		if outcome.Commit, err = w.commit(ctx, c); err != nil {
			return Outcome{}, err
		}
		if err := w.Before("push"); err != nil {
			return Outcome{}, err
		}
		pushed = outcome.Commit
		err = w.clone.Push(ctx, outcome.Commit, w.Branch, nil)
		switch {
		case err == nil:
			w.Logf("pushed %s to %s", outcome.Commit, w.Branch)
			outcome.Changed = true
			return outcome, w.tag(ctx, outcome.Commit)
		case ctx.Err() != nil:
			return Outcome{}, err
		case git.Race(err) && time.Since(start) < w.PushTimeout:
			w.Logf("somebody pushed to %s first (attempt %d): making the change anew on top of theirs", w.Branch, attempt)
		case git.Race(err):
			return Outcome{}, step.WithHint(step.Infra(fmt.Errorf("%w: overtaken %d times in %s", err, attempt, time.Since(start).Round(time.Second))), "run it again when fewer push at once, or give it a longer --push-timeout")
		case git.Refused(err) || unclear:
			return Outcome{}, git.ExplainPush(err)
		default:
			// The connection may have broken after the server took the commit.
			unclear = true
			w.Logf("pushing had no clear answer: looking whether it arrived")
		}
		if err := pause(ctx, attempt, time.Since(began)); err != nil {
			return Outcome{}, err
		}
	}
}

// tag gives the promotion its tag, unless it has it.
func (w *work) tag(ctx context.Context, commit string) error {
	if w.Tag == "" {
		return nil
	}
	if err := w.Before("tag"); err != nil {
		return err
	}
	return w.clone.Tag(ctx, w.Tag, commit, w.Evidence.TagMessage())
}
