// Package docker does the few things the platform asks of a Docker engine.
package docker

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Label marks every container and network that the platform creates.
const Label = "dev.model-delivery.platform"

// Engine is a connection to a Docker engine.
type Engine struct {
	*client.Client
}

// Connect returns the engine at host, a value of DOCKER_HOST. It does not talk
// to it yet.
func Connect(host string) (*Engine, error) {
	api, err := client.New(client.WithHost(host))
	if err != nil {
		return nil, fmt.Errorf("connect to the Docker engine at %s: %w", host, err)
	}
	return &Engine{Client: api}, nil
}

// Container says how to run a long-lived container.
type Container struct {
	Name    string
	Image   string
	Cmd     []string
	Env     []string
	User    string
	Network string
	// Ports are published on Address: port in the container, port there.
	Address netip.Addr
	Ports   map[uint16]uint16
	// Binds are host paths and where they appear: "/from:/to" or "/from:/to:ro".
	Binds []string
}

// Ensure runs the container so that it comes back after a restart of the
// engine. One that runs with the same image and settings is left alone; another
// of the same name is replaced.
func (e *Engine) Ensure(ctx context.Context, spec Container, fingerprint string) error {
	found, err := e.ContainerInspect(ctx, spec.Name, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
	case err != nil:
		return fmt.Errorf("look for the container %s: %w", spec.Name, err)
	case found.Container.Config.Labels[Label] != fingerprint:
		if _, ours := found.Container.Config.Labels[Label]; !ours {
			return fmt.Errorf("a container named %s exists and is not the platform's: remove or rename it", spec.Name)
		}
		if err := e.Remove(ctx, spec.Name); err != nil {
			return err
		}
	case found.Container.State.Running:
		return nil
	default:
		return e.start(ctx, spec.Name)
	}
	ports := network.PortMap{}
	exposed := network.PortSet{}
	for inside, outside := range maps.All(spec.Ports) {
		port, _ := network.PortFrom(inside, network.TCP)
		exposed[port] = struct{}{}
		ports[port] = []network.PortBinding{{HostIP: spec.Address, HostPort: fmt.Sprint(outside)}}
	}
	_, err = e.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: spec.Name,
		Config: &container.Config{
			Image: spec.Image, Cmd: spec.Cmd, Env: spec.Env, User: spec.User,
			ExposedPorts: exposed, Labels: map[string]string{Label: fingerprint},
		},
		HostConfig: &container.HostConfig{
			NetworkMode: container.NetworkMode(spec.Network), PortBindings: ports, Binds: spec.Binds,
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyAlways},
		},
	})
	if err != nil {
		return fmt.Errorf("create the container %s: %w", spec.Name, err)
	}
	return e.start(ctx, spec.Name)
}

func (e *Engine) start(ctx context.Context, name string) error {
	if _, err := e.ContainerStart(ctx, name, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("start the container %s: %w", name, err)
	}
	return nil
}

// Running says whether the container exists, and whether it runs.
func (e *Engine) Running(ctx context.Context, name string) (exists, running bool, err error) {
	found, err := e.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("look for the container %s: %w", name, err)
	}
	return true, found.Container.State.Running, nil
}

// Remove deletes the container and its anonymous volumes, running or not. One
// that does not exist is no error.
func (e *Engine) Remove(ctx context.Context, name string) error {
	_, err := e.ContainerRemove(ctx, name, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove the container %s: %w", name, err)
	}
	return nil
}

// HasImage says whether the engine holds the image.
func (e *Engine) HasImage(ctx context.Context, ref string) (bool, error) {
	_, err := e.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the image %s: %w", ref, err)
	}
	return true, nil
}

// Load loads a docker archive from r.
func (e *Engine) Load(ctx context.Context, r io.Reader) error {
	answer, err := e.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
	if err != nil {
		return fmt.Errorf("load an image: %w", err)
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return fmt.Errorf("load an image: %w", err)
	}
	return nil
}

// Wait waits until the engine answers, trying for at most limit.
func (e *Engine) Wait(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		try, end := context.WithTimeout(ctx, 2*time.Second)
		_, err := e.Ping(try, client.PingOptions{NegotiateAPIVersion: true})
		end()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait %s for the Docker engine: %w", limit, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Fetch pulls the image unless the engine holds it.
func (e *Engine) Fetch(ctx context.Context, ref string) error {
	if found, err := e.HasImage(ctx, ref); found || err != nil {
		return err
	}
	answer, err := e.ImagePull(ctx, ref, client.ImagePullOptions{})
	if err != nil {
		return fmt.Errorf("pull the image %s: %w", ref, err)
	}
	defer answer.Close()
	if err := answer.Wait(ctx); err != nil {
		return fmt.Errorf("pull the image %s: %w", ref, err)
	}
	return nil
}
