package model

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// maxGitOutput bounds, in bytes, what is read from one git command.
const maxGitOutput = 64 << 20

// repository asks git about a checkout, without the user's or the system's
// configuration and without running anything that the checkout names.
type repository struct{ dir string }

func (r repository) git(ctx context.Context, args ...string) (string, error) {
	all := append([]string{
		"-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull,
		"-c", "protocol.allow=never", "--no-pager", "--literal-pathspecs", "-C", r.dir,
	}, args...)
	cmd := exec.CommandContext(ctx, "git", all...)
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.DevNull, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_OPTIONAL_LOCKS=0",
	}
	stdout, stderr := &limitedBuffer{limit: maxGitOutput}, &limitedBuffer{limit: 4 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	switch {
	case stdout.full:
		return "", step.Invalidf("git %s in %s: the answer is larger than %d bytes", args[0], r.dir, maxGitOutput)
	case errors.Is(err, exec.ErrNotFound):
		return "", step.Infraf("git %s in %s: %w", args[0], r.dir, err)
	case err != nil:
		return "", fmt.Errorf("git %s in %s: %w: %s", args[0], r.dir, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// commit resolves a revision to a commit. ok is false when the checkout does
// not have it, as a shallow clone may not.
func (r repository) commit(ctx context.Context, revision string) (sha string, ok bool) {
	if revision == "" || strings.HasPrefix(revision, "-") || strings.Trim(revision, "0") == "" {
		return "", false
	}
	out, err := r.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{commit}")
	return strings.TrimSpace(out), err == nil
}

// head resolves the revision that was checked out, or the one named.
func (r repository) head(ctx context.Context, revision string) (string, error) {
	if revision == "" {
		revision = "HEAD"
	}
	sha, ok := r.commit(ctx, revision)
	if !ok {
		return "", step.WithHint(step.Invalidf("%s has no commit %q", r.dir, revision),
			"--repository-dir must be a clone that holds the commit; a shallow one may need more depth")
	}
	return sha, nil
}

// limitedBuffer keeps the first limit bytes and notes that there was more.
type limitedBuffer struct {
	bytes.Buffer
	limit int
	full  bool
}

var _ io.Writer = (*limitedBuffer)(nil)

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := b.limit - b.Len(); len(p) > room {
		b.full = true
		b.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}
