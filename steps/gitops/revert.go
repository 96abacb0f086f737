package gitops

import (
	"context"
	"fmt"
	"strings"

	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/gitops/evidence"
	"github.com/model-delivery/model-delivery/steps/gitops/source"
	"github.com/model-delivery/model-delivery/steps/step"
)

// How much of the history is looked at for the promotion to take back: a
// little, then much.
var revertDepths = [...]int{50, 2000}

// Revert takes the newest promotion at or before a commit back: the directory
// becomes what it was before. An empty commit is the branch's head. When
// another promotion came since there is nothing to take back, and neither is
// there when this one was taken back before. Files and what the evidence says
// about a version are filled in.
func Revert(ctx context.Context, p Promotion, commit string) (Outcome, error) {
	if commit != "" && !git.IsCommit(commit) {
		return Outcome{}, step.Invalidf("%q is not the full hash of a commit", commit)
	}
	p.Evidence.Reverts = "HEAD" // what it is comes from the history; the branch's name needs to know
	return p.in(ctx, func(ctx context.Context, w *work) (Outcome, error) {
		for _, depth := range revertDepths {
			found, err := w.findRevert(ctx, commit, depth)
			if err != nil {
				return Outcome{}, err
			}
			if found {
				return w.promote(ctx)
			}
		}
		return Outcome{}, step.WithHint(step.Failedf("the promotion of %s to %s is not among the newest %d commits of %s", w.Model, w.Environment, revertDepths[len(revertDepths)-1], w.Branch),
			"give its commit with --commit, or promote the version that is wanted")
	})
}

// findRevert looks for the promotion in the newest commits of the branch. It
// is not found when the history that was fetched is too short.
func (w *work) findRevert(ctx context.Context, commit string, depth int) (bool, error) {
	if err := w.clone.Fetch(ctx, depth, filter, []string{w.Branch}); err != nil {
		return false, err
	}
	if commit == "" {
		commit = ref(w.Branch)
	} else if _, err := w.clone.Run(ctx, "merge-base", "--is-ancestor", commit, ref(w.Branch)); err != nil {
		return false, ctx.Err()
	}
	// Where the branch itself changed: a pull request's commits are of no
	// account, its merge is.
	landed, err := w.lastChange(ctx, commit, "--first-parent")
	if err != nil {
		return false, err
	}
	if landed == "" {
		short, err := w.endsEarly(ctx)
		if err != nil || short {
			return false, err
		}
		return false, step.Failedf("%s was never promoted to %s: %s has no %s", w.Model, w.Environment, w.Branch, w.Target)
	}
	// The oldest commit of a short history seems to have made all that is there.
	if short, err := w.clone.Shallow(ctx, landed); err != nil || short {
		return false, err
	}
	return true, w.restore(ctx, landed)
}

// endsEarly tells whether there is more history than was fetched.
func (w *work) endsEarly(ctx context.Context) (bool, error) {
	out, err := w.clone.Run(ctx, "rev-parse", "--is-shallow-repository")
	return out == "true", err
}

// lastChange is the newest commit, at or before one, that changed the target.
func (w *work) lastChange(ctx context.Context, commit string, options ...string) (string, error) {
	args := append([]string{"log", "-1", "--no-show-signature", "--format=%H"}, options...)
	out, err := w.clone.Run(ctx, append(args, commit, "--", ":(top,literal)"+w.Target)...)
	if err != nil {
		return "", fmt.Errorf("looking for the promotion: %w", err)
	}
	return out, nil
}

// restore makes the promotion one that brings back what was there before a
// commit.
func (w *work) restore(ctx context.Context, landed string) error {
	var err error
	if w.replaces, err = w.clone.Resolve(ctx, landed+":"+w.Target); err != nil {
		return err
	}
	w.taking = true
	w.Evidence.Reverts = landed
	before, err := w.clone.Resolve(ctx, landed+"^")
	if err != nil || before == "" {
		return err // the first commit: there was nothing before
	}
	blobs, err := w.clone.Files(ctx, before, w.Target)
	if err != nil {
		return err
	}
	for _, blob := range blobs {
		w.Files = append(w.Files, source.File{Path: strings.TrimPrefix(blob.Path, w.Target+"/"), Data: blob.Data, Executable: blob.Executable})
	}
	// What is brought back is told by the promotion that had brought it.
	earlier, err := w.lastChange(ctx, before)
	if err != nil || earlier == "" || len(blobs) == 0 {
		return err
	}
	message, err := w.clone.Run(ctx, "log", "-1", "--no-show-signature", "--format=%B", earlier)
	if err != nil {
		return err
	}
	first := func(values []string) string {
		if len(values) == 0 {
			return ""
		}
		return values[0]
	}
	trailers := evidence.Trailers(message)
	w.Evidence.SourceRepository, w.Evidence.SourceCommit = first(trailers[evidence.TrailerSourceRepository]), first(trailers[evidence.TrailerSourceCommit])
	w.Evidence.Version, w.Evidence.Images = first(trailers[evidence.TrailerVersion]), trailers[evidence.TrailerImage]
	return nil
}

// overtaken tells whether the base no longer has what is to be taken back.
func (w *work) overtaken(ctx context.Context, base string) (bool, error) {
	if !w.taking {
		return false, nil
	}
	now, err := w.clone.Resolve(ctx, base+":"+w.Target)
	if err == nil && now != w.replaces {
		w.Logf("%s no longer holds what %.12s brought: there is nothing to take back", w.Environment, w.Evidence.Reverts)
	}
	return now != w.replaces, err
}
