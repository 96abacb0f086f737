package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/model-delivery/model-delivery/steps/step"
)

// DefaultKinds are the kinds of objects that a model may bring to an
// environment: workloads and what belongs to them, nothing that grants rights
// or brings other sources in. An entry is Kind.group, or Kind for any group.
func DefaultKinds() []string {
	return []string{
		"SeldonDeployment.machinelearning.seldon.io", "InferenceService.serving.kserve.io",
		"Deployment.apps", "StatefulSet.apps", "Service.", "ConfigMap.", "PersistentVolumeClaim.",
		"HorizontalPodAutoscaler.autoscaling", "PodDisruptionBudget.policy", "ScaledObject.keda.sh",
		"NetworkPolicy.networking.k8s.io", "Ingress.networking.k8s.io", "HTTPRoute.gateway.networking.k8s.io",
		"VirtualService.networking.istio.io", "Mapping.getambassador.io",
		"ServiceMonitor.monitoring.coreos.com", "PodMonitor.monitoring.coreos.com", "PrometheusRule.monitoring.coreos.com",
		"Kustomization.kustomize.config.k8s.io", "Component.kustomize.config.k8s.io",
	}
}

// Rules say what a source may hold.
type Rules struct {
	Kinds     []string // allowed kinds of objects, see DefaultKinds
	Namespace string   // the only namespace that objects may name; empty: any
	// Charts are prefixes of the repositories that a Helm chart may take its
	// dependencies from; empty: from nowhere but its own directory.
	Charts []string
}

func (r Rules) allows(kind, group string) bool {
	return slices.Contains(r.Kinds, kind) || slices.Contains(r.Kinds, kind+"."+group)
}

func (r Rules) check(files []File) error {
	charts := map[string]bool{}
	for _, file := range files {
		if path.Base(file.Path) == "Chart.yaml" {
			charts[path.Dir(file.Path)] = true
		}
	}
	for _, file := range files {
		var err error
		chart, inChart := within(file.Path, charts)
		rest := strings.TrimPrefix(strings.TrimPrefix(file.Path, chart), "/")
		switch ext := path.Ext(file.Path); {
		case ext == ".jsonnet" || ext == ".libsonnet":
			err = refuse(file.Path, "is a program: what it makes cannot be told beforehand")
		case inChart && strings.HasPrefix(rest, "charts/") && (ext == ".tgz" || ext == ".gz"):
			err = refuse(file.Path, "is a packed chart that cannot be looked into")
		case inChart && rest == "Chart.yaml":
			err = r.chart(file)
		case inChart && strings.HasPrefix(rest, "templates/"):
			err = r.template(file)
		case inChart && (ext == ".yaml" || ext == ".yml" || ext == ".json"):
			_, err = Documents(file.Data)
			if err != nil {
				err = step.Invalidf("the source's file %q: %w", file.Path, err)
			}
		case IsKustomization(file.Path):
			err = r.kustomization(file, files)
		case ext == ".yaml" || ext == ".yml" || ext == ".json":
			err = r.manifest(file)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// within finds the innermost chart that a file is in.
func within(name string, charts map[string]bool) (chart string, ok bool) {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if charts[dir] {
			if dir == "." {
				dir = ""
			}
			return dir, true
		}
		if dir == "." {
			return "", false
		}
	}
}

// IsKustomization tells whether a file is one that kustomize looks for.
func IsKustomization(name string) bool {
	return slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, path.Base(name))
}

// Documents parses the documents of a YAML or JSON file. Each must be one
// that every parser reads alike: in UTF-8, without a key given twice.
func Documents(data []byte) ([]*yaml.Node, error) {
	if bytes.HasPrefix(data, []byte{0xfe, 0xff}) || bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.IndexByte(data, 0) >= 0 {
		return nil, errors.New("it is not in UTF-8")
	}
	var nodes []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		node := &yaml.Node{}
		err := decoder.Decode(node)
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
}

// object is what is looked at of a Kubernetes object.
type object struct {
	apiVersion, kind, namespace string
}

// resolve reads a document as Kubernetes does: anchors followed, merged keys
// merged. A key that is given twice is an error.
func resolve(node *yaml.Node) (map[string]any, error) {
	var value any
	if err := node.Decode(&value); err != nil {
		return nil, err
	}
	if value == nil {
		return nil, nil
	}
	fields, ok := plain(value).(map[string]any)
	if !ok {
		return nil, errors.New("a document is no object")
	}
	return fields, nil
}

// plain gives mappings the keys that JSON gives them: Kubernetes reads the key
// 1 as "1", and the rest of such a mapping all the same.
func plain(value any) any {
	switch value := value.(type) {
	case map[any]any:
		out := make(map[string]any, len(value))
		for key, item := range value {
			out[fmt.Sprint(key)] = plain(item)
		}
		return out
	case map[string]any:
		for key, item := range value {
			value[key] = plain(item)
		}
	case []any:
		for i, item := range value {
			value[i] = plain(item)
		}
	}
	return value
}

func objectOf(fields map[string]any) object {
	text := func(value any) string { s, _ := value.(string); return s }
	metadata, _ := fields["metadata"].(map[string]any)
	return object{apiVersion: text(fields["apiVersion"]), kind: text(fields["kind"]), namespace: text(metadata["namespace"])}
}

func (o object) group() string {
	group, _, ok := strings.Cut(o.apiVersion, "/")
	if !ok {
		return ""
	}
	return group
}

func (r Rules) manifest(file File) error {
	nodes, err := Documents(file.Data)
	if err != nil {
		return step.Invalidf("the source's file %q: %w", file.Path, err)
	}
	for _, node := range nodes {
		fields, err := resolve(node)
		if err != nil {
			return step.Invalidf("the source's file %q: %w", file.Path, err)
		}
		if fields == nil {
			continue // an empty document
		}
		if err := r.object(file.Path, objectOf(fields)); err != nil {
			return err
		}
	}
	return nil
}

func (r Rules) object(name string, o object) error {
	if o.kind == "" {
		return refuse(name, "has a document without a kind")
	}
	if !r.allows(o.kind, o.group()) {
		kind := o.kind
		if group := o.group(); group != "" {
			kind += "." + group
		}
		return step.WithHint(refuse(name, fmt.Sprintf("has a %s, which is not among the kinds that are promoted", kind)), "nothing was promoted: take it out of the source, or allow it with --allow-kind")
	}
	if r.Namespace != "" && o.namespace != "" && o.namespace != r.Namespace {
		return refuse(name, fmt.Sprintf("has a %s in namespace %s, not %s", o.kind, o.namespace, r.Namespace))
	}
	return nil
}

var (
	templateKind      = regexp.MustCompile(`(?m)^[ \t]*(?:-[ \t]+)?["']?kind["']?[ \t]*:[ \t]*["']?([^\s"'#]*)`)
	templateNamespace = regexp.MustCompile(`(?m)^[ \t]*["']?namespace["']?[ \t]*:[ \t]*["']?([^\s"'#]+)`)
)

// template checks the template of a Helm chart as far as it can be told before
// it is rendered: the kinds that are written in it.
func (r Rules) template(file File) error {
	for _, match := range templateKind.FindAllSubmatch(file.Data, -1) {
		kind := string(match[1])
		if strings.Contains(kind, "{{") {
			return refuse(file.Path, "makes the kind of an object from values")
		}
		known := slices.ContainsFunc(r.Kinds, func(k string) bool { name, _, _ := strings.Cut(k, "."); return name == kind })
		if kind != "" && !known {
			return step.WithHint(refuse(file.Path, fmt.Sprintf("has a %s, which is not among the kinds that are promoted", kind)), "nothing was promoted: take it out of the source, or allow it with --allow-kind")
		}
	}
	for _, match := range templateNamespace.FindAllSubmatch(file.Data, -1) {
		namespace := string(match[1])
		if r.Namespace != "" && namespace != r.Namespace && !strings.HasPrefix(namespace, "{{") {
			return refuse(file.Path, fmt.Sprintf("names namespace %s, not %s", namespace, r.Namespace))
		}
	}
	return nil
}

// chart checks where a Helm chart takes other charts from.
func (r Rules) chart(file File) error {
	var chart struct {
		Dependencies []struct{ Name, Repository string } `yaml:"dependencies"`
	}
	if err := yaml.Unmarshal(file.Data, &chart); err != nil {
		return step.Invalidf("the source's file %q: %w", file.Path, err)
	}
	for _, dependency := range chart.Dependencies {
		from := dependency.Repository
		local := from == "" || strings.HasPrefix(from, "file://") && inside(path.Dir(file.Path), strings.TrimPrefix(from, "file://"))
		if !local && !slices.ContainsFunc(r.Charts, func(prefix string) bool { return strings.HasPrefix(from, prefix) }) {
			return step.WithHint(refuse(file.Path, fmt.Sprintf("takes chart %s from %s", dependency.Name, from)), "nothing was promoted: allow the repository with --allow-chart-repository")
		}
	}
	return nil
}
