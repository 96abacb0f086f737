package gitops

import (
	"context"
	"fmt"
	"strings"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/step"
)

// branchName is the one branch for promotions of a model to an environment.
func (p Promotion) branchName() string { return "promote/" + p.Environment + "/" + p.Model }

// pullRequest lands the promotion on a branch of its own and has exactly one
// open pull request for it.
func (w *work) pullRequest(ctx context.Context) (Outcome, error) {
	branch := w.branchName()
	if err := git.CheckRef(branch); err != nil {
		return Outcome{}, err
	}
	commit, changed, err := w.make(ctx)
	if err != nil {
		return Outcome{}, err
	}
	open, err := w.Forge.PullRequests(ctx, branch, w.Branch)
	if err != nil {
		return Outcome{}, err
	}
	if !changed {
		return Outcome{Commit: commit, Branch: w.Branch}, w.supersede(ctx, open)
	}
	outcome := Outcome{Branch: branch}
	if outcome.Commit, outcome.Changed, err = w.pushBranch(ctx, branch, commit); err != nil {
		return Outcome{}, err
	}
	diff, err := w.git(ctx, "show", "--format=", "--no-color", "--no-ext-diff", "--no-textconv", commit)
	if err != nil {
		return Outcome{}, fmt.Errorf("describing the change: %w", err)
	}
	spec := w.Request
	spec.Head, spec.Base, spec.Title, spec.Body = branch, w.Branch, w.Message.Subject(), w.Message.Body(diff)
	if len(open) == 0 {
		pull, err := w.Forge.CreatePullRequest(ctx, spec)
		if err != nil {
			return Outcome{}, err
		}
		w.Logf("opened pull request %s", pull.URL)
		outcome.Changed, outcome.PullRequest = true, &pull
		return outcome, nil
	}
	pull := open[0]
	if !sameText(pull.Body, spec.Body) || !strings.HasSuffix(pull.Title, spec.Title) {
		if pull, err = w.Forge.UpdatePullRequest(ctx, pull.Number, spec); err != nil {
			return Outcome{}, err
		}
		outcome.Changed = true
	}
	w.Logf("pull request %s is up to date", pull.URL)
	outcome.PullRequest = &pull
	return outcome, nil
}

// sameText compares bodies as forges keep them: line ends may differ.
func sameText(a, b string) bool {
	clean := func(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) }
	return clean(a) == clean(b)
}

// supersede closes pull requests that have nothing left to bring.
func (w *work) supersede(ctx context.Context, open []forge.PullRequest) error {
	w.Logf("%s already holds this version of %s: nothing to do", w.Environment, w.Model)
	for _, pull := range open {
		if err := w.Forge.ClosePullRequest(ctx, pull.Number, fmt.Sprintf("%s already holds what is to be promoted: closed as superseded.", w.Branch)); err != nil {
			return err
		}
		w.Logf("closed pull request %s: superseded", pull.URL)
	}
	return nil
}

// pushBranch makes the branch hold the promotion. A branch that holds it on
// the same base is left alone; one with a commit that is not ours is an error.
func (w *work) pushBranch(ctx context.Context, branch, commit string) (string, bool, error) {
	const ours = "refs/remotes/origin/ours"
	old := ""
	_, err := w.git(ctx, "fetch", "--quiet", "--no-tags", fmt.Sprintf("--depth=%d", humanCommitsLimit), "--filter=blob:none", "--force", "origin",
		"+refs/heads/"+branch+":"+ours)
	switch {
	case err == nil:
		if old, err = w.git(ctx, "rev-parse", ours); err != nil {
			return "", false, err
		}
		if same, err := w.holds(ctx, old, commit); err != nil || same {
			return old, false, err
		}
		if err := w.onlyOurs(ctx, branch, old); err != nil {
			return "", false, err
		}
	case !strings.Contains(err.Error(), "couldn't find remote ref"):
		return "", false, fmt.Errorf("fetching %s: %w", branch, err)
	}
	// The lease makes sure that what is replaced is what was looked at.
	_, err = w.git(ctx, "push", "--quiet", "--force-with-lease=refs/heads/"+branch+":"+old, "origin", commit+":refs/heads/"+branch)
	if git.Race(err) {
		return "", false, step.WithHint(fmt.Errorf("pushing to %s: another run promotes the same model at this moment: %w", branch, err), "run it again")
	}
	if err != nil {
		return "", false, pushError(branch, err)
	}
	w.Logf("pushed %s to %s", commit, branch)
	return commit, true, nil
}

// holds tells whether the branch's tip is the same promotion on the same base.
func (w *work) holds(ctx context.Context, tip, commit string) (bool, error) {
	if _, err := w.git(ctx, "diff", "--quiet", tip, commit); err != nil {
		return false, ctx.Err()
	}
	a, err := w.git(ctx, "log", "-1", "--format=%P%n%B", tip)
	if err != nil {
		return false, err
	}
	b, err := w.git(ctx, "log", "-1", "--format=%P%n%B", commit)
	return a == b, err
}

// onlyOurs makes sure that every commit of the branch since the base was made
// by a promotion.
func (w *work) onlyOurs(ctx context.Context, branch, tip string) error {
	out, err := w.git(ctx, "log", fmt.Sprintf("--max-count=%d", humanCommitsLimit), "--format=%H %an <%ae>%x00%(trailers:key="+trailerPromotion+",valueonly,separator=%x2C)%x00%P%x01", tip)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", branch, err)
	}
	first, _, _ := strings.Cut(out, "\x01")
	fields := strings.Split(strings.TrimSpace(first), "\x00")
	if len(fields) == 3 && strings.TrimSpace(fields[1]) != "" {
		return nil // the tip is a promotion, and a promotion is one commit on the base
	}
	return step.WithHint(step.Failedf("branch %s has a commit that no promotion made: %s", branch, fields[0]),
		"it is not overwritten: merge or close its pull request and delete the branch, then run this again")
}
