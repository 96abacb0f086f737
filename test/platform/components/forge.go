package components

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/model-delivery/model-delivery/test/platform/base"
	"github.com/model-delivery/model-delivery/test/platform/docker"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// What the forge is called and where it is.
const (
	forgeContainer = "model-delivery-forge"
	forgePort      = base.ForgePort
)

// forge is Gitea, beside the cluster on the same docker network and published on
// that network's gateway: one address for this machine, nodes and pods alike.
// Its data is part of the state and goes with it.
type forge struct{}

func (forge) Name() string    { return "forge" }
func (forge) Needs() []string { return []string{"images"} }

// Build makes the forge's image and puts it into the engine.
func (forge) Build(ctx context.Context, env *local.Env) error {
	engine, err := env.Docker()
	if err != nil {
		return err
	}
	if env.Source() == local.Release {
		return engine.Fetch(ctx, publishedForge)
	}
	img, err := forgeImage(ctx, env)
	if err != nil {
		return err
	}
	return engine.LoadImage(ctx, builtForge, img)
}

// Start runs the forge and makes its users, repositories and webhooks.
func (forge) Start(ctx context.Context, env *local.Env) error {
	engine, err := env.Docker()
	if err != nil {
		return err
	}
	gateway, err := netip.ParseAddr(env.State.Gateway)
	if err != nil {
		return fmt.Errorf("find the address of the network's gateway: %w", err)
	}
	address := "http://" + netip.AddrPortFrom(gateway, forgePort).String()
	config, err := writeForgeConfig(env, address)
	if err != nil {
		return err
	}
	uid, gid := forgeUser()
	data := env.StateFile("forge", "data")
	if err := errors.Join(os.MkdirAll(data, 0o750), os.Chown(data, uid, gid)); err != nil {
		return fmt.Errorf("make the forge's storage: %w", err)
	}
	ref := builtForge
	if env.Source() == local.Release {
		ref = publishedForge
	}
	image, err := engine.ImageInspect(ctx, ref)
	if err != nil {
		return fmt.Errorf("look for the image %s: %w", ref, err)
	}
	err = engine.Ensure(ctx, docker.Container{
		Name: forgeContainer, Image: ref, Network: env.State.Network,
		User: fmt.Sprintf("%d:%d", uid, gid), Cmd: []string{"gitea", "web", "--config", forgeConfigFile},
		Env:     []string{"USER=git", "HOME=" + forgeData, "GITEA_WORK_DIR=" + forgeData},
		Address: gateway, Ports: map[uint16]uint16{forgePort: forgePort},
		Binds: []string{data + ":" + forgeData, env.StateFile("forge", "conf") + ":" + forgeConfigDir + ":ro"},
	}, image.ID+" "+address+" "+config)
	if err != nil {
		return err
	}
	if err := local.WaitHTTP(ctx, address+"/api/healthz", http.StatusOK, time.Minute); err != nil {
		return fmt.Errorf("%w; it wrote:\n%s", err, engine.LastLines(ctx, forgeContainer, 10))
	}
	return forgeSetup{env: env, address: address}.run(ctx)
}

// forgeUser is who the forge runs as: whoever runs the platform, but not root.
func forgeUser() (uid, gid int) {
	return cmp.Or(os.Getuid(), 1000), cmp.Or(os.Getgid(), 1000)
}

// Stop removes the forge; what it holds goes with the state.
func (forge) Stop(ctx context.Context, env *local.Env) error {
	if env.State.DockerHost == "" {
		return nil
	}
	engine, err := env.Docker()
	if err != nil {
		return err
	}
	if err := engine.Wait(ctx, 5*time.Second); err != nil {
		return err
	}
	return engine.Remove(ctx, forgeContainer)
}

// Status reports whether the forge answers.
func (forge) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	address := env.State.Value("forge", "url")
	if address == "" {
		return local.Status{Condition: local.Absent}, nil
	}
	if err := local.WaitHTTP(ctx, address+"/api/healthz", http.StatusOK, 2*time.Second); err != nil {
		return local.Status{Condition: local.Broken, Detail: err.Error()}, nil
	}
	return local.Status{Condition: local.Running, Detail: address}, nil
}
