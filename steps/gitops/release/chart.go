// Package release gives a version of a model out: its Helm chart to a registry,
// and what is new in it to people.
package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"helm.sh/helm/v3/pkg/chart"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/steps/gitops/source"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Media types of a chart in a registry, as Helm writes them.
const (
	configType  types.MediaType = "application/vnd.cncf.helm.config.v1+json"
	contentType types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// Chart is a Helm chart to be given out.
type Chart struct {
	Metadata chart.Metadata
	Files    []source.File // with paths inside the chart
}

// Find returns the chart among the files of a source: the one at its root, or
// the only one.
func Find(files []source.File) (Chart, error) {
	var dirs []string
	for _, file := range files {
		if path.Base(file.Path) == "Chart.yaml" && !strings.Contains("/"+file.Path, "/charts/") {
			dirs = append(dirs, path.Dir(file.Path))
		}
	}
	switch {
	case len(dirs) == 0:
		return Chart{}, step.WithHint(step.Invalidf("the source has no Helm chart"), "--chart is for a source with a Chart.yaml")
	case len(dirs) > 1 && !slices.Contains(dirs, "."):
		return Chart{}, step.WithHint(step.Invalidf("the source has %d Helm charts", len(dirs)), "--chart is for a source with one")
	}
	dir := dirs[0]
	if slices.Contains(dirs, ".") {
		dir = "."
	}
	var c Chart
	for _, file := range files {
		inside := file.Path
		if dir != "." {
			var ok bool
			if inside, ok = strings.CutPrefix(file.Path, dir+"/"); !ok {
				continue
			}
		}
		c.Files = append(c.Files, source.File{Path: inside, Data: file.Data, Executable: file.Executable})
		if inside == "Chart.yaml" {
			if err := yaml.Unmarshal(file.Data, &c.Metadata); err != nil {
				return c, step.Invalidf("the source's file %q: %w", file.Path, err)
			}
		}
	}
	if err := c.Metadata.Validate(); err != nil {
		return c, step.Invalidf("the chart in %s: %w", dir, err)
	}
	return c, nil
}

// archive packs the chart: the same files make the same bytes.
func (c Chart) archive() ([]byte, error) {
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	packed := tar.NewWriter(zipped)
	for _, file := range c.Files {
		mode := int64(0o644)
		if file.Executable {
			mode = 0o755
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: c.Metadata.Name + "/" + file.Path, Mode: mode, Size: int64(len(file.Data)), ModTime: time.Unix(0, 0)}
		if err := packed.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := packed.Write(file.Data); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(packed.Close(), zipped.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// manifest is what a registry keeps of an artifact.
type manifest []byte

func (m manifest) RawManifest() ([]byte, error)      { return m, nil }
func (manifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (m manifest) Digest() (v1.Hash, error)          { return partial.Digest(m) }
func (m manifest) Size() (int64, error)              { return int64(len(m)), nil }

// Push brings the chart to a repository oci://REGISTRY/PATH, as PATH/NAME with
// the version for a tag, and returns the reference with its digest. A version
// is given out once: the same again is nothing done, another one is refused.
func Push(ctx context.Context, c Chart, repository string) (reference string, err error) {
	registryPath, ok := strings.CutPrefix(strings.TrimSuffix(repository, "/"), "oci://")
	if !ok {
		return "", step.WithHint(step.Invalidf("%q is not where a chart can be released to", repository), "oci://REGISTRY/PATH")
	}
	to, err := name.NewRepository(registryPath + "/" + c.Metadata.Name)
	if err != nil {
		return "", step.Invalidf("releasing chart %s: %w", c.Metadata.Name, err)
	}
	tag := to.Tag(strings.ReplaceAll(c.Metadata.Version, "+", "_"))
	data, err := c.archive()
	if err != nil {
		return "", step.Infraf("packing chart %s: %w", c.Metadata.Name, err)
	}
	config, err := json.Marshal(c.Metadata)
	if err != nil {
		return "", step.Infraf("packing chart %s: %w", c.Metadata.Name, err)
	}
	layers := []v1.Layer{static.NewLayer(config, configType), static.NewLayer(data, contentType)}
	said := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for i, layer := range layers {
		descriptor, err := partial.Descriptor(layer)
		if err != nil {
			return "", step.Infraf("packing chart %s: %w", c.Metadata.Name, err)
		}
		if i == 0 {
			said.Config = *descriptor
			continue
		}
		said.Layers = append(said.Layers, *descriptor)
	}
	raw, err := json.Marshal(said)
	if err != nil {
		return "", step.Infraf("packing chart %s: %w", c.Metadata.Name, err)
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	return put(tag, manifest(raw), layers, options)
}

func put(tag name.Tag, m manifest, layers []v1.Layer, options []remote.Option) (string, error) {
	digest, err := m.Digest()
	if err != nil {
		return "", step.Infraf("releasing chart %s: %w", tag, err)
	}
	reference := "oci://" + tag.String() + "@" + digest.String()
	there, err := remote.Head(tag, options...)
	switch {
	case err == nil && there.Digest == digest:
		return reference, nil
	case err == nil:
		return "", step.WithHint(step.Failedf("releasing chart %s: that version is there already, with other content", tag), "give the model another --model-version")
	case !missing(err):
		return "", released(tag, err)
	}
	for _, layer := range layers {
		if err := remote.WriteLayer(tag.Context(), layer, options...); err != nil {
			return "", released(tag, err)
		}
	}
	if err := remote.Put(tag, m, options...); err != nil {
		return "", released(tag, err)
	}
	return reference, nil
}

func missing(err error) bool {
	refused, ok := errors.AsType[*transport.Error](err)
	return ok && refused.StatusCode == http.StatusNotFound
}

func released(tag name.Tag, err error) error {
	err = step.Infra(fmt.Errorf("releasing chart %s: %w", tag, err))
	refused, ok := errors.AsType[*transport.Error](err)
	if ok && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden) {
		return step.WithHint(err, "the registry wants credentials that may push: they come from config.json in $DOCKER_CONFIG")
	}
	return err
}
