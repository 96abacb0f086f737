package base

import (
	"context"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

// Check looks at what the platform needs of this machine.
func Check(context.Context, *local.Env) error { return nil }

// Probe finds out where the platform can install from.
func Probe(context.Context) local.Source { return local.FromSource }
