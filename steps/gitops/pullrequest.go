package gitops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/gitops/evidence"
	"github.com/model-delivery/model-delivery/steps/step"
)

// pullRequest lands the promotion on a branch of its own and has exactly one
// open pull request for it.
func (w *work) pullRequest(ctx context.Context) (Outcome, error) {
	start := time.Now()
	for attempt := 1; ; attempt++ {
		began := time.Now()
		outcome, err := w.pullRequestOnce(ctx)
		if !git.Race(err) || time.Since(start) > w.PushTimeout {
			return outcome, err
		}
		w.Logf("another run changed %s first (attempt %d): looking at it again", w.branchName(), attempt)
		if err := pause(ctx, attempt, time.Since(began)); err != nil {
			return Outcome{}, err
		}
	}
}

func (w *work) pullRequestOnce(ctx context.Context) (Outcome, error) {
	branch := w.branchName()
	// Of the promotion's branch the commit below is needed too, to tell on
	// what it was made.
	if err := w.clone.Fetch(ctx, 2, filter, []string{w.Branch}, branch); err != nil {
		return Outcome{}, err
	}
	base, err := w.clone.Resolve(ctx, ref(w.Branch))
	if err != nil {
		return Outcome{}, err
	}
	tip, err := w.clone.Resolve(ctx, ref(branch))
	if err != nil {
		return Outcome{}, err
	}
	c, err := w.onto(ctx, base)
	if err != nil {
		return Outcome{}, err
	}
	open, err := w.Forge.PullRequests(ctx, branch, w.Branch)
	if err != nil {
		return Outcome{}, err
	}
	if c.tree == "" {
		return Outcome{Commit: base, Branch: w.Branch}, w.superseded(ctx, open, tip)
	}
	outcome := Outcome{Branch: branch}
	if outcome.Commit, outcome.Changed, err = w.pushBranch(ctx, branch, tip, c); err != nil {
		return Outcome{}, err
	}
	spec, err := w.spec(ctx, c)
	if err != nil {
		return Outcome{}, err
	}
	pull, changed, err := w.ensure(ctx, open, spec)
	if err != nil {
		return Outcome{}, err
	}
	outcome.Changed = outcome.Changed || changed
	outcome.PullRequest = &pull
	if w.AutoMerge {
		if err := w.Before("auto-merge"); err != nil {
			return Outcome{}, err
		}
		pull.HeadCommit = outcome.Commit
		if err := w.Forge.AutoMerge(ctx, pull); err != nil {
			return outcome, err
		}
		w.Logf("pull request %s is merged as soon as its conditions are met", pull.URL)
	}
	return outcome, nil
}

// spec is what the pull request shall be.
func (w *work) spec(ctx context.Context, c change) (forge.PullRequestSpec, error) {
	diff, err := w.diff(ctx, c)
	if err != nil {
		return forge.PullRequestSpec{}, err
	}
	limits := w.Forge.Limits()
	spec := w.Request
	spec.Head, spec.Base = w.branchName(), w.Branch
	spec.Title = forge.Cut(w.Evidence.Subject(), limits.Title-16) // a forge may mark a draft in the title
	undo := fmt.Sprintf("gitops-revert --repository %s --branch %s --environment %s --model %s", w.Repository, w.Branch, w.Environment, w.Model)
	spec.Body = w.Evidence.Body(diff, undo, limits.Body)
	return spec, nil
}

// pushBranch makes the branch hold the change. A branch that holds it already
// is left as it is, so that no approval is lost; one that somebody else worked
// on is not overwritten.
func (w *work) pushBranch(ctx context.Context, branch, tip string, c change) (commit string, changed bool, err error) {
	if tip != "" {
		holds, ours, err := w.look(ctx, tip, c)
		if err != nil || holds {
			return tip, tip == w.tried, err
		}
		if !ours {
			who, _ := w.clone.Run(ctx, "log", "-1", "--no-show-signature", "--format=%h by %an <%ae>: %s", tip)
			return "", false, step.WithHint(step.Failedf("branch %s has a commit that no promotion made (%s)", branch, evidence.Line(who)),
				"it is not overwritten: merge or close its pull request and delete the branch, then run this again")
		}
	}
	if commit, err = w.commit(ctx, c); err != nil {
		return "", false, err
	}
	if err := w.Before("push"); err != nil {
		return "", false, err
	}
	w.tried = commit
	// The lease makes sure that what is replaced is what was looked at.
	if err := w.clone.Push(ctx, commit, branch, &tip); err != nil {
		if git.Race(err) {
			return "", false, err
		}
		return "", false, git.ExplainPush(err)
	}
	w.Logf("pushed %s to %s", commit, branch)
	return commit, true, nil
}

// look tells whether the branch's tip holds the change, and whether it is a
// promotion as it was made.
func (w *work) look(ctx context.Context, tip string, c change) (holds, ours bool, err error) {
	message, err := w.clone.Run(ctx, "log", "-1", "--no-show-signature", "--format=%B", tip)
	if err != nil {
		return false, false, err
	}
	tree, err := w.clone.Resolve(ctx, tip+"^{tree}")
	if err != nil {
		return false, false, err
	}
	there, err := w.clone.Entries(ctx, tip, w.Target, true)
	if err != nil {
		return false, false, err
	}
	ours = evidence.Made(message, tree, w.Environment)
	if !w.same(there, tip) {
		return false, ours, nil
	}
	if !ours {
		// Somebody brought the branch up to date by the forge's button, say:
		// the model is as it shall be.
		return true, false, nil
	}
	// The same files: the message must say the same but for the run, and the
	// target in the base must be what it was.
	if !evidence.SameBut(message, w.Evidence.Commit(tree)) {
		return false, true, nil
	}
	parent, err := w.clone.Resolve(ctx, tip+"^")
	if err != nil || parent == "" {
		return false, true, err
	}
	then, err := w.clone.Resolve(ctx, parent+":"+w.Target)
	if err != nil {
		return false, true, err
	}
	now, err := w.clone.Resolve(ctx, c.base+":"+w.Target)
	return then == now, true, err
}

// ensure has one open pull request that is as the spec says.
func (w *work) ensure(ctx context.Context, open []forge.PullRequest, spec forge.PullRequestSpec) (pull forge.PullRequest, changed bool, err error) {
	if len(open) == 0 {
		if pull, changed, err = w.create(ctx, spec); err != nil {
			return pull, false, err
		}
	} else {
		pull = open[0]
	}
	for _, other := range open[min(1, len(open)):] {
		if err := w.close(ctx, other, fmt.Sprintf("Superseded by #%d.", pull.Number)); err != nil {
			return pull, false, err
		}
	}
	if !changed && (!forge.SameText(pull.Body, spec.Body) || pull.Title != spec.Title) {
		if err := w.Before("update"); err != nil {
			return pull, false, err
		}
		// Whether it is a draft is up to people once it is open.
		spec.Draft = pull.Draft
		updated, err := w.Forge.UpdatePullRequest(ctx, pull.Number, spec)
		if err != nil {
			return pull, false, err
		}
		// What the forge does not repeat in its answer is kept.
		updated.Labels, updated.Assignees, updated.Reviewers = pull.Labels, pull.Assignees, pull.Reviewers
		pull, changed = updated, true
		w.Logf("updated pull request %s", pull.URL)
	} else if !changed {
		w.Logf("pull request %s is up to date", pull.URL)
	}
	if err := w.Before("decorate"); err != nil {
		return pull, false, err
	}
	if err := w.Forge.Decorate(ctx, pull, spec); err != nil {
		// A label or a reviewer that cannot be had stops no release.
		if !errors.Is(err, forge.ErrRefused) && !errors.Is(err, forge.ErrUnsupported) {
			return pull, false, err
		}
		w.Logf("warning: %v", err)
	}
	return pull, changed, nil
}

// create opens the pull request. An error may hide that it is open.
func (w *work) create(ctx context.Context, spec forge.PullRequestSpec) (forge.PullRequest, bool, error) {
	if err := w.Before("create"); err != nil {
		return forge.PullRequest{}, false, err
	}
	pull, err := w.Forge.CreatePullRequest(ctx, spec)
	if err == nil {
		w.Logf("opened pull request %s", pull.URL)
		return pull, true, nil
	}
	if open, listing := w.Forge.PullRequests(ctx, spec.Head, spec.Base); listing == nil && len(open) > 0 {
		w.Logf("pull request %s was opened", open[0].URL)
		return open[0], false, nil
	}
	return forge.PullRequest{}, false, err
}

// superseded closes pull requests that have nothing left to bring, and takes
// their branch away if no human worked on it.
func (w *work) superseded(ctx context.Context, open []forge.PullRequest, tip string) error {
	w.Logf("%s already holds this version of %s: nothing to do", w.Environment, w.Model)
	for _, pull := range open {
		if err := w.close(ctx, pull, fmt.Sprintf("Superseded: `%s` holds what is to be promoted already.", w.Branch)); err != nil {
			return err
		}
	}
	if tip == "" || len(open) == 0 {
		return nil
	}
	message, err := w.clone.Run(ctx, "log", "-1", "--no-show-signature", "--format=%B", tip)
	if err != nil {
		return err
	}
	tree, err := w.clone.Resolve(ctx, tip+"^{tree}")
	if err != nil || !evidence.Made(message, tree, w.Environment) {
		return err
	}
	if err := w.Before("delete-branch"); err != nil {
		return err
	}
	if err := w.clone.Push(ctx, "", w.branchName(), &tip); err != nil && !git.Refused(err) {
		return git.ExplainPush(err)
	}
	return nil
}

// close closes a pull request with a word on why.
func (w *work) close(ctx context.Context, pull forge.PullRequest, why string) error {
	if err := w.Before("close"); err != nil {
		return err
	}
	if err := w.Forge.AddComment(ctx, pull.Number, why); err != nil {
		return err
	}
	if err := w.Forge.ClosePullRequest(ctx, pull.Number); err != nil {
		return err
	}
	w.Logf("closed pull request %s: %s", pull.URL, why)
	return nil
}
