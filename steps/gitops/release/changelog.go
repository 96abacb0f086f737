package release

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/gitops/evidence"
	"github.com/model-delivery/model-delivery/steps/step"
)

// maxChanges bounds how many commits are told as new.
const maxChanges = 50

// Changelog lists the subjects of the commits of a clone that touched a
// directory of it after one commit and up to another, the newest first. When
// the clone does not have the first, nothing is told.
func Changelog(ctx context.Context, clone, dir, since, until string) ([]string, error) {
	if !git.IsCommit(since) || !git.IsCommit(until) || since == until {
		return nil, nil
	}
	clone, err := filepath.Abs(clone)
	if err != nil {
		return nil, step.Invalidf("reading what is new: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, step.Invalidf("reading what is new: %w", err)
	}
	within, err := filepath.Rel(clone, dir)
	if err != nil || !filepath.IsLocal(within) {
		return nil, step.Invalidf("reading what is new: %s is not in the clone %s", dir, clone)
	}
	client, err := git.New(clone, git.Options{AllowFile: true, Offline: true, UntrustedTree: true})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if _, err := client.Run(ctx, clone, "rev-parse", "--quiet", "--verify", "--end-of-options", since+"^{commit}"); err != nil {
		return nil, ctx.Err()
	}
	out, err := client.Run(ctx, clone, "log", "--no-show-signature", "--no-merges", fmt.Sprintf("--max-count=%d", maxChanges), "--format=%s",
		since+".."+until, "--", ":(top,literal)"+filepath.ToSlash(within))
	if err != nil {
		return nil, fmt.Errorf("reading what is new: %w", err)
	}
	var subjects []string
	for line := range strings.Lines(out) {
		if line = evidence.Line(line); line != "" {
			subjects = append(subjects, line)
		}
	}
	return subjects, nil
}
