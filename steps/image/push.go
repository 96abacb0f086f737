package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/model"
	"github.com/model-delivery/model-delivery/steps/registry"
	"github.com/model-delivery/model-delivery/steps/step"
)

// pushAttempts is how often a push is tried: registries fail for moments.
const pushAttempts = 3

// Reference fills in a reference of the form registry/{model}:tag and checks it.
func Reference(pattern, modelName string) (string, error) {
	ref := strings.ReplaceAll(pattern, "{model}", model.ReleaseName(modelName))
	if _, err := name.NewTag(ref); err != nil {
		return "", step.Invalidf("image %q: %w", ref, err)
	}
	return ref, nil
}

// PushOptions says what to push and where to.
type PushOptions struct {
	Image      string // in the daemon: reference or ID
	Target     string // reference with a tag
	DockerHost string // empty: as the docker command line finds it
	Getenv     func(string) string
	Output     io.Writer
	Redact     func(secret string)
	Backoff    time.Duration // before the second attempt, then twice as long; zero: 1 s
}

// Push pushes an image as the daemon has it and returns its digest,
// sha256:…. Layers that the registry has are not sent again.
func Push(ctx context.Context, o PushOptions) (string, error) {
	cli, _, err := docker.Connect(o.DockerHost, o.Getenv)
	if err != nil {
		return "", err
	}
	defer cli.Close()
	if o.Image != o.Target {
		if _, err := cli.ImageTag(ctx, client.ImageTagOptions{Source: o.Image, Target: o.Target}); err != nil {
			return "", fmt.Errorf("name image %s %s: %w", o.Image, o.Target, err)
		}
	}
	auth, err := registry.Encoded(o.Target, o.Redact)
	if err != nil {
		return "", err
	}
	options := client.ImagePushOptions{RegistryAuth: auth}
	backoff := o.Backoff
	if backoff == 0 {
		backoff = time.Second
	}
	for attempt := 1; ; attempt++ {
		digest, err := push(ctx, cli, o.Target, options, o.Output)
		if err == nil {
			return digest, nil
		}
		err = fmt.Errorf("push %s: %w", o.Target, err)
		if attempt == pushAttempts || !transient(err) {
			return "", explain(err)
		}
		fmt.Fprintf(o.Output, "%v; trying again in %s\n", err, backoff)
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("push %s: %w", o.Target, context.Cause(ctx))
		case <-time.After(backoff):
			backoff *= 2
		}
	}
}

func push(ctx context.Context, cli *client.Client, target string, options client.ImagePushOptions, out io.Writer) (string, error) {
	response, err := cli.ImagePush(ctx, target, options)
	if err != nil {
		return "", err
	}
	defer response.Close()
	aux, err := follow(response.JSONMessages(ctx), out)
	if err != nil {
		return "", err
	}
	for _, message := range aux {
		var pushed struct{ Digest string }
		if json.Unmarshal(message, &pushed) == nil && strings.HasPrefix(pushed.Digest, "sha256:") {
			return pushed.Digest, nil
		}
	}
	return "", errors.New("the daemon did not tell the digest")
}

// transient tells whether trying again may help.
func transient(err error) bool {
	if errdefs.IsUnauthorized(err) || errdefs.IsPermissionDenied(err) || errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err) {
		return false
	}
	text := strings.ToLower(err.Error())
	for _, permanent := range []string{"denied", "unauthorized", "no basic auth", "does not exist", "server gave http response to https client"} {
		if strings.Contains(text, permanent) {
			return false
		}
	}
	return true
}

func explain(err error) error {
	text := strings.ToLower(err.Error())
	switch {
	case strings.Contains(text, "server gave http response to https client"):
		return step.WithHint(step.Infra(err), "the daemon must know the registry as insecure: the Task's param insecure-registry")
	case !transient(err):
		return step.WithHint(step.Infra(err), "put the registry's credentials into config.json of the workspace dockerconfig, with the right to push")
	}
	return step.Infra(err)
}
