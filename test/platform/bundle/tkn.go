package bundle

import (
	"context"
	"os"
	"path/filepath"

	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// tkn is Tekton's command line, with which people start what the bundle has. It
// publishes its path.
type tkn struct{}

func (tkn) Name() string    { return "tkn" }
func (tkn) Needs() []string { return nil }

// Build makes it from its module when the cache lacks it.
func (tkn) Build(ctx context.Context, env *local.Env) error {
	bin, err := env.GoTool(ctx, gobuild.Tool{
		Name: "tkn", Module: "github.com/tektoncd/cli", Version: versions.Tkn, SeedGoMod: true,
		Packages: []string{"github.com/tektoncd/cli/cmd/tkn"},
	})
	if err != nil {
		return err
	}
	return env.Publish("tkn", "path", filepath.Join(bin, "tkn"))
}

// Start has nothing to do: people start it.
func (tkn) Start(context.Context, *local.Env) error { return nil }

// Status tells where it is.
func (tkn) Status(_ context.Context, env *local.Env) (local.Status, error) {
	path := env.State.Value("tkn", "path")
	if _, err := os.Stat(path); err != nil {
		return local.Status{Condition: local.Absent}, nil
	}
	return local.Status{Condition: local.Made, Detail: path}, nil
}

// Stop has nothing to do: the cache keeps it.
func (tkn) Stop(context.Context, *local.Env) error { return nil }
