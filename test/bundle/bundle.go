// Package bundle reads the manifests of this repository, so that tests can hold
// them against Tekton's own types, against one another, against the step
// binaries and against their documentation.
package bundle

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/tektoncd/pipeline/pkg/apis/pipeline/pod"
	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	triggersv1beta1 "github.com/tektoncd/triggers/pkg/apis/triggers/v1beta1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// Root is the repository, seen from this package.
const Root = "../.."

// Object is one document of a file, decoded strictly into its own type.
type Object struct {
	File string // relative to the repository
	Kind schema.GroupVersionKind
	Name string
	// Value is a pointer to the type of Tekton's that the kind names; nil for kinds of others.
	Value any
}

// Load reads every YAML file below the given directories of the repository.
func Load(dirs ...string) ([]Object, error) {
	var objects []Object
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(Root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
				return err
			}
			name, err := filepath.Rel(Root, path)
			if err != nil {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found, err := Decode(filepath.ToSlash(name), data)
			objects = append(objects, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// podTemplate is the name of files that tkn reads and that say no kind.
const podTemplate = "pod-template.yaml"

// Decode reads the documents of one file. Fields that a type of Tekton's does
// not have are errors.
func Decode(file string, data []byte) ([]Object, error) {
	if path.Base(file) == podTemplate {
		if err := yaml.UnmarshalStrict(data, &pod.Template{}); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return nil, nil
	}
	var objects []Object
	for doc := range bytes.SplitSeq(data, []byte("\n---\n")) {
		var meta struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Name         string `json:"name"`
				GenerateName string `json:"generateName"`
			} `json:"metadata"`
		}
		if err := yaml.Unmarshal(doc, &meta); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if meta.Kind == "" {
			return nil, fmt.Errorf("%s: a document has no kind", file)
		}
		object := Object{File: file, Kind: schema.FromAPIVersionAndKind(meta.APIVersion, meta.Kind), Name: meta.Metadata.Name + meta.Metadata.GenerateName}
		object.Value = newValue(object.Kind)
		if object.Value != nil {
			if err := yaml.UnmarshalStrict(doc, object.Value); err != nil {
				return nil, fmt.Errorf("%s: %s %s: %w", file, meta.Kind, object.Name, err)
			}
		} else if strings.HasSuffix(object.Kind.Group, "tekton.dev") {
			return nil, fmt.Errorf("%s: %s is no kind that this bundle uses", file, object.Kind)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func newValue(kind schema.GroupVersionKind) any {
	switch kind {
	case schema.GroupVersionKind{Group: "tekton.dev", Version: "v1", Kind: "Task"}:
		return &pipelinev1.Task{}
	case schema.GroupVersionKind{Group: "tekton.dev", Version: "v1", Kind: "Pipeline"}:
		return &pipelinev1.Pipeline{}
	case schema.GroupVersionKind{Group: "tekton.dev", Version: "v1", Kind: "TaskRun"}:
		return &pipelinev1.TaskRun{}
	case schema.GroupVersionKind{Group: "tekton.dev", Version: "v1", Kind: "PipelineRun"}:
		return &pipelinev1.PipelineRun{}
	case schema.GroupVersionKind{Group: "triggers.tekton.dev", Version: "v1beta1", Kind: "EventListener"}:
		return &triggersv1beta1.EventListener{}
	case schema.GroupVersionKind{Group: "triggers.tekton.dev", Version: "v1beta1", Kind: "TriggerBinding"}:
		return &triggersv1beta1.TriggerBinding{}
	case schema.GroupVersionKind{Group: "triggers.tekton.dev", Version: "v1beta1", Kind: "TriggerTemplate"}:
		return &triggersv1beta1.TriggerTemplate{}
	}
	return nil
}

// Of returns the objects of one type, by name.
func Of[T any](objects []Object) map[string]*T {
	found := map[string]*T{}
	for _, object := range objects {
		if value, ok := object.Value.(*T); ok {
			found[object.Name] = value
		}
	}
	return found
}
