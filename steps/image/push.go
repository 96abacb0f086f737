package image

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/model"
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
	auth, err := credentials(o.Target, o.Redact)
	if err != nil {
		return "", err
	}
	// Daemons before 28 want the header even where there is nothing to say.
	options := client.ImagePushOptions{RegistryAuth: base64.URLEncoding.EncodeToString([]byte("{}"))}
	if auth != nil {
		encoded, err := json.Marshal(auth)
		if err != nil {
			return "", fmt.Errorf("push %s: encode the credentials: %w", o.Target, err)
		}
		options.RegistryAuth = base64.URLEncoding.EncodeToString(encoded)
	}
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

// credentials are those that the docker configuration (DOCKER_CONFIG) has for
// the registry of ref; nil where it has none.
func credentials(ref string, redact func(string)) (*registry.AuthConfig, error) {
	if ref == "" {
		return nil, nil
	}
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, step.Invalidf("image %q: %w", ref, err)
	}
	authenticator, err := authn.DefaultKeychain.Resolve(parsed.Context())
	if err != nil {
		return nil, step.Invalidf("credentials for %s: %w", parsed.Context().RegistryStr(), err)
	}
	if authenticator == authn.Anonymous {
		return nil, nil
	}
	config, err := authenticator.Authorization()
	if err != nil {
		return nil, step.Infraf("credentials for %s: %w", parsed.Context().RegistryStr(), err)
	}
	for _, secret := range []string{config.Password, config.Auth, config.IdentityToken, config.RegistryToken} {
		redact(secret)
	}
	server := parsed.Context().RegistryStr()
	if server == name.DefaultRegistry {
		server = "https://index.docker.io/v1/" // the name that daemons know it by
	}
	return &registry.AuthConfig{
		Username: config.Username, Password: config.Password, Auth: config.Auth, IdentityToken: config.IdentityToken,
		RegistryToken: config.RegistryToken, ServerAddress: server,
	}, nil
}
