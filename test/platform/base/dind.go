package base

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// dind is the image of a Docker engine that runs inside a pod: the sidecar of
// the Tasks that build images and make throw-away clusters.
type dind struct{}

func (dind) Name() string    { return "dind" }
func (dind) Needs() []string { return []string{"images"} }

//go:embed dind/dockerd-entrypoint.sh
var dindEntrypoint []byte

// dindSettings keep the networks of an engine in a pod away from those of the
// engine around it, so that the registry's address stays what it is.
const dindSettings = `{"default-address-pools": [{"base": "10.201.0.0/16", "size": 24}]}
`

// dindPackages are Debian's that make up an engine that runs in a container.
var dindPackages = []string{"docker.io", "docker-cli", "containerd", "runc", "iptables", "kmod", "pigz"}

// Build makes the image and pushes it.
func (dind) Build(ctx context.Context, env *local.Env) error {
	if env.Source() == local.Release {
		return env.Update(func(s *local.State) { s.DindImage = versions.DindImage })
	}
	setDebian(env)
	debian, err := env.Debian(ctx, "dind", dindPackages...)
	if err != nil {
		return err
	}
	ref, err := env.PushImage(ctx, "model-delivery/dind:"+versions.Debian, image.Spec{
		Base: debian,
		Files: []image.File{
			{Path: "/usr/local/bin/dockerd-entrypoint.sh", Data: dindEntrypoint, Mode: 0o755},
			{Path: "/etc/docker/daemon.json", Data: []byte(dindSettings)},
		},
		Entrypoint: []string{"dockerd-entrypoint.sh"},
		Volumes:    []string{"/var/lib/docker"},
	})
	if err != nil {
		return fmt.Errorf("push the engine's image: %w", err)
	}
	return env.Update(func(s *local.State) { s.DindImage = ref })
}

// Start has nothing to do: pods start the engine.
func (dind) Start(context.Context, *local.Env) error { return nil }

// Stop has nothing to do: the image is part of the cache.
func (dind) Stop(context.Context, *local.Env) error { return nil }

// Status reports which image there is.
func (dind) Status(_ context.Context, env *local.Env) (local.Status, error) {
	if env.State.DindImage == "" {
		return local.Status{Condition: local.Absent}, nil
	}
	return local.Status{Condition: local.Made, Detail: env.State.DindImage}, nil
}
