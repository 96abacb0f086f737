package seldon

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Manifests are the objects of a model's manifests, its SeldonDeployments apart.
type Manifests struct {
	SeldonDeployments []*unstructured.Unstructured
	Others            []*unstructured.Unstructured // Secrets, ServiceAccounts and what else the model needs
}

// LoadManifests reads manifests from files and directories, as YAML or JSON. At
// least one SeldonDeployment has to be among them.
func LoadManifests(paths []string) (*Manifests, error) {
	var m Manifests
	for _, path := range paths {
		objs, err := loadPath(path)
		if err != nil {
			return nil, err
		}
		for _, obj := range objs {
			if !Is(obj) {
				m.Others = append(m.Others, obj)
				continue
			}
			if err := checkManifest(obj); err != nil {
				return nil, step.Invalidf("%s: SeldonDeployment %s: %w", kube.Source(obj), obj.GetName(), err)
			}
			m.SeldonDeployments = append(m.SeldonDeployments, obj)
		}
	}
	if len(m.SeldonDeployments) == 0 {
		return nil, step.WithHint(step.Invalidf("%s: no SeldonDeployment among %d objects", strings.Join(paths, ", "), len(m.Others)),
			"a SeldonDeployment has apiVersion "+Group+"/v1 and kind "+Kind)
	}
	return &m, nil
}

// loadPath reads a file or a directory; links do not lead out of it.
func loadPath(path string) ([]*unstructured.Unstructured, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, step.WithHint(step.Invalidf("manifests: %w", err), "give the file or directory that holds the model's SeldonDeployment")
	}
	dir, name := path, "."
	if !info.IsDir() {
		dir, name = filepath.Split(path)
	}
	root, err := os.OpenRoot(filepath.Clean(dir))
	if err != nil {
		return nil, step.Invalidf("manifests: %w", err)
	}
	defer root.Close()
	if info.IsDir() {
		return kube.LoadDir(root, name)
	}
	return kube.LoadFile(root, name)
}

// checkManifest refuses what the operator cannot serve, before the cluster is
// asked.
func checkManifest(obj *unstructured.Unstructured) error {
	if version := obj.GroupVersionKind().Version; !slices.Contains(versions, version) {
		return fmt.Errorf("version %s is not known, only %s", version, strings.Join(versions, ", "))
	}
	d, err := parse[deployment](obj)
	if err != nil {
		return err
	}
	if len(d.Spec.Predictors) == 0 {
		return fmt.Errorf("has no spec.predictors")
	}
	seen := map[string]bool{}
	for i, p := range d.Spec.Predictors {
		if p.Name == "" {
			return fmt.Errorf("spec.predictors[%d] has no name", i)
		}
		if seen[p.Name] {
			return fmt.Errorf("two predictors are called %s", p.Name)
		}
		seen[p.Name] = true
		if p.Graph.Name == "" {
			return fmt.Errorf("predictor %s has no graph", p.Name)
		}
		for _, spec := range p.ComponentSpecs {
			for _, c := range spec.Spec.Containers {
				if c.Image != "" {
					if err := CheckImage(c.Image); err != nil {
						return fmt.Errorf("container %s: image %q: %w", c.Name, c.Image, err)
					}
				}
			}
		}
	}
	return nil
}

// PinImages sets the images of containers by name, in all predictors of all
// SeldonDeployments. An image whose container is nowhere is an error, since it
// would mean that something else than what was asked for gets deployed.
func (m *Manifests) PinImages(images map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(images)) {
		if err := CheckImage(images[name]); err != nil {
			return step.Invalidf("image of container %s: %q: %w", name, images[name], err)
		}
	}
	pinned := map[string]bool{}
	names := map[string]bool{}
	for _, obj := range m.SeldonDeployments {
		err := eachContainer(obj, func(c map[string]any) {
			name, _ := c["name"].(string)
			names[name] = true
			if image, ok := images[name]; ok {
				c["image"] = image
				pinned[name] = true
			}
		})
		if err != nil {
			return step.Invalidf("%s: SeldonDeployment %s: %w", kube.Source(obj), obj.GetName(), err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(images)) {
		if !pinned[name] {
			return step.WithHint(step.Invalidf("no container is called %q", name),
				"containers of the manifests: "+list(slices.Sorted(maps.Keys(names))))
		}
	}
	return nil
}

// eachContainer visits the containers and init containers of all predictors.
func eachContainer(obj *unstructured.Unstructured, visit func(map[string]any)) error {
	predictors, _, err := unstructured.NestedFieldNoCopy(obj.Object, "spec", "predictors")
	if err != nil {
		return err
	}
	for _, predictor := range mappings(predictors) {
		for _, spec := range mappings(predictor["componentSpecs"]) {
			pod, ok := spec["spec"].(map[string]any)
			if !ok {
				continue
			}
			for _, kind := range []string{"initContainers", "containers"} {
				for _, container := range mappings(pod[kind]) {
					visit(container)
				}
			}
		}
	}
	return nil
}

// mappings returns the mappings of a list.
func mappings(value any) []map[string]any {
	items, _ := value.([]any)
	var out []map[string]any
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// inNamespace puts all objects that name none, or any when override is set,
// into a namespace.
func (m *Manifests) inNamespace(namespace string, override bool) {
	for _, obj := range append(slices.Clone(m.SeldonDeployments), m.Others...) {
		if obj.GetNamespace() == "" || override {
			obj.SetNamespace(namespace)
		}
	}
}
