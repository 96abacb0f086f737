package components

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

// Media types of a Helm chart in a registry.
const (
	chartConfigType  types.MediaType = "application/vnd.cncf.helm.config.v1+json"
	chartContentType types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// helmChart is a Helm chart of the platform's own.
type helmChart struct {
	name       string
	version    string
	appVersion string
	about      string
	files      map[string]string // by path in the chart, without Chart.yaml
}

// metadata is Chart.yaml. It is JSON, which is YAML.
func (c helmChart) metadata() ([]byte, error) {
	return json.Marshal(map[string]string{
		"apiVersion": "v2", "type": "application", "name": c.name, "version": c.version,
		"appVersion": c.appVersion, "description": c.about,
	})
}

// archive packs the chart. Equal charts give equal archives.
func (c helmChart) archive() ([]byte, error) {
	metadata, err := c.metadata()
	if err != nil {
		return nil, err
	}
	files := maps.Clone(c.files)
	files["Chart.yaml"] = string(metadata)
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	packed := tar.NewWriter(zipped)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		text := files[path]
		header := &tar.Header{Typeflag: tar.TypeReg, Name: c.name + "/" + path, Mode: 0o644, Size: int64(len(text))}
		if err := packed.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := packed.Write([]byte(text)); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(packed.Close(), zipped.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// chartManifest is what the registry keeps of a chart.
type chartManifest []byte

func (m chartManifest) RawManifest() ([]byte, error)      { return m, nil }
func (chartManifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// chartsOf is where the platform's registry keeps charts, without oci://.
func chartsOf(env *local.Env) string { return env.State.Registry + "/charts" }

// pushChart pushes the chart to the platform's registry, unless it is there
// already, and returns its digest.
func pushChart(ctx context.Context, env *local.Env, chart helmChart) (string, error) {
	digest, err := writeChart(ctx, chartsOf(env), chart)
	if err != nil {
		return "", fmt.Errorf("push the chart %s %s: %w", chart.name, chart.version, err)
	}
	return digest, nil
}

func writeChart(ctx context.Context, repository string, chart helmChart) (string, error) {
	metadata, err := chart.metadata()
	if err != nil {
		return "", err
	}
	archive, err := chart.archive()
	if err != nil {
		return "", err
	}
	tag, err := name.NewTag(repository + "/" + chart.name + ":" + chart.version)
	if err != nil {
		return "", err
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	blobs := []v1.Layer{static.NewLayer(metadata, chartConfigType), static.NewLayer(archive, chartContentType)}
	descriptors := make([]v1.Descriptor, len(blobs))
	for i, blob := range blobs {
		if descriptors[i], err = describeLayer(blob); err != nil {
			return "", err
		}
	}
	manifest.Config, manifest.Layers = descriptors[0], descriptors[1:]
	text, err := json.Marshal(manifest)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	head, err := remote.Head(tag, remote.WithContext(ctx))
	if err == nil && head.Digest.String() == digest {
		return digest, nil
	}
	if refused, ok := errors.AsType[*transport.Error](err); err != nil && (!ok || refused.StatusCode != http.StatusNotFound) {
		return "", err
	}
	for _, blob := range blobs {
		if err := remote.WriteLayer(tag.Context(), blob, remote.WithContext(ctx)); err != nil {
			return "", err
		}
	}
	return digest, remote.Put(tag, chartManifest(text), remote.WithContext(ctx))
}

func describeLayer(layer v1.Layer) (v1.Descriptor, error) {
	mediaType, err := layer.MediaType()
	if err != nil {
		return v1.Descriptor{}, err
	}
	digest, err := layer.Digest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	size, err := layer.Size()
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}, err
}
