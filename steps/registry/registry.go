// Package registry gives a Docker daemon the credentials that the docker
// configuration (DOCKER_CONFIG) has for registries.
package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Credentials are those for the registry of ref; nil where there are none. Secrets
// are told to redact, which may be nil.
func Credentials(ref string, redact func(secret string)) (*registry.AuthConfig, error) {
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
	if redact != nil {
		for _, secret := range []string{config.Password, config.Auth, config.IdentityToken, config.RegistryToken} {
			redact(secret)
		}
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

// Encoded are the credentials for the registry of ref as the daemon's API takes
// them. Daemons before 28 want them even where there are none.
func Encoded(ref string, redact func(secret string)) (string, error) {
	auth, err := Credentials(ref, redact)
	if err != nil {
		return "", err
	}
	if auth == nil {
		auth = &registry.AuthConfig{}
	}
	data, err := json.Marshal(auth)
	if err != nil {
		return "", fmt.Errorf("encode the credentials for %s: %w", ref, err)
	}
	return base64.URLEncoding.EncodeToString(data), nil
}

// Pull lets the daemon fetch an image with credentials of [Encoded]; "" has none.
// Errors are the daemon's own.
func Pull(ctx context.Context, cli *client.Client, ref, auth string) error {
	stream, err := cli.ImagePull(ctx, ref, client.ImagePullOptions{RegistryAuth: auth})
	if err != nil {
		return err
	}
	return stream.Wait(ctx)
}
