package base

import (
	"context"
	"fmt"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
	"github.com/model-delivery/model-delivery/test/platform/vm"
)

// machineImage is the virtual machine in which tests run what this machine's
// kernel may not be able to: a Debian with a kernel and a Docker engine. Only
// they need it.
type machineImage struct{}

// Name is also that of what it publishes: "image", the directory of a [vm.Image].
func (machineImage) Name() string    { return "vm" }
func (machineImage) Needs() []string { return []string{"engine"} }

// Build makes it, and installs the emulator when this machine lacks it.
func (machineImage) Build(ctx context.Context, env *local.Env) error {
	if err := hostPackages(ctx, env, map[string]string{vm.Emulator: vm.EmulatorPackage}); err != nil {
		return err
	}
	img, err := debianWith(ctx, env, "vm", append([]string{"linux-image-cloud-amd64", "iproute2"}, dindPackages...)...)
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	dir, err := env.Cache.Dir(ctx, cache.Key("vm-"+versions.Debian, digest.String()), func(dir string) error {
		return vm.Write(img, dir)
	})
	if err != nil {
		return fmt.Errorf("make a virtual machine: %w", err)
	}
	return env.Publish("vm", "image", dir)
}

// Start has nothing to do: tests boot it.
func (machineImage) Start(context.Context, *local.Env) error { return nil }

// Status tells whether it is there.
func (machineImage) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	dir := env.State.Value("vm", "image")
	if dir == "" || env.Run(ctx, execute.Cmd{Name: vm.Emulator, Args: []string{"--version"}}) != nil {
		return local.Status{Condition: local.Absent}, nil
	}
	return local.Status{Condition: local.Made, Detail: dir}, nil
}

// Stop has nothing to do: the image is part of the cache.
func (machineImage) Stop(context.Context, *local.Env) error { return nil }
