package gitops

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/gitops/evidence"
	"github.com/model-delivery/model-delivery/steps/gitops/source"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Strategy says how a promotion lands.
type Strategy string

// The strategies.
const (
	Push           Strategy = "push"         // a commit on the branch
	ViaPullRequest Strategy = "pull-request" // one pull request per model and environment
)

// DefaultPushTimeout is how long a push is tried while others push too.
const DefaultPushTimeout = 5 * time.Minute

// PullRequests is what a promotion needs of a forge.
type PullRequests interface {
	PullRequests(ctx context.Context, head, base string) ([]forge.PullRequest, error)
	CreatePullRequest(ctx context.Context, spec forge.PullRequestSpec) (forge.PullRequest, error)
	UpdatePullRequest(ctx context.Context, number int64, spec forge.PullRequestSpec) (forge.PullRequest, error)
	Decorate(ctx context.Context, pull forge.PullRequest, spec forge.PullRequestSpec) error
	ClosePullRequest(ctx context.Context, number int64) error
	AddComment(ctx context.Context, number int64, body string) error
	AutoMerge(ctx context.Context, pull forge.PullRequest) error
	Limits() forge.Limits
}

// Promotion is one model for one environment.
type Promotion struct {
	Repository  string // URL of the GitOps repository
	Branch      string // that the environment follows
	Environment string
	Model       string
	Target      string        // directory in the repository that becomes the files, slash-separated
	Files       []source.File // images pinned; none: the directory goes
	Strategy    Strategy
	Evidence    evidence.Promotion
	Tag         string // annotated tag that a pushed promotion gets; empty: none
	// Changelog lists what is new since a commit of the models repository, that
	// of the promotion before; may be nil.
	Changelog   func(ctx context.Context, since string) ([]string, error)
	Git         git.Options
	Forge       PullRequests          // for ViaPullRequest
	Request     forge.PullRequestSpec // what is decorated: assignees, reviewers, labels, draft
	AutoMerge   bool
	DryRun      bool
	PushTimeout time.Duration // 0: DefaultPushTimeout
	Logf        func(format string, args ...any)
	// Before is told the name of each step that changes something, before it
	// is taken. An error ends the promotion there. For tests; may be nil.
	Before func(name string) error
}

// Outcome is what a promotion did.
type Outcome struct {
	Changed bool
	// Commit has the promotion: it was made now or before, or is the branch's
	// head when there is nothing to change.
	Commit      string
	Branch      string // branch that the commit is on
	PullRequest *forge.PullRequest
	Diff        string // of the directory, for a dry run
}

// work is a promotion and the clone that it is made in.
type work struct {
	Promotion
	clone *git.Repository
	tried string // commit that was pushed to the promotion's own branch
	// taking back: only what is replaced is, the tree of the target with this
	// ID.
	taking   bool
	replaces string
}

// Promote makes the promotion.
func Promote(ctx context.Context, p Promotion) (Outcome, error) {
	return p.in(ctx, func(ctx context.Context, w *work) (Outcome, error) { return w.promote(ctx) })
}

// in does something with the promotion in a clone.
func (p Promotion) in(ctx context.Context, do func(context.Context, *work) (Outcome, error)) (Outcome, error) {
	if err := p.check(); err != nil {
		return Outcome{}, err
	}
	if p.PushTimeout == 0 {
		p.PushTimeout = DefaultPushTimeout
	}
	if p.Before == nil {
		p.Before = func(string) error { return nil }
	}
	clone, err := git.Open(ctx, p.Repository, p.Git)
	if err != nil {
		// The URL is not repeated: it may be refused for a secret in it.
		return Outcome{}, fmt.Errorf("opening the GitOps repository: %w", err)
	}
	outcome, err := do(ctx, &work{Promotion: p, clone: clone})
	if closing := clone.Close(); err == nil && closing != nil {
		p.Logf("cleaning up: %v", closing)
	}
	return outcome, err
}

func (w *work) promote(ctx context.Context) (Outcome, error) {
	if err := w.tellChanges(ctx); err != nil {
		return Outcome{}, err
	}
	switch {
	case w.DryRun:
		return w.dryRun(ctx)
	case w.Strategy == ViaPullRequest:
		return w.pullRequest(ctx)
	}
	return w.push(ctx)
}

// changelogDepth is how far back the promotion before is looked for.
const changelogDepth = 50

// tellChanges says what is new since the promotion before, where that can be
// told.
func (w *work) tellChanges(ctx context.Context) error {
	if w.Changelog == nil {
		return nil
	}
	if err := w.clone.Fetch(ctx, changelogDepth, filter, []string{w.Branch}); err != nil {
		return err
	}
	last, err := w.lastChange(ctx, ref(w.Branch))
	if err != nil || last == "" {
		return err
	}
	message, err := w.clone.Run(ctx, "log", "-1", "--no-show-signature", "--format=%B", last)
	if err != nil {
		return err
	}
	since := evidence.Trailers(message)[evidence.TrailerSourceCommit]
	if len(since) == 0 {
		return nil
	}
	changes, err := w.Changelog(ctx, since[0])
	if err != nil {
		// What is new is good to know, and no reason to stop a release.
		w.Logf("warning: what is new is not told: %v", err)
		return ctx.Err()
	}
	w.Evidence.Changelog = changes
	return nil
}

func (p Promotion) check() error {
	if err := git.CheckRef(p.Branch); err != nil {
		return fmt.Errorf("branch: %w", err)
	}
	if err := git.CheckRef(p.branchName()); err != nil {
		return fmt.Errorf("model and environment: %w", err)
	}
	if p.Tag != "" {
		if err := git.CheckRef(p.Tag); err != nil {
			return fmt.Errorf("tag: %w", err)
		}
	}
	if err := checkTarget(p.Target); err != nil {
		return step.WithHint(step.Invalid(fmt.Errorf("%q is not a directory that a model can be promoted to: %w", p.Target, err)), "--path is a directory inside the repository, {environment}/{model} for instance")
	}
	if p.Strategy == ViaPullRequest && p.Forge == nil && !p.DryRun {
		return step.WithHint(step.Invalidf("provider none has no pull requests"), "promote with --strategy push, or name the --provider")
	}
	return nil
}

func checkTarget(target string) error {
	if !filepath.IsLocal(target) || target == "." || path.Clean(target) != target {
		return errors.New("it is not inside the repository")
	}
	for part := range strings.SplitSeq(target, "/") {
		if err := source.CheckName(part); err != nil {
			return fmt.Errorf("%q %w", part, err)
		}
	}
	return nil
}

// branchName is the one branch for promotions of a model to an environment, or
// the one for taking them back.
func (p Promotion) branchName() string {
	kind := "promote/"
	if p.Evidence.Reverts != "" {
		kind = "revert/"
	}
	return kind + p.Environment + "/" + p.Model
}

// ref is where the clone keeps a branch of the remote.
func ref(branch string) string { return "refs/remotes/origin/" + branch }
