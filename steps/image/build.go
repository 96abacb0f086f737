package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/jsonstream"
	dockerregistry "github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/process"
	"github.com/model-delivery/model-delivery/steps/registry"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Strategies of [BuildOptions].
const (
	Make       = "make"       // the Makefile's target build
	Dockerfile = "dockerfile" // a Dockerfile, by the daemon itself
	S2I        = "s2i"        // source-to-image, by the daemon itself
	None       = "none"       // the image is there already
)

// BuildOptions says what to build and how.
type BuildOptions struct {
	Strategy   string
	Dir        string   // the model's directory
	Tag        string   // reference to give to the image
	Dockerfile string   // for Dockerfile: path in Dir
	BaseImage  string   // image to build on, as BASE_IMAGE; empty: the model's own choice
	BuildArgs  []string // NAME=VALUE; the values are not shown
	Builder    string   // for S2I: the builder image; BaseImage when empty
	DockerHost string   // empty: as the docker command line finds it
	Getenv     func(string) string
	Output     io.Writer // the build's own log
	Redact     func(secret string)

	hidden *step.Redactor // of the values of BuildArgs
}

// Build makes the image and returns its ID, sha256:….
func Build(ctx context.Context, o BuildOptions) (string, error) {
	cli, endpoint, err := docker.Connect(o.DockerHost, o.Getenv)
	if err != nil {
		return "", err
	}
	defer cli.Close()
	o.hidden = hide(o.BuildArgs)
	output := o.hidden.Writer(o.Output)
	defer output.Flush()
	o.Output = output
	switch o.Strategy {
	case None:
	case Make:
		err = o.make(ctx, endpoint)
	case S2I:
		err = o.sourceToImage(ctx, cli)
	case Dockerfile:
		err = o.dockerfile(ctx, cli)
	default:
		return "", step.Invalidf("strategy %q is none of %s, %s, %s, %s", o.Strategy, Make, Dockerfile, S2I, None)
	}
	if err != nil {
		return "", err
	}
	image, err := cli.ImageInspect(ctx, o.Tag)
	switch {
	case errdefs.IsNotFound(err) && o.Strategy == None:
		return "", step.WithHint(step.Failedf("look at image %s: %w", o.Tag, err), "with the strategy none the daemon must have the image already")
	case errdefs.IsNotFound(err):
		return "", step.WithHint(step.Failedf("look at image %s after the build: %w", o.Tag, err),
			"the build must give the image the name it is told: IMAGE for make")
	case err != nil:
		return "", step.Infraf("look at image %s: %w", o.Tag, err)
	}
	return image.ID, nil
}

// hide makes a redactor of the values of build arguments. It is not the step's
// own: its results, such as a tag, may well hold what is an argument too.
func hide(buildArgs []string) *step.Redactor {
	redactor := &step.Redactor{}
	for _, arg := range buildArgs {
		value := arg
		if _, after, ok := strings.Cut(arg, "="); ok {
			value = after
		}
		redactor.Add(value)
		redactor.Add(strings.Trim(quoted(value), `"`)) // as a Dockerfile has it
	}
	return redactor
}

// named are build arguments without their values.
func named(buildArgs []string) []string {
	names := make([]string, len(buildArgs))
	for i, arg := range buildArgs {
		names[i] = "…"
		if name, _, ok := strings.Cut(arg, "="); ok {
			names[i] = name + "=…"
		}
	}
	return names
}

// make runs the Makefile's target build. Its failure is the build's.
func (o BuildOptions) make(ctx context.Context, endpoint docker.Endpoint) error {
	args := []string{"-C", o.Dir, "build", "IMAGE=" + o.Tag}
	if o.BaseImage != "" {
		args = append(args, "BASE_IMAGE="+o.BaseImage)
	}
	err := process.Run(ctx, process.Command{
		Name: "make", Args: append(slices.Clone(args), o.BuildArgs...), Shown: append(args, named(o.BuildArgs)...),
		Env: endpoint.Environ(), Stdout: o.Output, Stderr: o.Output,
	})
	if err != nil {
		return fmt.Errorf("build %s: %w", o.Tag, err)
	}
	return nil
}

func (o BuildOptions) dockerfile(ctx context.Context, cli *client.Client) error {
	file := path.Clean(filepath.ToSlash(o.Dockerfile))
	if !fs.ValidPath(file) {
		return step.Invalidf("Dockerfile %q is not a path inside the model's directory", o.Dockerfile)
	}
	if info, err := os.Stat(filepath.Join(o.Dir, filepath.FromSlash(file))); err != nil || !info.Mode().IsRegular() {
		return step.WithHint(step.Invalidf("there is no %s in %s", file, o.Dir), "another strategy (make, s2i) may be meant")
	}
	args := map[string]*string{}
	if o.BaseImage != "" {
		args["BASE_IMAGE"] = &o.BaseImage
	}
	for i, arg := range o.BuildArgs {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return step.Invalidf("build argument %d is not NAME=VALUE", i+1)
		}
		args[name] = &value
	}
	return o.daemonBuild(ctx, cli, buildContext{dir: o.Dir, dockerfile: file, ignore: ".dockerignore"}, args, o.BaseImage)
}

// daemonBuild lets the daemon build an image of a context. from is the image
// that it stands on, for its registry's credentials; it may be empty.
func (o BuildOptions) daemonBuild(ctx context.Context, cli *client.Client, c buildContext, args map[string]*string, from string) error {
	auths := map[string]dockerregistry.AuthConfig{}
	for _, ref := range []string{o.Tag, from} {
		auth, err := registry.Credentials(ref, o.Redact)
		if err != nil {
			return err
		}
		if auth != nil {
			auths[auth.ServerAddress] = *auth
		}
	}
	file := c.dockerfile
	if c.generated != nil {
		file = generatedName
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(writeContext(writer, c)) }()
	defer reader.Close()
	response, err := cli.ImageBuild(ctx, reader, client.ImageBuildOptions{
		Tags: []string{o.Tag}, Dockerfile: file, BuildArgs: args, AuthConfigs: auths,
		Remove: true, ForceRemove: true, Version: build.BuilderV1,
	})
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err // its URL has the build arguments
	}
	if errdefs.IsInvalidArgument(err) { // the daemon does not understand the Dockerfile
		return step.Failedf("build %s: %s", o.Tag, o.hidden.String(err.Error()))
	}
	if err != nil {
		return fmt.Errorf("build %s: %w", o.Tag, err)
	}
	defer response.Body.Close()
	_, err = follow(messages(response.Body), o.Output)
	if told, ok := errors.AsType[*jsonstream.Error](err); ok {
		return step.Failedf("build %s: %s", o.Tag, o.hidden.String(told.Message))
	}
	if err != nil { // the daemon, or the way to it, ended amid the build
		return step.Infraf("build %s: read the daemon's log of it: %w", o.Tag, err)
	}
	return nil
}

// follow prints the daemon's messages as plain lines and returns what they
// carry out of band, or the failure that they tell.
func follow(stream iter.Seq2[jsonstream.Message, error], out io.Writer) ([][]byte, error) {
	var aux [][]byte
	for message, err := range stream {
		switch {
		case err != nil:
			return aux, err
		case message.Error != nil:
			return aux, message.Error
		case message.Aux != nil:
			aux = append(aux, *message.Aux)
		case message.Stream != "":
			io.WriteString(out, message.Stream)
		case message.Status != "" && message.Progress == nil:
			fmt.Fprintln(out, strings.TrimSpace(message.ID+" "+message.Status))
		}
	}
	return aux, nil
}

// messages decodes the stream of a build.
func messages(body io.Reader) iter.Seq2[jsonstream.Message, error] {
	return func(yield func(jsonstream.Message, error) bool) {
		decoder := json.NewDecoder(body)
		for {
			var message jsonstream.Message
			err := decoder.Decode(&message)
			if err == io.EOF {
				return
			}
			if !yield(message, err) || err != nil {
				return
			}
		}
	}
}
