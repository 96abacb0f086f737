package local

import "context"

// Component is one thing the platform installs. Each is idempotent: Build and
// Start look at what is there and do only what is missing, so that a second up
// is quick and an up after a killed one repairs what that one left behind.
type Component interface {
	// Name is the word used in --components, in progress lines and in status.
	Name() string
	// Needs names the components that must be started before this one is built;
	// but see [BuiltAhead].
	Needs() []string
	// Build makes what Start installs (binaries, images, manifests) from the
	// source the Env names, into the cache or the registry.
	Build(ctx context.Context, env *Env) error
	// Start installs and waits until the component does its job.
	Start(ctx context.Context, env *Env) error
	// Status reports what is there now, without changing anything.
	Status(ctx context.Context, env *Env) (Status, error)
	// Stop removes what Start installed, and nothing else. A component that
	// lives inside the cluster has nothing to do: it goes with the cluster.
	Stop(ctx context.Context, env *Env) error
}

// Condition says in one word how a component is.
type Condition string

// The conditions of a component.
const (
	Running Condition = "running" // started and doing its job
	Absent  Condition = "absent"  // not started
	Broken  Condition = "broken"  // there, but not doing its job; up repairs it
	Made    Condition = "made"    // images and programs that others use: nothing of it runs
)

// Status is what a component reports about itself.
type Status struct {
	Condition Condition
	Detail    string // one line: an address, a version or what is wrong
}

// InCluster can be embedded by a component that lives in the cluster: it is
// removed with the cluster and has nothing to stop of its own.
type InCluster struct{}

// Stop does nothing: the component is deleted with its cluster.
func (InCluster) Stop(context.Context, *Env) error { return nil }

// Busy can be embedded by a component that takes CPU time as long as it runs: it
// is started when all is built that can be built without it.
type Busy struct{}

func (Busy) busy() {}

// BuiltAhead can be embedded by a component that needs busy ones to be started,
// but not to be built.
type BuiltAhead struct{}

func (BuiltAhead) builtAhead() {}
