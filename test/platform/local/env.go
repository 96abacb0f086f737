// Package local starts and stops the local platform: everything that the demo
// and the end-to-end tests run on, each part real, on one machine.
//
// A part is a Component. The platform orders components by what they need and
// builds and starts them one after another through an Env, which holds what
// they share: the cache, the Docker engine, the registry and the cluster.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/docker"
	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/kubeapply"
	"github.com/model-delivery/model-delivery/test/platform/progress"
)

// Env is what components share.
type Env struct {
	State    *State
	Cache    *cache.Cache
	Progress *progress.Reporter

	runner *execute.Runner
	docker *docker.Engine
	kube   *kubeapply.Cluster
	// debian makes images of Debian packages; the base components set it.
	debian func(ctx context.Context, name string, packages ...string) (v1.Image, error)
}

// newEnv returns the environment for state; log receives what programs write.
func newEnv(state *State, store *cache.Cache, reporter *progress.Reporter, log io.Writer) *Env {
	return &Env{
		State:    state,
		Cache:    store,
		Progress: reporter,
		runner:   &execute.Runner{Environ: state.Environ, Log: log},
	}
}

// Logf tells what the component does now.
func (e *Env) Logf(format string, args ...any) { e.Progress.Logf(format, args...) }

// Source says whether components come from releases or from source; never Auto.
func (e *Env) Source() Source { return e.State.Source }

// StateFile joins elements to the state directory: a place for kubeconfigs,
// credentials and logs, removed by down.
func (e *Env) StateFile(elem ...string) string {
	return filepath.Join(append([]string{e.State.StateDir}, elem...)...)
}

// Update changes the state and writes it down at once, so that a killed up
// leaves nothing behind that down does not know of.
func (e *Env) Update(change func(*State)) error {
	change(e.State)
	return e.State.save()
}

// Publish records a value of the component for tests and the demo.
func (e *Env) Publish(component, name, value string) error {
	return e.Update(func(s *State) {
		if s.Values == nil {
			s.Values = map[string]map[string]string{}
		}
		if s.Values[component] == nil {
			s.Values[component] = map[string]string{}
		}
		s.Values[component][name] = value
	})
}

// Run runs a program with the platform's DOCKER_HOST, PATH and KUBECONFIG. What
// it writes goes to the log, and the end of it into the error.
func (e *Env) Run(ctx context.Context, cmd execute.Cmd) error { return e.runner.Run(ctx, cmd) }

// Output is Run for a program whose standard output is wanted.
func (e *Env) Output(ctx context.Context, cmd execute.Cmd) ([]byte, error) {
	return e.runner.Output(ctx, cmd)
}

// GoTool returns the directory of the tool's binaries, built when the cache
// lacks them.
func (e *Env) GoTool(ctx context.Context, tool gobuild.Tool) (string, error) {
	return e.builder().Build(ctx, tool)
}

// ModuleDir returns the read-only directory of a Go module, path@version.
func (e *Env) ModuleDir(ctx context.Context, module string) (string, error) {
	return e.builder().ModuleDir(ctx, module)
}

func (e *Env) builder() *gobuild.Builder {
	return &gobuild.Builder{Cache: e.Cache, Run: e.runner, Logf: e.Logf}
}

// Docker returns the engine; the component engine must have been started.
func (e *Env) Docker() (*docker.Engine, error) {
	if e.docker != nil {
		return e.docker, nil
	}
	if e.State.DockerHost == "" {
		return nil, errors.New("no Docker engine is known yet: the component engine is not started")
	}
	engine, err := docker.Connect(e.State.DockerHost)
	if err != nil {
		return nil, err
	}
	e.docker = engine
	return engine, nil
}

// Debian returns an image of the platform's Debian base with packages
// installed (none: the base itself), made when the cache lacks it.
func (e *Env) Debian(ctx context.Context, name string, packages ...string) (v1.Image, error) {
	if e.debian == nil {
		return nil, errors.New("no Debian base is known: the component images is missing")
	}
	return e.debian(ctx, name, packages...)
}

// SetDebian says how Debian makes its images.
func (e *Env) SetDebian(debian func(ctx context.Context, name string, packages ...string) (v1.Image, error)) {
	e.debian = debian
}

// PushImage makes the image and pushes it to the platform's registry as
// name:tag (no host). It returns the reference by digest, and pushes nothing
// when the registry has it already.
func (e *Env) PushImage(ctx context.Context, name string, spec image.Spec) (string, error) {
	img, err := image.Build(spec)
	if err != nil {
		return "", fmt.Errorf("make the image %s: %w", name, err)
	}
	return e.Push(ctx, name, img)
}

// Push is PushImage for an image that exists already.
func (e *Env) Push(ctx context.Context, name string, img v1.Image) (string, error) {
	if e.State.Registry == "" {
		return "", errors.New("no registry is known yet: the component registry is not started")
	}
	return image.Push(ctx, e.State.Registry+"/"+name, img)
}

// Kube returns the platform's cluster; the component cluster must have been
// started.
func (e *Env) Kube() (*kubeapply.Cluster, error) {
	if e.kube != nil {
		return e.kube, nil
	}
	if e.State.Kubeconfig == "" {
		return nil, errors.New("no cluster is known yet: the component cluster is not started")
	}
	config, err := os.ReadFile(e.State.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's kubeconfig: %w", err)
	}
	cluster, err := kubeapply.Connect(config)
	if err != nil {
		return nil, err
	}
	e.kube = cluster
	return cluster, nil
}

// ForgetKube drops the connection: the cluster has been made anew or deleted.
func (e *Env) ForgetKube() { e.kube = nil }

// Apply applies YAML documents to the cluster, server-side, definitions first.
func (e *Env) Apply(ctx context.Context, manifests []byte) error {
	cluster, err := e.Kube()
	if err != nil {
		return err
	}
	return cluster.Apply(ctx, manifests)
}

// WaitReady waits until every Deployment, StatefulSet and DaemonSet of the
// namespace has rolled out, or says which has not and why.
func (e *Env) WaitReady(ctx context.Context, namespace string) error {
	cluster, err := e.Kube()
	if err != nil {
		return err
	}
	return cluster.WaitReady(ctx, namespace, e.Logf)
}
