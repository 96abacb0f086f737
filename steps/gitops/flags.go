package gitops

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/forge/connect"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/gitops/evidence"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Identity of promotions where no other is given.
const (
	defaultAuthorName  = "model-delivery"
	defaultAuthorEmail = "model-delivery@localhost"
)

// Landing are the flags that say where a change lands, and how and as whose.
type Landing struct {
	connect.Flags
	Branch, Environment, Path, Model string
	Strategy                         string
	Title                            string
	PipelineRun, RunURL              string
	Evidence, Phases                 []string
	ReportsDir                       string
	Assignees, Reviewers, Labels     []string
	Draft, AutoMerge, DryRun         bool
	AuthorName, AuthorEmail          string
	Signing                          git.Signing
	SigningDir                       string
	PushTimeout                      time.Duration
}

// Register declares the flags.
func (l *Landing) Register(fs *pflag.FlagSet) {
	l.Flags.Register(fs)
	fs.Lookup("repository").Usage = "URL of the GitOps repository"
	fs.StringVar(&l.Branch, "branch", "main", "branch that the environment follows")
	fs.StringVar(&l.Environment, "environment", "", "environment, production for instance")
	fs.StringVar(&l.Path, "path", "{environment}/{model}", "directory of the model in the repository")
	fs.StringVar(&l.Model, "model", "", "name that the model is released as")
	fs.StringVar(&l.Strategy, "strategy", string(Push), "push (a commit on the branch) or pull-request")
	fs.StringVar(&l.Title, "title", "", "subject of the commit and title of the pull request (default: made of model, environment and version)")
	fs.StringVar(&l.PipelineRun, "pipeline-run", "", "run that does this, for the trailer Pipeline-Run")
	fs.StringVar(&l.RunURL, "run-url", "", "page of that run, for the pull request")
	fs.StringSliceVar(&l.Evidence, "evidence", nil, "file that says what was tested with which result, in Markdown or a report in JSON of seldon-predict or kind-integration; repeat for more")
	fs.StringVar(&l.ReportsDir, "reports-dir", "", "directory with reports of seldon-predict and kind-integration, which are evidence too; may be absent")
	fs.StringSliceVar(&l.Phases, "phase", nil, "part of the run and its outcome for the pull request, NAME=OUTCOME; repeat for more")
	fs.StringSliceVar(&l.Assignees, "assignee", nil, "users to assign the pull request to, with commas between")
	fs.StringSliceVar(&l.Reviewers, "reviewer", nil, "users to ask for a review, with commas between")
	fs.StringSliceVar(&l.Labels, "label", nil, "labels of the pull request, with commas between")
	fs.BoolVar(&l.Draft, "draft", false, "open the pull request as a draft")
	fs.BoolVar(&l.AutoMerge, "auto-merge", false, "have the forge merge the pull request when its reviews and checks are there")
	fs.BoolVar(&l.DryRun, "dry-run", false, "print what would change, and change nothing")
	fs.StringVar(&l.AuthorName, "author-name", defaultAuthorName, "author and committer")
	fs.StringVar(&l.AuthorEmail, "author-email", defaultAuthorEmail, "address of the author and committer")
	fs.StringVar(&l.SigningDir, "signing-dir", "", "directory with private-key, GPG's or SSH's, and maybe passphrase, to sign commits and tags with; empty: they are not signed")
	fs.StringVar(&l.Signing.Key, "signing-key", "", "file with that key by itself")
	fs.StringVar(&l.Signing.PassphraseFile, "signing-passphrase-file", "", "file with the passphrase of a GPG key by itself")
	fs.DurationVar(&l.PushTimeout, "push-timeout", DefaultPushTimeout, "how long to try while others push to the same branch")
}

// check says which flag is missing or wrong.
func (l *Landing) check() error {
	for _, flag := range []struct{ name, value string }{{"repository", l.Repository}, {"environment", l.Environment}, {"model", l.Model}} {
		if flag.value == "" {
			return step.Invalidf("--%s is not given", flag.name)
		}
	}
	if s := Strategy(l.Strategy); s != Push && s != ViaPullRequest {
		return step.WithHint(step.Invalidf("unknown strategy %q", l.Strategy), "push or pull-request")
	}
	if l.AutoMerge && Strategy(l.Strategy) != ViaPullRequest {
		return step.Invalidf("--auto-merge is for --strategy pull-request")
	}
	return nil
}

// named drops empty names: Tekton passes a param without a value as one.
func named(names []string) []string {
	var out []string
	for _, name := range names {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// told is what there is to say about the change, read from the flags and the
// files that they name.
func (l *Landing) told(redact *step.Redactor) (evidence.Promotion, error) {
	e := evidence.Promotion{Model: l.Model, Environment: l.Environment, Title: redact.String(l.Title), PipelineRun: l.PipelineRun, RunURL: redact.String(l.RunURL)}
	for _, file := range named(l.Evidence) {
		if err := e.Read(file); err != nil {
			return e, err
		}
	}
	if l.ReportsDir != "" {
		if err := e.ReadDir(l.ReportsDir); err != nil {
			return e, err
		}
	}
	for _, text := range named(l.Phases) {
		phase, err := evidence.ParsePhase(text)
		if err != nil {
			return e, err
		}
		e.Phases = append(e.Phases, phase)
	}
	return e, nil
}

// promotion is where and how the change lands, and what is said about it.
// Nothing has been touched yet.
func (l *Landing) promotion(ctx context.Context, rt *step.Runtime, e evidence.Promotion) (Promotion, error) {
	p := Promotion{
		Repository: l.Repository, Branch: l.Branch, Environment: l.Environment, Model: l.Model, Strategy: Strategy(l.Strategy), Target: l.fill(l.Path),
		Request:   forge.PullRequestSpec{Assignees: named(l.Assignees), Reviewers: named(l.Reviewers), Labels: named(l.Labels), Draft: l.Draft},
		AutoMerge: l.AutoMerge, DryRun: l.DryRun, PushTimeout: l.PushTimeout, Logf: rt.Logf,
	}
	auth, err := l.Auth(ctx, rt.Redact, rt.Logf)
	if err != nil {
		return p, err
	}
	p.Evidence = redacted(e, rt.Redact)
	p.Git = git.Options{
		Auth: auth, AllowFile: l.AllowFile, Redact: rt.Redact,
		Author: git.Identity{Name: l.AuthorName, Email: l.AuthorEmail}, Signing: l.signing(),
	}
	if p.Strategy == ViaPullRequest && !p.DryRun {
		target, err := l.Forge(ctx, auth, rt.Logf)
		if err != nil {
			return p, err
		}
		if target != nil { // an interface that holds nothing is not nil
			p.Forge = target
		}
	}
	return p, nil
}

// signing is the key to sign with.
func (l *Landing) signing() git.Signing {
	s := l.Signing
	if l.SigningDir == "" {
		return s
	}
	if s.Key == "" {
		s.Key = filepath.Join(l.SigningDir, "private-key")
	}
	if file := filepath.Join(l.SigningDir, "passphrase"); s.PassphraseFile == "" {
		if _, err := os.Stat(file); err == nil {
			s.PassphraseFile = file
		}
	}
	return s
}

// fill puts environment and model into a path.
func (l *Landing) fill(text string) string {
	return path.Clean(strings.NewReplacer("{environment}", l.Environment, "{model}", l.Model).Replace(text))
}

// redacted takes secrets out of what is published.
func redacted(e evidence.Promotion, redact *step.Redactor) evidence.Promotion {
	for i, text := range e.Markdown {
		e.Markdown[i] = redact.String(text)
	}
	for i, result := range e.Results {
		for j, failure := range result.Failures {
			e.Results[i].Failures[j].Outcome = redact.String(failure.Outcome)
		}
	}
	return e
}
