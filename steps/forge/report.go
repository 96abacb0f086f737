package forge

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/step"
)

// maxDescription is how many characters of a description every forge keeps.
const maxDescription = 140

// statusSetter is what the report step needs of a forge.
type statusSetter interface {
	SetStatus(ctx context.Context, commit string, status Status) error
	Comment(ctx context.Context, number int64, body string) error
}

// reportFlags are the flags of forge-report.
type reportFlags struct {
	provider, repository, commit, state  string
	context, description, targetURL      string
	tokenFile, basicAuthDir, commentFile string
	pullRequest                          int64
}

// ReportCommand is the step forge-report.
func ReportCommand() *step.Command {
	var f reportFlags
	return &step.Command{
		Name:  "forge-report",
		Short: "put a status on a commit and a comment on its pull request",
		Long: `The state may be one of the forge's (pending, success, failure, error) or the aggregate status of a Tekton pipeline
(Succeeded, Completed, Failed, None).

Results: state.`,
		Example: "forge-report --provider gitea --repository https://HOST/ml/models.git --commit SHA --state success --token-file token",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&f.provider, "provider", "auto", "kind of forge: auto, gitea, none (report nothing)")
			fs.StringVar(&f.repository, "repository", "", "clone URL of the repository")
			fs.StringVar(&f.commit, "commit", "", "full hash of the commit")
			fs.StringVar(&f.state, "state", "", "state to report")
			fs.StringVar(&f.context, "context", "model-delivery", "which check this is")
			fs.StringVar(&f.description, "description", "", "a line for people; cut at 140 characters")
			fs.StringVar(&f.targetURL, "target-url", "", "where details are")
			fs.StringVar(&f.tokenFile, "token-file", "", "file with the token")
			fs.StringVar(&f.basicAuthDir, "basic-auth-dir", "", "directory with credentials as for git-clone, instead of a token file")
			fs.Int64Var(&f.pullRequest, "pull-request", 0, "number of the pull request to comment on; 0: none")
			fs.StringVar(&f.commentFile, "comment-file", "", "file with the comment, in Markdown")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error { return f.run(ctx, rt) },
	}
}

func (f reportFlags) run(ctx context.Context, rt *step.Runtime) error {
	state, err := parseState(f.state)
	if err != nil {
		return err
	}
	rt.Results.Set("state", string(state))
	if Provider(f.provider) == None {
		rt.Logf("no forge: %s is not reported", state)
		return nil
	}
	if !git.IsCommit(f.commit) {
		return step.Invalidf("%q is not the full hash of a commit", f.commit)
	}
	token, err := Token(f.repository, f.tokenFile, f.basicAuthDir, rt.Redact)
	if err != nil {
		return err
	}
	var target statusSetter
	if target, err = Connect(ctx, Provider(f.provider), f.repository, token); err != nil {
		return err
	}
	description := []rune(f.description)
	if len(description) > maxDescription {
		description = append(description[:maxDescription-1], '…')
	}
	status := Status{State: state, Context: f.context, Description: string(description), TargetURL: f.targetURL}
	if err := target.SetStatus(ctx, f.commit, status); err != nil {
		return err
	}
	rt.Logf("%s: %s on %s", f.context, state, f.commit)
	if f.pullRequest == 0 || f.commentFile == "" {
		return nil
	}
	body, err := os.ReadFile(f.commentFile)
	if err != nil {
		return step.Invalidf("reading the comment: %w", err)
	}
	return target.Comment(ctx, f.pullRequest, string(body))
}

// parseState reads a forge's state or the aggregate status of a pipeline.
func parseState(text string) (State, error) {
	switch text {
	case "pending", "success", "failure", "error":
		return State(text), nil
	case "Succeeded", "Completed":
		return Success, nil
	case "Failed":
		return Failure, nil
	case "None":
		return Error, nil
	}
	return "", step.WithHint(step.Invalidf("%q is not a state", text), "pending, success, failure or error")
}

// Token reads the token for a repository's forge from a file, or from
// credentials laid out as the git-clone Task takes them. It is "" when
// neither is given.
func Token(repository, tokenFile, basicAuthDir string, redact *step.Redactor) (string, error) {
	auth, err := git.AuthDirs{BasicAuth: basicAuthDir, TokenFile: tokenFile}.Load(repository, redact)
	return strings.TrimSpace(auth.Password), err
}

// Connect returns the forge of the repository at a clone URL. A provider that
// is None has no forge to connect to and is an error.
func Connect(ctx context.Context, provider Provider, repository, token string) (*GiteaClient, error) {
	r, err := ParseRepository(repository)
	if err != nil {
		return nil, err
	}
	if provider, err = Resolve(provider, r); err != nil {
		return nil, err
	}
	if provider == None {
		return nil, step.Invalidf("provider none has no pull requests and no statuses")
	}
	return NewGitea(ctx, r, token)
}
