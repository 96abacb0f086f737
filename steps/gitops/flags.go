package gitops

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/forge/connect"
	"github.com/model-delivery/model-delivery/steps/git"
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
	Assignees, Reviewers, Labels     []string
	Draft, AutoMerge, DryRun         bool
	AuthorName, AuthorEmail          string
	Signing                          git.Signing
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
	fs.StringSliceVar(&l.Assignees, "assignee", nil, "users to assign the pull request to, with commas between")
	fs.StringSliceVar(&l.Reviewers, "reviewer", nil, "users to ask for a review, with commas between")
	fs.StringSliceVar(&l.Labels, "label", nil, "labels of the pull request, with commas between")
	fs.BoolVar(&l.Draft, "draft", false, "open the pull request as a draft")
	fs.BoolVar(&l.AutoMerge, "auto-merge", false, "have the forge merge the pull request when its reviews and checks are there")
	fs.BoolVar(&l.DryRun, "dry-run", false, "print what would change, and change nothing")
	fs.StringVar(&l.AuthorName, "author-name", defaultAuthorName, "author and committer")
	fs.StringVar(&l.AuthorEmail, "author-email", defaultAuthorEmail, "address of the author and committer")
	fs.StringVar(&l.Signing.Key, "signing-key", "", "file with a private key, GPG's or SSH's, to sign commits and tags with")
	fs.StringVar(&l.Signing.PassphraseFile, "signing-passphrase-file", "", "file with the passphrase of a GPG key")
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

// request is what the pull request is decorated with.
func (l *Landing) request() forge.PullRequestSpec {
	return forge.PullRequestSpec{Assignees: named(l.Assignees), Reviewers: named(l.Reviewers), Labels: named(l.Labels), Draft: l.Draft}
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

// git are the options that git runs with.
func (l *Landing) git(auth git.Auth, redact *step.Redactor) git.Options {
	return git.Options{
		Auth: auth, AllowFile: l.AllowFile, Redact: redact,
		Author: git.Identity{Name: l.AuthorName, Email: l.AuthorEmail}, Signing: l.Signing,
	}
}
