package image

import (
	"context"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/process"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Command is the step model-image.
func Command() *step.Command {
	var build BuildOptions
	var push, expect, certs string
	var stopFile, exitFile, logFile string
	return &step.Command{
		Name:  "model-image",
		Short: "build a model's image and push it",
		Long: `Builds with a docker daemon, by one of four strategies: make (the target build of the model's Makefile, told IMAGE and BASE_IMAGE),
dockerfile, s2i (source-to-image), or none (the image is in the daemon already). Pushes the very image that was built, or found.

Results: IMAGE_URL (what was pushed, or built), IMAGE_DIGEST (empty when nothing was pushed), image-id.`,
		Subcommands: []*step.Command{process.InstallCommand()},
		Example:     "model-image --strategy dockerfile --model-dir models/news_classifier --tag registry:5000/{model}:v1 --push registry:5000/{model}:v1",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&build.Strategy, "strategy", Dockerfile, "how the image is built: make, dockerfile, s2i, none")
			fs.StringVar(&build.Dir, "model-dir", ".", "the model's directory; its name is what {model} stands for in references, with - for _")
			fs.StringVar(&build.Tag, "tag", "{model}:dev", "reference to give to the image, or with --strategy none the image to take")
			fs.StringVar(&expect, "expect-id", "", "image ID that the image must have, so that no other is pushed")
			fs.StringVar(&push, "push", "", "reference to push the image as; empty: it is not pushed")
			fs.StringVar(&build.Dockerfile, "dockerfile", "Dockerfile", "for the strategy dockerfile: the file, in the model's directory")
			fs.StringVar(&build.BaseImage, "base-image", "", "image to build on: the build argument BASE_IMAGE, or make's variable")
			fs.StringArrayVar(&build.BuildArgs, "build-arg", nil, "NAME=VALUE for the build: a build argument, a variable of make, a variable of s2i; repeatable; no log and no error shows the value")
			fs.StringVar(&build.Builder, "builder", "", "for the strategy s2i: the builder image (default: --base-image)")
			fs.StringVar(&build.DockerHost, "docker-host", "", "the docker daemon, as unix:///path or tcp://host:port (default: DOCKER_HOST, the docker context)")
			fs.StringVar(&certs, "docker-certs", "", docker.CertsHelp)
			fs.StringVar(&stopFile, "docker-stop-file", "", "named pipe, or file to make, to write in the end: it asks whoever runs the daemon to end it")
			fs.StringVar(&exitFile, "docker-exit-file", "", "file that is written when the daemon has ended")
			fs.StringVar(&logFile, "docker-log", "", "the daemon's log; without it nobody runs the daemon here")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			defer func() {
				if err := docker.End(ctx, stopFile, exitFile, logFile); err != nil {
					rt.Logf("%v", err)
				}
			}()
			dir, err := filepath.Abs(build.Dir)
			if err != nil {
				return step.Invalidf("model directory %s: %w", build.Dir, err)
			}
			if build.Tag, err = Reference(build.Tag, filepath.Base(dir)); err != nil {
				return err
			}
			build.Getenv, build.Output, build.Redact = docker.WithCerts(certs, rt.Getenv), rt.Stderr, rt.Redact.Add
			id, err := Build(ctx, build)
			if err != nil {
				return err
			}
			if expect != "" && id != expect {
				return step.Failedf("image %s is %s, not %s: it was replaced meanwhile", build.Tag, id, expect)
			}
			rt.Logf("image %s is %s", build.Tag, id)
			rt.Results.Set("image-id", id)
			rt.Results.Set("IMAGE_URL", build.Tag)
			rt.Results.Set("IMAGE_DIGEST", "")
			if push == "" {
				return nil
			}
			if push, err = Reference(push, filepath.Base(dir)); err != nil {
				return err
			}
			// By its ID: the name may have moved on to another image meanwhile.
			digest, err := Push(ctx, PushOptions{
				Image: id, Target: push, DockerHost: build.DockerHost, Getenv: build.Getenv, Output: rt.Stderr, Redact: rt.Redact.Add,
			})
			if err != nil {
				return err
			}
			rt.Logf("pushed %s@%s", push, digest)
			rt.Results.Set("IMAGE_URL", push)
			rt.Results.Set("IMAGE_DIGEST", digest)
			return nil
		},
	}
}
