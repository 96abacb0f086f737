package pin

import (
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/model-delivery/model-delivery/steps/gitops/source"
	"github.com/model-delivery/model-delivery/steps/step"
)

// A version that YAML reads as text however it is written.
var versionRule = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// Version gives a Helm chart of the source a version, and sets it wherever a
// manifest names the chart: in Argo CD Applications, and in HelmReleases and
// OCIRepositories of Flux. An empty name is that of the source's own chart.
func Version(files []source.File, chart, version string) ([]source.File, error) {
	if !versionRule.MatchString(version) {
		return nil, step.WithHint(step.Invalidf("%q is not a version", version), "MAJOR.MINOR.PATCH, as of semantic versions")
	}
	out := append([]source.File(nil), files...)
	for i, file := range out {
		if !isYAML(file.Path) || strings.Contains("/"+file.Path, "/templates/") || strings.Contains("/"+file.Path, "/charts/") {
			continue
		}
		nodes, err := source.Documents(file.Data)
		if err != nil {
			return nil, step.Invalidf("the source's file %q: %w", file.Path, err)
		}
		f := &finder{}
		for _, document := range nodes {
			if len(document.Content) == 1 {
				f.version(document.Content[0], path.Base(file.Path) == "Chart.yaml", chart, version)
			}
		}
		if len(f.edits) == 0 {
			continue
		}
		if out[i].Data, err = edit(file.Data, f.edits); err != nil {
			return nil, step.Invalidf("the source's file %q: %w", file.Path, err)
		}
	}
	return out, nil
}

// version sets the version in one document.
func (f *finder) version(root *yaml.Node, isChart bool, chart, version string) {
	set := func(node *yaml.Node) {
		if target := deref(node); target != nil && target.Kind == yaml.ScalarNode {
			f.set(node, version)
		}
	}
	group, _, _ := strings.Cut(scalar(root, "apiVersion"), "/")
	spec := child(root, "spec")
	switch {
	case isChart:
		if chart == "" || scalar(root, "name") == chart {
			set(child(root, "version"))
			set(child(root, "appVersion"))
		}
	case chart == "":
	case group == "argoproj.io" && scalar(root, "kind") == "Application":
		sources := []*yaml.Node{child(spec, "source")}
		if list := deref(child(spec, "sources")); list != nil && list.Kind == yaml.SequenceNode {
			sources = append(sources, list.Content...)
		}
		for _, from := range sources {
			if scalar(from, "chart") == chart || strings.HasSuffix(scalar(from, "chart"), "/"+chart) {
				set(child(from, "targetRevision"))
			}
		}
	case group == "helm.toolkit.fluxcd.io" && scalar(root, "kind") == "HelmRelease":
		if from := child(child(spec, "chart"), "spec"); scalar(from, "chart") == chart {
			set(child(from, "version"))
		}
	case group == "source.toolkit.fluxcd.io" && scalar(root, "kind") == "OCIRepository":
		if strings.HasSuffix(scalar(spec, "url"), "/"+chart) {
			set(child(child(spec, "ref"), "tag"))
		}
	}
}
