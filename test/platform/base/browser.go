package base

import (
	"context"

	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// browser is the browser that tests look at pages with. Only they need it.
type browser struct{}

// TestComponents returns what tests need beside the platform itself.
func TestComponents() []local.Component {
	return []local.Component{browser{}, python{}, machineImage{}}
}

func (browser) Name() string    { return "browser" }
func (browser) Needs() []string { return nil }

// Build installs it when this machine lacks it.
func (browser) Build(ctx context.Context, env *local.Env) error {
	return hostPackages(ctx, env, map[string]string{"chromium": "chromium"})
}

// Start has nothing to do: tests start it.
func (browser) Start(context.Context, *local.Env) error { return nil }

// Status tells whether it is there.
func (browser) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	version, err := env.Output(ctx, execute.Cmd{Name: "chromium", Args: []string{"--version"}})
	if err != nil {
		return local.Status{Condition: local.Absent}, nil
	}
	return local.Status{Condition: local.Made, Detail: string(version)}, nil
}

// Stop has nothing to do: a package that was installed stays.
func (browser) Stop(context.Context, *local.Env) error { return nil }
