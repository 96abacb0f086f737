package chart

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// RenderOptions says how a chart is rendered.
type RenderOptions struct {
	Release   string         // name of the release, .Release.Name
	Namespace string         // .Release.Namespace
	Values    map[string]any // over the chart's own
	// Client is asked what the cluster serves and for what templates look up.
	// Nil: a cluster that is as new as Helm's library, with nothing in it.
	Client *kube.Client
	// SkipCRDs leaves the chart's definitions out.
	SkipCRDs bool
}

// Release is what a rendered chart consists of.
type Release struct {
	CRDs    []*unstructured.Unstructured
	Before  []Hook // hooks before installation, in order
	Objects []*unstructured.Unstructured
	After   []Hook // hooks after installation, in order
}

// Hook is an object that runs before or after the installation.
type Hook struct {
	Object *unstructured.Unstructured
	// DeleteBefore removes the one of an earlier run first; DeleteAfter
	// removes it once it succeeded.
	DeleteBefore, DeleteAfter bool
}

// Render renders a chart as for a first installation. Tests and hooks for
// other occasions are left out.
func Render(c *helm.Chart, o RenderOptions) (*Release, error) {
	capabilities, err := capabilitiesOf(o.Client)
	if err != nil {
		return nil, err
	}
	title := c.Name() + "-" + c.Metadata.Version
	if wanted := c.Metadata.KubeVersion; wanted != "" && !chartutil.IsCompatibleRange(wanted, capabilities.KubeVersion.Version) {
		return nil, step.Invalidf("chart %s: needs Kubernetes %s, the cluster has %s", title, wanted, capabilities.KubeVersion.Version)
	}
	values := o.Values
	if values == nil {
		values = map[string]any{}
	}
	if err := chartutil.ProcessDependenciesWithMerge(c, values); err != nil {
		return nil, step.Invalidf("chart %s: %w", title, err)
	}
	renderValues, err := chartutil.ToRenderValues(c, values,
		chartutil.ReleaseOptions{Name: o.Release, Namespace: o.Namespace, Revision: 1, IsInstall: true}, capabilities)
	if err != nil {
		return nil, step.WithHint(step.Invalidf("chart %s: %w", title, err), "the entry's values do not fit the chart's schema")
	}
	var files map[string]string
	if o.Client != nil {
		files, err = engine.RenderWithClientProvider(c, renderValues, lookups{o.Client})
	} else {
		files, err = engine.Render(c, renderValues)
	}
	if err != nil {
		return nil, step.Invalidf("render chart %s: %w", title, cut(err))
	}
	for name := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(files, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return nil, step.Invalidf("render chart %s: %w", title, err)
	}
	out := &Release{}
	if !o.SkipCRDs {
		if out.CRDs, err = Definitions(c); err != nil {
			return nil, err
		}
	}
	for _, manifest := range manifests {
		objs, err := kube.Decode([]byte(manifest.Content), manifest.Name)
		if err != nil {
			return nil, step.Invalidf("chart %s: %w", title, err)
		}
		out.Objects = append(out.Objects, objs...)
	}
	if out.Before, err = hooksFor(hooks, release.HookPreInstall); err != nil {
		return nil, step.Invalidf("chart %s: %w", title, err)
	}
	if out.After, err = hooksFor(hooks, release.HookPostInstall); err != nil {
		return nil, step.Invalidf("chart %s: %w", title, err)
	}
	return out, nil
}

// Definitions reads the crds/ directories of the chart and its dependencies.
// They are no templates: they are the same however often a chart is rendered.
func Definitions(c *helm.Chart) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, crd := range c.CRDObjects() {
		objs, err := kube.Decode(crd.File.Data, crd.Filename)
		if err != nil {
			return nil, step.Invalidf("chart %s: %w", c.Name(), err)
		}
		out = append(out, objs...)
	}
	return out, nil
}

// hooksFor keeps the hooks for one event, by weight.
func hooksFor(all []*release.Hook, event release.HookEvent) ([]Hook, error) {
	var mine []*release.Hook
	for _, hook := range all {
		if slices.Contains(hook.Events, event) {
			mine = append(mine, hook)
		}
	}
	slices.SortStableFunc(mine, func(a, b *release.Hook) int {
		return cmp.Or(cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.Name, b.Name))
	})
	var out []Hook
	for _, hook := range mine {
		objs, err := kube.Decode([]byte(hook.Manifest), hook.Path)
		if err != nil {
			return nil, err
		}
		for _, obj := range objs {
			out = append(out, Hook{
				Object: obj,
				DeleteBefore: len(hook.DeletePolicies) == 0 ||
					slices.Contains(hook.DeletePolicies, release.HookBeforeHookCreation),
				DeleteAfter: slices.Contains(hook.DeletePolicies, release.HookSucceeded),
			})
		}
	}
	return out, nil
}

// capabilitiesOf tells a chart which Kubernetes and which APIs there are.
func capabilitiesOf(c *kube.Client) (*chartutil.Capabilities, error) {
	out := chartutil.DefaultCapabilities.Copy()
	if c == nil || c.Discovery == nil {
		return out, nil
	}
	version, err := c.Discovery.ServerVersion()
	if err != nil {
		return nil, step.WithHint(step.Infraf("ask the cluster for its version: %w", err),
			"does the cluster run, and does the kubeconfig's server address reach it from here?")
	}
	out.KubeVersion = chartutil.KubeVersion{Version: version.GitVersion, Major: version.Major, Minor: version.Minor}
	groups, resources, err := c.Discovery.ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, step.Infraf("ask the cluster what it serves: %w", err)
	}
	out.APIVersions = nil
	for _, group := range groups {
		for _, version := range group.Versions {
			out.APIVersions = append(out.APIVersions, version.GroupVersion)
		}
	}
	for _, list := range resources {
		for _, resource := range list.APIResources {
			out.APIVersions = append(out.APIVersions, fmt.Sprintf("%s/%s", list.GroupVersion, resource.Kind))
		}
	}
	return out, nil
}

// lookups answers the lookup function of templates.
type lookups struct{ client *kube.Client }

// GetClientFor implements Helm's engine.ClientProvider.
func (l lookups) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
	namespaced, err := l.client.Namespaced(gvk)
	if err != nil {
		return nil, false, err
	}
	mapping, err := l.client.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, false, err
	}
	return l.client.Dynamic.Resource(mapping.Resource), namespaced, nil
}

// Clone copies a chart as far as rendering changes it, so that it can be
// rendered more than once.
func Clone(c *helm.Chart) *helm.Chart {
	out := *c
	metadata := *c.Metadata
	metadata.Dependencies = nil
	for _, dependency := range c.Metadata.Dependencies {
		copied := *dependency
		metadata.Dependencies = append(metadata.Dependencies, &copied)
	}
	out.Metadata = &metadata
	if data, err := json.Marshal(c.Values); err == nil {
		out.Values, _ = chartutil.ReadValues(data)
	}
	out.SetDependencies()
	for _, child := range c.Dependencies() {
		out.AddDependency(Clone(child))
	}
	return &out
}
