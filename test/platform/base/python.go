package base

import (
	"context"

	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// python is the interpreter with which tests run the example's model outside
// of any container. Only they need it.
type python struct{}

// pythonModules are what the model imports.
var pythonModules = execute.Cmd{Name: "/usr/bin/python3", Args: []string{"-c", "import joblib, numpy, sklearn"}}

func (python) Name() string    { return "python" }
func (python) Needs() []string { return nil }

// Build installs it when this machine lacks it.
func (python) Build(ctx context.Context, env *local.Env) error {
	if env.Run(ctx, pythonModules) == nil {
		return nil
	}
	return installPackages(ctx, env, []string{"python3", "python3-joblib", "python3-numpy", "python3-sklearn"})
}

// Start has nothing to do: tests start it.
func (python) Start(context.Context, *local.Env) error { return nil }

// Status tells whether it is there.
func (python) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	if env.Run(ctx, pythonModules) != nil {
		return local.Status{Condition: local.Absent}, nil
	}
	return local.Status{Condition: local.Made, Detail: pythonModules.Name}, nil
}

// Stop has nothing to do: packages that were installed stay.
func (python) Stop(context.Context, *local.Env) error { return nil }
