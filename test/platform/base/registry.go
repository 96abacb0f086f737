package base

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/model-delivery/model-delivery/test/platform/docker"
	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// Names of what the platform makes in the engine.
const (
	networkName       = "kind" // the network that kind puts its nodes on
	registryContainer = "model-delivery-registry"
	registryPort      = 5000
)

// registry is the container registry, on the same docker network as the nodes
// and published on that network's gateway: one address that serves this
// machine, nodes, pods and nested nodes alike. What it holds is in the cache.
type registry struct{}

func (registry) Name() string    { return "registry" }
func (registry) Needs() []string { return []string{"engine"} }

// registryConfig keeps blobs in a directory and lets images be deleted.
const registryConfig = `version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: false
http:
  addr: :5000
`

func registryImage(ctx context.Context, env *local.Env) (v1.Image, error) {
	bin, err := env.GoTool(ctx, gobuild.Tool{
		Name: "registry", Module: "github.com/distribution/distribution/v3", Version: versions.Distribution,
		Packages: []string{"github.com/distribution/distribution/v3/cmd/registry"},
	})
	if err != nil {
		return nil, err
	}
	return image.Build(image.Spec{
		Files: []image.File{
			{Path: "/registry", From: filepath.Join(bin, "registry"), Mode: 0o755},
			{Path: "/etc/distribution/config.yml", Data: []byte(registryConfig)},
		},
		Entrypoint: []string{"/registry"},
		Cmd:        []string{"serve", "/etc/distribution/config.yml"},
		Env:        []string{"OTEL_TRACES_EXPORTER=none"},
	})
}

const (
	publishedRegistry = "docker.io/library/registry:3.0.0"
	builtRegistry     = "model-delivery/registry:" + versions.Distribution
)

// Build makes the registry's image and loads it into the engine.
func (registry) Build(ctx context.Context, env *local.Env) error {
	engine, err := env.Docker()
	if err != nil {
		return err
	}
	if env.Source() == local.Release {
		return engine.Fetch(ctx, publishedRegistry)
	}
	img, err := registryImage(ctx, env)
	if err != nil {
		return err
	}
	return engine.LoadImage(ctx, builtRegistry, img)
}

// Start makes the network when it is missing, and runs the registry on it.
func (registry) Start(ctx context.Context, env *local.Env) error {
	engine, err := env.Docker()
	if err != nil {
		return err
	}
	gateway, err := ensureNetwork(ctx, env, engine)
	if err != nil {
		return err
	}
	address := netip.AddrPortFrom(gateway, registryPort).String()
	err = env.Update(func(s *local.State) {
		s.Network, s.Gateway, s.Registry = networkName, gateway.String(), address
	})
	if err != nil {
		return err
	}
	storage := env.Cache.Path("registry")
	if err := os.MkdirAll(storage, 0o755); err != nil {
		return fmt.Errorf("make the registry's storage: %w", err)
	}
	ref := builtRegistry
	if env.Source() == local.Release {
		ref = publishedRegistry
	}
	err = engine.Ensure(ctx, docker.Container{
		Name: registryContainer, Image: ref, Network: networkName,
		Address: gateway, Ports: map[uint16]uint16{registryPort: registryPort},
		Binds: []string{storage + ":/var/lib/registry"},
	}, ref+" "+address+" "+storage)
	if err != nil {
		return err
	}
	return local.WaitHTTP(ctx, "http://"+address+"/v2/", http.StatusOK, 30*time.Second)
}

// Stop removes the registry, and the network if the platform made it.
func (registry) Stop(ctx context.Context, env *local.Env) error {
	engine, err := reachable(ctx, env)
	if engine == nil || err != nil {
		return err
	}
	if err := engine.Remove(ctx, registryContainer); err != nil {
		return err
	}
	if !env.State.NetworkCreated {
		return nil
	}
	_, err = engine.NetworkRemove(ctx, networkName, client.NetworkRemoveOptions{})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove the network %s: %w", networkName, err)
	}
	return env.Update(func(s *local.State) { s.NetworkCreated = false })
}

// Status reports whether the registry answers.
func (registry) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	if env.State.Registry == "" {
		return local.Status{Condition: local.Absent}, nil
	}
	if err := local.WaitHTTP(ctx, "http://"+env.State.Registry+"/v2/", http.StatusOK, 2*time.Second); err != nil {
		return local.Status{Condition: local.Broken, Detail: err.Error()}, nil
	}
	return local.Status{Condition: local.Running, Detail: env.State.Registry}, nil
}

// reachable returns the engine, or nil when there is none that could hold
// anything of the platform's: it was never started, or has been stopped.
func reachable(ctx context.Context, env *local.Env) (*docker.Engine, error) {
	if env.State.DockerHost == "" {
		return nil, nil
	}
	engine, err := env.Docker()
	if err != nil {
		return nil, err
	}
	if err := engine.Wait(ctx, 2*time.Second); err == nil {
		return engine, nil
	}
	if !env.State.EngineStarted {
		return nil, fmt.Errorf("the Docker engine at %s does not answer", env.State.DockerHost)
	}
	// Ours was killed. Its containers are in its data, and come back with it.
	env.Logf("start the Docker engine again, to remove what it holds")
	return engine, (engineComponent{}).Start(ctx, env)
}

// ensureNetwork returns the gateway of the network that kind uses, which it
// makes when it is missing.
func ensureNetwork(ctx context.Context, env *local.Env, engine *docker.Engine) (netip.Addr, error) {
	found, err := engine.NetworkInspect(ctx, networkName, client.NetworkInspectOptions{})
	if errdefs.IsNotFound(err) {
		if err := createNetwork(ctx, env, engine); err != nil {
			return netip.Addr{}, err
		}
		found, err = engine.NetworkInspect(ctx, networkName, client.NetworkInspectOptions{})
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("look at the network %s: %w", networkName, err)
	}
	for _, config := range found.Network.IPAM.Config {
		if config.Gateway.Is4() {
			return config.Gateway, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("the docker network %s has no IPv4 gateway: remove it, and up makes another", networkName)
}

// createNetwork makes the network in a range that neither this machine nor an
// engine inside a pod, which takes 172.17.0.0/16 and 172.18.0.0/16 first, uses:
// the registry's address must mean the same thing everywhere.
func createNetwork(ctx context.Context, env *local.Env, engine *docker.Engine) error {
	subnet, err := freeSubnet()
	if err != nil {
		return err
	}
	if err := env.Update(func(s *local.State) { s.NetworkCreated = true }); err != nil {
		return err
	}
	_, err = engine.NetworkCreate(ctx, networkName, client.NetworkCreateOptions{
		Driver: "bridge",
		IPAM:   &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet, Gateway: subnet.Addr().Next()}}},
		Options: map[string]string{
			"com.docker.network.bridge.enable_ip_masquerade": "true",
			"com.docker.network.bridge.name":                 bridgeName,
			"com.docker.network.driver.mtu":                  strconv.Itoa(env.State.EngineMTU),
		},
		Labels: map[string]string{docker.Label: "network"},
	})
	if err != nil {
		return fmt.Errorf("create the network %s: %w", networkName, err)
	}
	return nil
}

// freeSubnet is the first of a few ranges that no device of this machine is in.
func freeSubnet() (netip.Prefix, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("look at the machine's network: %w", err)
	}
	var used []netip.Prefix
	for _, address := range addresses {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil {
			used = append(used, prefix.Masked())
		}
	}
	return firstFree(used)
}

func firstFree(used []netip.Prefix) (netip.Prefix, error) {
candidates:
	for second := 30; second >= 24; second-- {
		candidate := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(second), 0, 0}), 16)
		for _, prefix := range used {
			if prefix.Overlaps(candidate) {
				continue candidates
			}
		}
		return candidate, nil
	}
	return netip.Prefix{}, fmt.Errorf("find a range for the network %s: 172.24.0.0/16 to 172.30.0.0/16 are all in use", networkName)
}
