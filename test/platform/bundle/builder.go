package bundle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// builder is the image that models' Makefiles run in and the one that model
// servers stand on, both made from models/builder with Docker, as users make
// them.
type builder struct {
	root string // of the work tree
}

// targets are the stages of models/builder/Dockerfile that become images.
var targets = []string{"model-server-base", "model-builder"}

func (builder) Name() string    { return "builder" }
func (builder) Needs() []string { return []string{"engine", "registry", "images"} }

// Build makes the images when the registry lacks those of this Dockerfile.
func (b builder) Build(ctx context.Context, env *local.Env) error {
	dir := filepath.Join(b.root, "models", "builder")
	recipe, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		return fmt.Errorf("read the builder image's recipe: %w", err)
	}
	base := "debian:trixie-slim"
	if env.Source() == local.FromSource {
		base = env.State.Images["debian"]
	}
	tag := cache.Key("", string(recipe), base)
	tag = tag[max(0, len(tag)-12):]
	for _, target := range targets {
		ref := "model-delivery/" + target + ":" + tag
		digest, err := inRegistry(ctx, env.State.Registry+"/"+ref)
		if err != nil {
			return err
		}
		if digest == "" {
			if digest, err = b.make(ctx, env, dir, target, base, ref); err != nil {
				return fmt.Errorf("make the image %s: %w", target, err)
			}
		}
		if err := env.Publish("builder", target, digest); err != nil {
			return err
		}
	}
	return nil
}

// inRegistry returns the reference by digest of what the registry holds under
// a tag, or "".
func inRegistry(ctx context.Context, ref string) (string, error) {
	tag, err := name.NewTag(ref, name.Insecure)
	if err != nil {
		return "", err
	}
	found, err := remote.Head(tag, remote.WithContext(ctx))
	if refused, ok := errors.AsType[*transport.Error](err); ok && refused.StatusCode == http.StatusNotFound {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for %s in the registry: %w", ref, err)
	}
	return tag.Context().Digest(found.Digest.String()).String(), nil
}

// localBase is what the base image is called in the engine.
const localBase = "model-delivery-debian:platform"

func (b builder) make(ctx context.Context, env *local.Env, dir, target, base, ref string) (string, error) {
	if env.Source() == local.FromSource {
		engine, err := env.Docker()
		if err != nil {
			return "", err
		}
		debian, err := env.Debian(ctx, "debian")
		if err != nil {
			return "", err
		}
		if err := engine.LoadImage(ctx, localBase, debian); err != nil {
			return "", err
		}
		base = localBase
	}
	tag := "model-delivery-" + target + ":platform"
	env.Logf("build %s with Docker", target)
	// The legacy builder needs no plug-in of the docker command line.
	err := env.Run(ctx, execute.Cmd{
		Name: "docker", Env: []string{"DOCKER_BUILDKIT=0"},
		Args: []string{"build", "--target", target, "--build-arg", "BASE_IMAGE=" + base, "--tag", tag, dir},
	})
	if err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(env.State.StateDir, "image-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	archive := filepath.Join(scratch, "image.tar")
	if err := env.Run(ctx, execute.Cmd{Name: "docker", Args: []string{"save", "--output", archive, tag}}); err != nil {
		return "", err
	}
	img, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		return "", err
	}
	return env.Push(ctx, ref, img)
}

// Start has nothing to do: images are not started.
func (builder) Start(context.Context, *local.Env) error { return nil }

// Status tells whether the images are known.
func (builder) Status(_ context.Context, env *local.Env) (local.Status, error) {
	if ref := env.State.Value("builder", "model-builder"); ref != "" {
		return local.Status{Condition: local.Made, Detail: ref}, nil
	}
	return local.Status{Condition: local.Absent}, nil
}

// Stop has nothing to do: what the engine and the registry hold is theirs.
func (builder) Stop(context.Context, *local.Env) error { return nil }
