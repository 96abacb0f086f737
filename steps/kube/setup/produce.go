package setup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/kube/chart"
	"github.com/model-delivery/model-delivery/steps/step"
)

// source makes the objects of one entry. It is fetched ahead, while others are
// installed, and rendered when its turn comes, since a chart may ask what the
// cluster serves by then.
type source struct {
	entry  Entry
	chart  *helm.Chart
	values map[string]any
	crds   []*unstructured.Unstructured // of the chart
	plain  *chart.Release               // of manifests and kustomizations
}

// fetch gets what an entry is made from. root is the directory below which its
// paths are read; dir, below root, is where they are relative to.
func fetch(ctx context.Context, e Entry, rootDir, dir string) (*source, error) {
	root, err := os.OpenRoot(rootDir)
	if err != nil {
		return nil, step.Invalidf("read %s: %w", rootDir, err)
	}
	defer root.Close()
	s := &source{entry: e}
	switch {
	case e.Chart != nil:
		from := chart.Source{
			Repository: e.Chart.Repository, OCI: e.Chart.OCI, Name: e.Chart.Name, Version: e.Chart.Version, SHA256: e.Chart.SHA256,
		}
		if e.Chart.Path != "" {
			from.Path = filepath.Join(dir, e.Chart.Path)
		}
		if s.chart, err = chart.Fetch(ctx, from, root); err == nil {
			s.values, err = valuesOf(e, root, dir)
		}
		if err == nil && !e.Chart.SkipCRDs {
			s.crds, err = chart.Definitions(s.chart)
		}
	case e.Kustomize != nil:
		s.plain = &chart.Release{}
		s.plain.Objects, err = buildKustomization(rootDir, filepath.Join(dir, e.Kustomize.Path))
	default:
		s.plain = &chart.Release{}
		for _, m := range e.Manifests {
			if err = addManifest(ctx, s.plain, m, root, dir); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.Name, err)
	}
	return s, nil
}

// render makes the entry's objects for the cluster as it is now. c may be nil.
func (s *source) render(c *kube.Client) (*chart.Release, error) {
	if s.chart == nil {
		return s.plain, nil
	}
	// Rendering changes what it is given, and the same source is rendered twice.
	values, err := copyValues(s.values)
	if err != nil {
		return nil, err
	}
	var release *chart.Release
	err = guarded(s.entry.Name, oddInput, func() (err error) {
		release, err = chart.Render(chart.Clone(s.chart), chart.RenderOptions{
			Release: s.entry.Name, Namespace: s.entry.Namespace, Values: values, Client: c, SkipCRDs: true,
		})
		if err != nil {
			return fmt.Errorf("entry %s: %w", s.entry.Name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	release.CRDs = s.crds
	return release, nil
}

func addManifest(ctx context.Context, into *chart.Release, m Manifest, root *os.Root, dir string) error {
	if m.Directory != "" {
		objs, err := kube.LoadDir(root, filepath.Join(dir, m.Directory))
		into.Objects = append(into.Objects, objs...)
		return err
	}
	name := m.URL
	var data []byte
	var err error
	if m.URL != "" {
		data, err = chart.Download(ctx, m.URL, kube.MaxManifestBytes)
	} else {
		name = filepath.Join(dir, m.File)
		data, err = kube.ReadFile(root, name)
	}
	if err != nil {
		return err
	}
	if m.SHA256 != "" {
		sum := sha256.Sum256(data)
		if got, want := hex.EncodeToString(sum[:]), strings.ToLower(strings.TrimPrefix(m.SHA256, "sha256:")); got != want {
			return step.WithHint(step.Invalidf("%s: has sha256 %s, %s is asked for", name, got, want),
				"it was changed after its checksum was written down; look at what changed before taking the new one over")
		}
	}
	objs, err := kube.Decode(data, name)
	if err == nil && len(objs) == 0 {
		return step.Invalidf("%s: holds no objects", name)
	}
	into.Objects = append(into.Objects, objs...)
	return err
}

// valuesOf puts a chart's values together: the values files in order, then the
// values in the setup file, then those that an entry gives to its profile.
func valuesOf(e Entry, root *os.Root, dir string) (map[string]any, error) {
	out := map[string]any{}
	for _, name := range e.Chart.ValuesFiles {
		data, err := kube.ReadFile(root, filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		values, err := chartutil.ReadValues(data)
		if err != nil {
			return nil, step.Invalidf("values of %s: %w", name, err)
		}
		out = chartutil.MergeTables(values, out)
	}
	for _, node := range []*yaml.Node{&e.Chart.Values, &e.Values} {
		values, err := decodeValues(node)
		if err != nil {
			return nil, step.Invalid(e.errorf("chart", "values: %v", err))
		}
		out = chartutil.MergeTables(values, out)
	}
	return out, nil
}

// decodeValues reads values as Helm does: by way of JSON, so that numbers and
// dates come out as in a values file.
func decodeValues(node *yaml.Node) (map[string]any, error) {
	if node.IsZero() {
		return map[string]any{}, nil
	}
	datesAsText(node)
	var values map[string]any
	if err := node.Decode(&values); err != nil {
		return nil, err
	}
	return copyValues(values)
}

func datesAsText(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!timestamp" {
		node.Tag = "!!str"
	}
	for _, child := range node.Content {
		datesAsText(child)
	}
}

func copyValues(values map[string]any) (map[string]any, error) {
	data, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	return chartutil.ReadValues(data)
}
