// Package report tells a forge how a run went: a status on the commit, and one
// comment on its pull request that is kept up to date.
package report

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/forge/connect"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/step"
)

// maxComment bounds, in bytes, the file that a comment is read from.
const maxComment = 1 << 20

type flags struct {
	connect.Flags
	commit, state, context, description, targetURL string
	pullRequest, commentFile, commentKey           string
}

// Command is the step forge-report.
func Command() *step.Command {
	var f flags
	return &step.Command{
		Name:  "forge-report",
		Short: "put a status on a commit and a comment on its pull request",
		Long: `The state may be one of the forge's (pending, success, failure, error) or the aggregate status of a Tekton pipeline
(Succeeded, Completed, Failed, None). A comment that an earlier call made with the same key is changed, not repeated.

Results: state, pull-request-number.`,
		Example: "forge-report --provider gitea --repository https://HOST/ml/models.git --commit SHA --state success --token-file token",
		Flags: func(fs *pflag.FlagSet) {
			f.Register(fs)
			fs.StringVar(&f.commit, "commit", "", "full hash of the commit")
			fs.StringVar(&f.state, "state", "", "state to report")
			fs.StringVar(&f.context, "context", "model-delivery", "which check this is")
			fs.StringVar(&f.description, "description", "", "a line for people; cut where the forge's limit is")
			fs.StringVar(&f.targetURL, "target-url", "", "where details are")
			fs.StringVar(&f.pullRequest, "pull-request", "", "pull request to comment on: its number, or auto for that of the commit (default: none)")
			fs.StringVar(&f.commentFile, "comment-file", "", "file with the comment, in Markdown")
			fs.StringVar(&f.commentKey, "comment-key", "", "what the comment is about: one comment a key (default: the context)")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error { return f.run(ctx, rt) },
	}
}

func (f flags) run(ctx context.Context, rt *step.Runtime) error {
	state, err := parseState(f.state)
	if err != nil {
		return err
	}
	rt.Results.Set("state", string(state))
	rt.Results.Set("pull-request-number", "")
	if !git.IsCommit(f.commit) {
		return step.Invalidf("%q is not the full hash of a commit", f.commit)
	}
	body, err := f.comment()
	if err != nil {
		return err
	}
	auth, err := f.Auth(ctx, rt.Redact, rt.Logf)
	if err != nil {
		return err
	}
	target, err := f.Forge(ctx, auth, rt.Logf)
	if err != nil {
		return err
	}
	if target == nil {
		rt.Logf("no forge: %s is not reported", state)
		return nil
	}
	status := forge.Status{State: state, Context: f.context, Description: forge.Cut(f.description, target.Limits().Description), TargetURL: f.targetURL}
	if err := target.SetStatus(ctx, f.commit, status); err != nil {
		return err
	}
	rt.Logf("%s: %s on %s", f.context, state, f.commit)
	if body == "" {
		return nil
	}
	number, err := f.number(ctx, target)
	if err != nil {
		return err
	}
	if number == 0 {
		rt.Logf("no pull request to comment on")
		return nil
	}
	key := f.commentKey
	if key == "" {
		key = f.context
	}
	rt.Results.Set("pull-request-number", strconv.FormatInt(number, 10))
	if err := forge.KeepComment(ctx, target, number, key, rt.Redact.String(body)); err != nil {
		return err
	}
	rt.Logf("commented on pull request %d", number)
	return nil
}

// comment reads the comment, "" when there is none to make.
func (f flags) comment() (string, error) {
	if f.commentFile == "" || f.pullRequest == "" || f.pullRequest == "0" {
		return "", nil
	}
	file, err := os.Open(f.commentFile)
	if err != nil {
		return "", step.Invalidf("reading the comment: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxComment))
	if err != nil {
		return "", step.Invalidf("reading the comment: %w", err)
	}
	return string(data), nil
}

func (f flags) number(ctx context.Context, target forge.Forge) (int64, error) {
	if f.pullRequest == "auto" {
		return target.PullRequestOf(ctx, f.commit)
	}
	number, err := strconv.ParseInt(f.pullRequest, 10, 64)
	if err != nil || number < 1 {
		return 0, step.WithHint(step.Invalid(fmt.Errorf("%q is not the number of a pull request", f.pullRequest)), "a number, or auto")
	}
	return number, nil
}

// parseState reads a forge's state or the aggregate status of a pipeline.
func parseState(text string) (forge.State, error) {
	switch text {
	case "pending", "success", "failure", "error":
		return forge.State(text), nil
	case "Succeeded", "Completed":
		return forge.Success, nil
	case "Failed":
		return forge.Failure, nil
	case "None":
		return forge.Error, nil
	}
	return "", step.WithHint(step.Invalidf("%q is not a state", text), "pending, success, failure or error")
}
