package gitops

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Strategy says how a promotion lands.
type Strategy string

// The strategies.
const (
	Push              Strategy = "push"         // a commit on the branch
	ViaPullRequest    Strategy = "pull-request" // one pull request per model and environment
	defaultMaxPushes           = 20
	humanCommitsLimit          = 50
)

// PullRequests is what a promotion by pull request needs of a forge.
type PullRequests interface {
	PullRequests(ctx context.Context, head, base string) ([]forge.PullRequest, error)
	CreatePullRequest(ctx context.Context, spec forge.PullRequestSpec) (forge.PullRequest, error)
	UpdatePullRequest(ctx context.Context, number int64, spec forge.PullRequestSpec) (forge.PullRequest, error)
	ClosePullRequest(ctx context.Context, number int64, comment string) error
}

// Promotion is one model for one environment.
type Promotion struct {
	Repository  string // URL of the GitOps repository
	Branch      string // that the environment follows
	Environment string
	Model       string
	Target      string // directory in the repository that becomes the source, slash-separated
	Files       []File // the source, images pinned
	Strategy    Strategy
	Message     Message
	Git         git.Options
	Forge       PullRequests // for ViaPullRequest
	Request     forge.PullRequestSpec
	MaxPushes   int // attempts when others push at the same time; 0: 20
	Logf        func(format string, args ...any)
}

// Outcome is what a promotion did.
type Outcome struct {
	Changed     bool
	Commit      string // that holds the promotion: made now, or the branch's head when nothing changed
	Branch      string // branch that the commit is on
	PullRequest *forge.PullRequest
}

// work is a clone in which a promotion is made.
type work struct {
	Promotion
	client *git.Client
	dir    string
}

// Promote makes the promotion.
func Promote(ctx context.Context, p Promotion) (Outcome, error) {
	if err := git.CheckRef(p.Branch); err != nil {
		return Outcome{}, fmt.Errorf("branch: %w", err)
	}
	if !filepath.IsLocal(p.Target) || p.Target == "." || checkTarget(p.Target) != nil {
		return Outcome{}, step.WithHint(step.Invalidf("%q is not a directory that a model can be promoted to", p.Target), "--path is a directory inside the repository, {environment}/{model} for instance")
	}
	if p.MaxPushes == 0 {
		p.MaxPushes = defaultMaxPushes
	}
	client, err := git.New(p.Repository, p.Git)
	if err != nil {
		return Outcome{}, err
	}
	defer client.Close()
	dir, err := os.MkdirTemp("", "gitops-")
	if err != nil {
		return Outcome{}, step.Infraf("making a directory for the clone: %w", err)
	}
	defer os.RemoveAll(dir)
	w := &work{Promotion: p, client: client, dir: dir}
	if err := w.open(ctx); err != nil {
		return Outcome{}, fmt.Errorf("opening %s: %w", p.Repository, err)
	}
	if p.Strategy == ViaPullRequest {
		return w.pullRequest(ctx)
	}
	return w.push(ctx)
}

func checkTarget(target string) error {
	for part := range strings.SplitSeq(target, "/") {
		if err := checkName(part); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) git(ctx context.Context, args ...string) (string, error) {
	out, err := w.client.Run(ctx, w.dir, args...)
	return strings.TrimSpace(out), err
}

// open makes a clone that holds no files: only the target's are ever fetched.
func (w *work) open(ctx context.Context) error {
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"config", "remote.origin.url", w.Repository},
		{"config", "remote.origin.promisor", "true"},
		{"config", "remote.origin.partialclonefilter", "blob:none"},
		{"config", "extensions.partialClone", "origin"},
		{"sparse-checkout", "set", "--no-cone", "/" + w.Target + "/"},
	} {
		if _, err := w.git(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// base fetches the newest state of the branch.
func (w *work) base(ctx context.Context) error {
	_, err := w.git(ctx, "fetch", "--quiet", "--no-tags", "--depth=1", "--filter=blob:none", "--force", "origin",
		"+refs/heads/"+w.Branch+":refs/remotes/origin/base")
	if err != nil && strings.Contains(err.Error(), "couldn't find remote ref") {
		return step.WithHint(step.Invalidf("%s has no branch %s", w.Repository, w.Branch), "--branch is the branch that the environment follows")
	}
	if err != nil {
		return fmt.Errorf("fetching %s: %w", w.Branch, err)
	}
	return nil
}

// make puts the promotion on top of the base. It reports the commit, or the
// base itself when there is nothing to change.
func (w *work) make(ctx context.Context) (commit string, changed bool, err error) {
	if err := w.base(ctx); err != nil {
		return "", false, err
	}
	if _, err := w.git(ctx, "checkout", "--quiet", "--force", "--detach", "refs/remotes/origin/base"); err != nil {
		return "", false, fmt.Errorf("checking %s out: %w", w.Branch, err)
	}
	if err := w.write(); err != nil {
		return "", false, err
	}
	if _, err := w.git(ctx, "add", "--all", "--force", "--sparse", "--", ":(literal)"+w.Target); err != nil {
		return "", false, fmt.Errorf("staging the change: %w", err)
	}
	names, err := w.client.Run(ctx, w.dir, "diff", "--cached", "--name-only", "--no-renames", "-z")
	if err != nil {
		return "", false, fmt.Errorf("comparing with %s: %w", w.Branch, err)
	}
	if names == "" {
		commit, err = w.git(ctx, "rev-parse", "refs/remotes/origin/base")
		return commit, false, err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(names, "\x00"), "\x00") {
		if !strings.HasPrefix(name, w.Target+"/") {
			return "", false, step.Infraf("the change would touch %q outside %s: nothing was pushed", name, w.Target)
		}
	}
	if _, err := w.client.RunInput(ctx, w.dir, []byte(w.Message.Commit()), "commit", "--quiet", "--cleanup=verbatim", "--no-verify", "--file=-"); err != nil {
		return "", false, fmt.Errorf("committing: %w", err)
	}
	commit, err = w.git(ctx, "rev-parse", "HEAD")
	return commit, true, err
}

// write makes the target directory hold the files and nothing else.
func (w *work) write() error {
	root, err := os.OpenRoot(w.dir)
	if err != nil {
		return step.Infraf("opening the clone: %w", err)
	}
	defer root.Close()
	// A part of the path that is a link or a file in the repository would lead elsewhere.
	at := ""
	for part := range strings.SplitSeq(w.Target, "/") {
		at = filepath.Join(at, part)
		if info, err := root.Lstat(at); err == nil && !info.IsDir() {
			return step.Invalidf("%s in %s is no directory: nothing was pushed", at, w.Repository)
		}
	}
	if err := root.RemoveAll(w.Target); err != nil {
		return step.Infraf("emptying %s: %w", w.Target, err)
	}
	for _, file := range w.Files {
		name := filepath.Join(w.Target, filepath.FromSlash(file.Path))
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return step.Infraf("writing %s: %w", file.Path, err)
		}
		mode := os.FileMode(0o644)
		if file.Executable {
			mode = 0o755
		}
		if err := root.WriteFile(name, file.Data, mode); err != nil {
			return step.Infraf("writing %s: %w", file.Path, err)
		}
	}
	return nil
}

// push lands the promotion on the branch itself.
func (w *work) push(ctx context.Context) (Outcome, error) {
	for attempt := 1; ; attempt++ {
		commit, changed, err := w.make(ctx)
		if err != nil {
			return Outcome{}, err
		}
		outcome := Outcome{Changed: changed, Commit: commit, Branch: w.Branch}
		if !changed {
			w.Logf("%s already holds this version of %s: nothing to do", w.Environment, w.Model)
			return outcome, nil
		}
		_, err = w.git(ctx, "push", "--quiet", "origin", commit+":refs/heads/"+w.Branch)
		if err == nil {
			w.Logf("pushed %s to %s", commit, w.Branch)
			return outcome, nil
		}
		if !git.Race(err) {
			return Outcome{}, pushError(w.Branch, err)
		}
		if attempt == w.MaxPushes {
			return Outcome{}, step.WithHint(fmt.Errorf("pushing to %s, %d times overtaken: %w", w.Branch, attempt, err), "run it again when fewer push at once")
		}
		w.Logf("somebody pushed to %s meanwhile (attempt %d): making the change anew on top", w.Branch, attempt)
		if err := pause(ctx, attempt); err != nil {
			return Outcome{}, err
		}
	}
}

// pause waits longer with each attempt, up to about 3 s, and never as long as
// another one that started together with this one.
func pause(ctx context.Context, attempt int) error {
	limit := min(100*time.Millisecond<<min(attempt, 5), 3*time.Second)
	timer := time.NewTimer(limit/4 + rand.N(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return step.Infraf("waiting to push again: %w", context.Cause(ctx))
	}
}

func pushError(branch string, err error) error {
	wrapped := fmt.Errorf("pushing to %s: %w", branch, err)
	text := err.Error()
	switch {
	case strings.Contains(text, "protected branch"), strings.Contains(text, "GH006"):
		return step.WithHint(step.Failed(wrapped), "the branch is protected: promote with --strategy pull-request, or let the CI user push")
	case strings.Contains(text, "hook declined"):
		return step.WithHint(step.Failed(wrapped), "the server's rules refuse the commit; pushing again will not help")
	}
	return wrapped
}
