package model

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/step"
)

// ChangesCommand is the step model-changes.
func ChangesCommand() *step.Command {
	var o ChangesOptions
	return &step.Command{
		Name:  "model-changes",
		Short: "tell which models a push changed",
		Long: `A model is a directory with a Makefile under the models directory. The push changed it when a file in it differs between the
commits before and after. Where the commit before is not known (a new branch, a shallow clone), all models count as changed.

Results: models (array of directory names), count.`,
		Example: "model-changes --repository-dir . --before HEAD~1 --after HEAD",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&o.RepositoryDir, "repository-dir", ".", "clone of the models repository")
			fs.StringVar(&o.ModelsDir, "models-dir", "models", "directory of the models in it")
			fs.StringVar(&o.Before, "before", "", "commit before the push")
			fs.StringVar(&o.After, "after", "", "commit that was pushed (default: what is checked out)")
			fs.StringVar(&o.Models, "models", "", "what to deliver instead of what changed: all, or names with commas between")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			changes, err := FindChanges(ctx, o)
			if err != nil {
				return err
			}
			rt.Logf("models to deliver: %s (%s)", orNone(changes.Models), changes.Reason)
			rt.Results.SetArray("models", changes.Models)
			rt.Results.Set("count", strconv.Itoa(len(changes.Models)))
			return nil
		},
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
