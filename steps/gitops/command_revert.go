package gitops

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/step"
)

// revertFlags are the flags of gitops-revert.
type revertFlags struct {
	Landing
	commit string
}

// RevertCommand is the step gitops-revert.
func RevertCommand() *step.Command {
	var f revertFlags
	return &step.Command{
		Name:  "gitops-revert",
		Short: "take the promotion of a model to an environment back",
		Long: `The model's directory becomes what it was before its newest promotion, as a commit on the branch or as a pull request. When another
promotion came since, or this one was taken back already, nothing is done.

Results: changed, commit, branch, pull-request-url, pull-request-number, promotion-ARTIFACT_OUTPUTS.`,
		Example: "gitops-revert --repository https://example.com/ml/gitops.git --environment production --model news-classifier --strategy pull-request",
		Flags: func(fs *pflag.FlagSet) {
			f.Register(fs)
			fs.StringVar(&f.commit, "commit", "", "take back the newest promotion at or before this commit, its full hash (default: the branch's head)")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			if err := f.check(); err != nil {
				return err
			}
			e, err := f.told(rt.Redact)
			if err != nil {
				return err
			}
			p, err := f.promotion(ctx, rt, e)
			if err != nil {
				return err
			}
			outcome, err := Revert(ctx, p, f.commit)
			SetResults(rt, f.Repository, outcome)
			return err
		},
	}
}
