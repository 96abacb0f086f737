package kind

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"github.com/pelletier/go-toml"

	"github.com/model-delivery/model-delivery/steps/registry"
	"github.com/model-delivery/model-delivery/steps/step"
)

// nodeImage is what was found in a node image.
type nodeImage struct {
	kubernetesVersion string // such as v1.34.4
	containerdConfig  int    // version of containerd's configuration, 0 when unknown
	cni               []byte // manifest of kind's default network; nil: it brings none
}

// pullTries is how often fetching the node image is tried.
const pullTries = 3

// ensureImage fetches an image that the daemon does not have, with what it
// takes from the docker configuration to log in.
func (s *session) ensureImage(ctx context.Context, image string) error {
	if _, err := s.docker.ImageInspect(ctx, image); err == nil {
		return nil
	} else if !errdefs.IsNotFound(err) {
		return step.Infraf("look for the node image %s: %w", image, err)
	}
	auth, err := registry.Encoded(image, nil)
	if step.ExitCode(err) == step.ExitInvalid {
		auth = "" // of a configuration that cannot be read; the registry will say if it minds
	} else if err != nil {
		return err
	}
	start := time.Now()
	s.Log("pulling %s", image)
	for try := 1; ; try++ {
		err := registry.Pull(ctx, s.docker, image, auth)
		if err == nil {
			s.Log("pulled %s in %s", image, since(start))
			return nil
		}
		failure := diagnosePull(image, err)
		if try == pullTries || ctx.Err() != nil || !failure.Transient {
			return failure.wrap()
		}
		s.Log("pull failed, trying again: %v", err)
		select {
		case <-ctx.Done():
			return failure.wrap()
		case <-time.After(time.Duration(try) * time.Second):
		}
	}
}

const probeLabel = "model-delivery.dev/probe"

// createIdle makes a container of an image that never runs. It goes on when
// ctx ends, since the daemon would too and the container would be left.
func (s *session) createIdle(ctx context.Context, name, image string) (id string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), idleTimeout)
	defer cancel()
	created, err := s.docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name:   name,
		Config: &container.Config{Image: image, Labels: map[string]string{probeLabel: "node-image"}},
		HostConfig: &container.HostConfig{
			// Instead of a volume, which would be filled with the image's /var.
			Mounts: []mount.Mount{{Type: mount.TypeTmpfs, Target: "/var"}},
		},
	})
	return created.ID, err
}

const idleTimeout = 5 * time.Second

func (s *session) removeIdle(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), idleTimeout)
	defer cancel()
	if _, err := s.docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
		s.Log("warning: could not remove container %s, which never ran: %v", id, err)
	}
}

// inspectNodeImage looks into an image through a container that never runs.
func (s *session) inspectNodeImage(ctx context.Context, image string) (nodeImage, error) {
	id, err := s.createIdle(ctx, "", image)
	if err != nil {
		return nodeImage{}, step.Infraf("look into the node image %s: %w", image, err)
	}
	defer s.background.Go(func() { s.removeIdle(ctx, id) })
	version, err := s.readFile(ctx, id, "/kind/version")
	if errdefs.IsNotFound(err) {
		return nodeImage{}, step.WithHint(step.Invalidf("image %s is not a kind node image: it has no /kind/version", image),
			"use kindest/node of the Kubernetes version wanted, with its digest, or an image made by `kind build node-image`")
	}
	if err != nil {
		return nodeImage{}, step.Infraf("look into the node image %s: %w", image, err)
	}
	cni, err := s.readFile(ctx, id, networkManifest)
	if err != nil && !errdefs.IsNotFound(err) {
		return nodeImage{}, step.Infraf("look into the node image %s: %w", image, err)
	}
	found := nodeImage{kubernetesVersion: strings.TrimSpace(string(version)), cni: cni}
	if config, err := s.readFile(ctx, id, "/etc/containerd/config.toml"); err == nil {
		if tree, err := toml.LoadBytes(config); err == nil {
			version, _ := tree.Get("version").(int64)
			found.containerdConfig = int(version)
		}
	}
	return found, nil
}

// readFile reads a small file of a container, running or not.
func (s *session) readFile(ctx context.Context, id, path string) ([]byte, error) {
	copied, err := s.docker.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: path})
	if err != nil {
		return nil, err
	}
	defer copied.Content.Close()
	archive := tar.NewReader(copied.Content)
	header, err := archive.Next()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if header.Typeflag != tar.TypeReg {
		return nil, errors.New(path + " is not a file")
	}
	return io.ReadAll(io.LimitReader(archive, 1<<20))
}
