package chart

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Media types of a chart's archive in a registry, the second from before Helm 3.8.
var chartLayers = []string{
	"application/vnd.cncf.helm.chart.content.v1.tar+gzip",
	"application/tar+gzip",
}

// pullOCI gets a chart's archive from a registry. Registries on loopback and
// private addresses are spoken to in plain HTTP, as container engines on a
// laptop or in CI do.
func pullOCI(ctx context.Context, s Source) ([]byte, error) {
	path := strings.TrimSuffix(strings.TrimPrefix(s.OCI, "oci://"), "/")
	if s.Name != "" {
		path += "/" + s.Name
	}
	repository, err := name.NewRepository(path)
	if err != nil {
		return nil, step.WithHint(step.Invalidf("chart %s: %w", s, err), "an OCI chart has the form oci://REGISTRY/PATH, its version apart")
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	tag, err := resolveTag(repository, s.Version, options)
	if err != nil {
		return nil, ociError(s, err)
	}
	image, err := remote.Image(repository.Tag(tag), options...)
	if err != nil {
		return nil, ociError(s, err)
	}
	layer, err := chartLayer(image)
	if err != nil {
		return nil, ociError(s, err)
	}
	blob, err := layer.Compressed() // its digest is checked as it is read
	if err != nil {
		return nil, ociError(s, err)
	}
	defer blob.Close()
	data, err := readLimited(blob, maxArchiveBytes, "the archive")
	if err != nil {
		return nil, ociError(s, err)
	}
	return data, nil
}

// resolveTag turns a version or a range into a tag. In tags, + is written _.
func resolveTag(repository name.Repository, version string, options []remote.Option) (string, error) {
	if version != "" && !strings.ContainsAny(version, "^~*<>=|, x") {
		return strings.ReplaceAll(version, "+", "_"), nil
	}
	tags, err := remote.List(repository, options...)
	if err != nil {
		return "", err
	}
	for i := range tags {
		tags[i] = strings.ReplaceAll(tags[i], "_", "+")
	}
	picked, err := pick(version, tags)
	if err != nil {
		return "", step.Invalid(err)
	}
	return strings.ReplaceAll(picked, "+", "_"), nil
}

func chartLayer(image v1.Image) (v1.Layer, error) {
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		if mediaType, err := layer.MediaType(); err == nil && slices.Contains(chartLayers, string(mediaType)) {
			return layer, nil
		}
	}
	return nil, step.Invalid(errors.New("is no Helm chart: it has no layer of that type"))
}

// ociError classifies what a registry answered.
func ociError(s Source, err error) error {
	if step.ExitCode(err) == step.ExitInvalid {
		return step.Invalidf("chart %s: %w", s, err)
	}
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		switch answer.StatusCode {
		case http.StatusNotFound:
			return step.WithHint(step.Invalidf("chart %s: not in the registry: %w", s, err), "check the registry, the path and the version")
		case http.StatusUnauthorized, http.StatusForbidden:
			return step.WithHint(step.Infraf("chart %s: %w", s, err), "the registry wants credentials: put them in $DOCKER_CONFIG/config.json")
		}
	}
	return step.Infraf("chart %s: %w", s, err)
}
