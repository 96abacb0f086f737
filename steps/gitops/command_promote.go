package gitops

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Identity of promotions where no other is given.
const (
	defaultAuthorName  = "model-delivery"
	defaultAuthorEmail = "model-delivery@localhost"
)

// promoteFlags are the flags of gitops-promote.
type promoteFlags struct {
	repository, branch, environment, path, model string
	source, strategy, provider, namespace        string
	images, kinds                                []string
	title, evidence                              string
	sourceRepository, sourceCommit, pipelineRun  string
	assignees, reviewers, labels                 []string
	draft, allowFile                             bool
	authorName, authorEmail                      string
	basicAuthDir, sshDir, sslCADir               string
	tokenFile, username                          string
}

// PromoteCommand is the step gitops-promote.
func PromoteCommand() *step.Command {
	var f promoteFlags
	return &step.Command{
		Name:  "gitops-promote",
		Short: "bring a model to an environment by changing its GitOps repository",
		Long: `The environment's directory becomes the source, with images pinned by digest; everything else stays as it is. Lands as a commit on the
branch, or as the one pull request for this model and environment. Nothing to change is nothing done.

Results: changed, commit, branch, pull-request-url, pull-request-number.`,
		Example: `gitops-promote --repository https://example.com/ml/gitops.git --environment staging --model news-classifier \
  --source models/news_classifier/charts --image classifier=registry/news@sha256:… --strategy push`,
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&f.repository, "repository", "", "URL of the GitOps repository")
			fs.StringVar(&f.branch, "branch", "main", "branch that the environment follows")
			fs.StringVar(&f.environment, "environment", "", "environment to promote to")
			fs.StringVar(&f.path, "path", "{environment}/{model}", "directory in the repository that becomes the source")
			fs.StringVar(&f.model, "model", "", "name that the model is released as")
			fs.StringVar(&f.source, "source", "", "directory with the model's manifests")
			fs.StringArrayVar(&f.images, "image", nil, "image to pin, CONTAINER=IMAGE@sha256:DIGEST or the image alone; repeat for more")
			fs.StringVar(&f.strategy, "strategy", "push", "push (a commit on the branch) or pull-request")
			fs.StringVar(&f.provider, "provider", "auto", "kind of forge: auto, gitea, none")
			fs.StringVar(&f.title, "title", "", "subject of the commit and title of the pull request (default: made of model, environment and commit)")
			fs.StringVar(&f.evidence, "evidence", "", "file in Markdown for the pull request: what was tested, with which result")
			fs.StringVar(&f.sourceRepository, "source-repository", "", "URL of the models repository, for the pull request")
			fs.StringVar(&f.sourceCommit, "source-commit", "", "commit of the models repository that is promoted, for the trailer Source-Commit")
			fs.StringVar(&f.pipelineRun, "pipeline-run", "", "run that promotes, for the trailer Pipeline-Run")
			fs.StringSliceVar(&f.assignees, "assignee", nil, "user to assign the pull request to; repeat for more")
			fs.StringSliceVar(&f.reviewers, "reviewer", nil, "user to ask for a review; repeat for more")
			fs.StringSliceVar(&f.labels, "label", nil, "label of the pull request; repeat for more")
			fs.BoolVar(&f.draft, "draft", false, "open the pull request as a draft")
			fs.StringSliceVar(&f.kinds, "allow-kind", DefaultKinds, "kinds of objects that may be promoted")
			fs.StringVar(&f.namespace, "namespace", "", "the only namespace that objects may name (default: any)")
			fs.StringVar(&f.authorName, "author-name", defaultAuthorName, "author and committer")
			fs.StringVar(&f.authorEmail, "author-email", defaultAuthorEmail, "address of the author and committer")
			fs.StringVar(&f.basicAuthDir, "basic-auth-dir", "", "directory with .git-credentials, or with username and password")
			fs.StringVar(&f.sshDir, "ssh-dir", "", "directory with a private key and known_hosts")
			fs.StringVar(&f.sslCADir, "ssl-ca-dir", "", "directory with certificates to trust (ca-bundle.crt)")
			fs.StringVar(&f.tokenFile, "token-file", "", "file with a token for the forge, for git and for its API")
			fs.StringVar(&f.username, "username", "git", "user that the token belongs to, where the forge asks for one")
			fs.BoolVar(&f.allowFile, "allow-file", false, "let the repository be a path of this machine")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error { return f.run(ctx, rt) },
	}
}

func (f promoteFlags) run(ctx context.Context, rt *step.Runtime) error {
	for name, value := range map[string]string{"repository": f.repository, "environment": f.environment, "model": f.model, "source": f.source} {
		if value == "" {
			return step.Invalidf("--%s is not given", name)
		}
	}
	p, err := f.promotion(ctx, rt)
	if err != nil {
		return err
	}
	outcome, err := Promote(ctx, p)
	if err != nil {
		return err
	}
	rt.Results.Set("changed", strconv.FormatBool(outcome.Changed))
	rt.Results.Set("commit", outcome.Commit)
	rt.Results.Set("branch", outcome.Branch)
	url, number := "", ""
	if pull := outcome.PullRequest; pull != nil {
		url, number = pull.URL, strconv.FormatInt(pull.Number, 10)
	}
	rt.Results.Set("pull-request-url", url)
	rt.Results.Set("pull-request-number", number)
	return nil
}

// promotion is what the flags ask for; nothing has been touched yet.
func (f promoteFlags) promotion(ctx context.Context, rt *step.Runtime) (Promotion, error) {
	p := Promotion{
		Repository: f.repository, Branch: f.branch, Environment: f.environment, Model: f.model, Strategy: Strategy(f.strategy),
		Target: filepath.ToSlash(filepath.Clean(strings.NewReplacer("{environment}", f.environment, "{model}", f.model).Replace(f.path))),
		Logf:   rt.Logf,
		Message: Message{
			Model: f.model, Environment: f.environment, Title: f.title,
			SourceRepository: f.sourceRepository, SourceCommit: f.sourceCommit, PipelineRun: f.pipelineRun,
		},
		Request: forge.PullRequestSpec{Assignees: f.assignees, Reviewers: f.reviewers, Labels: f.labels, Draft: f.draft},
	}
	if p.Strategy != Push && p.Strategy != ViaPullRequest {
		return p, step.WithHint(step.Invalidf("unknown strategy %q", f.strategy), "push or pull-request")
	}
	files, err := LoadSource(f.source, SourceRules{Kinds: f.kinds, Namespace: f.namespace})
	if err != nil {
		return p, err
	}
	var pins []ImagePin
	for _, text := range f.images {
		pin, err := ParseImagePin(text)
		if err != nil {
			return p, err
		}
		pins = append(pins, pin)
		p.Message.Images = append(p.Message.Images, pin.Image)
	}
	if p.Files, err = PinImages(files, pins); err != nil {
		return p, err
	}
	if f.evidence != "" {
		evidence, err := os.ReadFile(f.evidence)
		if err != nil {
			return p, step.Invalidf("reading the evidence: %w", err)
		}
		p.Message.Evidence = string(evidence)
	}
	auth, err := git.AuthDirs{BasicAuth: f.basicAuthDir, SSH: f.sshDir, CA: f.sslCADir, TokenFile: f.tokenFile, Username: f.username}.Load(f.repository, rt.Redact)
	if err != nil {
		return p, err
	}
	p.Git = git.Options{
		Auth: auth, AllowFile: f.allowFile, UntrustedTree: true, Redact: rt.Redact,
		Author: git.Identity{Name: f.authorName, Email: f.authorEmail},
	}
	if p.Strategy == ViaPullRequest {
		p.Forge, err = forge.Connect(ctx, forge.Provider(f.provider), f.repository, auth.Password)
	}
	return p, err
}
