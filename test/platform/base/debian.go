package base

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/docker"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// debianWith returns the Debian base with packages installed as one more layer.
// The packages are installed by the base's own apt in a container.
func debianWith(ctx context.Context, env *local.Env, name string, packages ...string) (v1.Image, error) {
	base, err := debianBase(ctx, env)
	if err != nil || len(packages) == 0 {
		return base, err
	}
	text := "set -e; export DEBIAN_FRONTEND=noninteractive\n" +
		"apt-get update\n" +
		"apt-get install --yes --no-install-recommends " + strings.Join(packages, " ") + "\n" +
		"rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* /var/lib/dpkg/*-old /run/*\n"
	return withScript(ctx, env, base, "debian-"+name, text)
}

// withScript returns base with one more layer: what a shell script changes when
// it runs as root in a container.
func withScript(ctx context.Context, env *local.Env, base v1.Image, name, text string) (v1.Image, error) {
	digest, err := base.Digest()
	if err != nil {
		return nil, err
	}
	key := cache.Key("image-"+name+"-"+versions.Debian, digest.String(), text)
	return image.Cached(ctx, env.Cache, key, func(scratch string) (v1.Image, error) {
		env.Logf("install packages into the image %s", name)
		archive := filepath.Join(scratch, "layer.tar")
		if err := runScript(ctx, env, script{base: base, name: name, text: text}, archive); err != nil {
			return nil, err
		}
		layer, err := image.TarLayer(archive, false)
		if err != nil {
			return nil, err
		}
		return image.Build(image.Spec{Base: base, Layers: []v1.Layer{layer}})
	})
}

// script is shell text to run as root in a container.
type script struct {
	base       v1.Image
	name       string
	text       string
	privileged bool
	binds      []string
}

// runScript runs the script and writes what it changed in its container to the
// tar archive at out.
func runScript(ctx context.Context, env *local.Env, s script, out string) error {
	engine, err := env.Docker()
	if err != nil {
		return err
	}
	digest, err := s.base.Digest()
	if err != nil {
		return err
	}
	from := "model-delivery/build-base:" + digest.Hex[:12]
	to := "model-delivery/build-" + s.name + ":" + digest.Hex[:12]
	if err := engine.LoadImage(ctx, from, s.base); err != nil {
		return err
	}
	defer engine.ImageRemove(context.WithoutCancel(ctx), from, client.ImageRemoveOptions{})
	created, err := engine.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: from, Entrypoint: []string{"sh", "-c"}, Cmd: []string{s.text}, User: "0",
			Labels: map[string]string{docker.Label: "build"},
		},
		HostConfig: &container.HostConfig{Privileged: s.privileged, Binds: s.binds},
	})
	if err != nil {
		return err
	}
	defer engine.Remove(context.WithoutCancel(ctx), created.ID)
	wait := engine.ContainerWait(ctx, created.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := engine.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		return err
	}
	select {
	case err := <-wait.Error:
		return err
	case result := <-wait.Result:
		if result.StatusCode != 0 {
			return fmt.Errorf("install packages into the image %s: exit code %d; it wrote:\n%s", s.name, result.StatusCode, lastLines(ctx, engine, created.ID))
		}
	}
	if _, err := engine.ContainerCommit(ctx, created.ID, client.ContainerCommitOptions{Reference: to}); err != nil {
		return err
	}
	defer engine.ImageRemove(context.WithoutCancel(ctx), to, client.ImageRemoveOptions{})
	return saveTopLayer(ctx, engine, to, out)
}

func lastLines(ctx context.Context, engine *docker.Engine, id string) string {
	logs, err := engine.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "20"})
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	var text strings.Builder
	if _, err := stdcopy.StdCopy(&text, &text, logs); err != nil {
		return err.Error()
	}
	return text.String()
}

// saveTopLayer writes the uncompressed last layer of an image of the engine.
func saveTopLayer(ctx context.Context, engine *docker.Engine, ref, out string) error {
	archive := out + ".image"
	saved, err := engine.ImageSave(ctx, []string{ref})
	if err != nil {
		return err
	}
	defer saved.Close()
	if err := writeAll(archive, saved); err != nil {
		return err
	}
	defer os.Remove(archive)
	img, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	content, err := layers[len(layers)-1].Uncompressed()
	if err != nil {
		return err
	}
	defer content.Close()
	return writeAll(out, content)
}

func writeAll(path string, from io.Reader) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, from); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
