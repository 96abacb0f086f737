package bundle_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	triggersv1beta1 "github.com/tektoncd/triggers/pkg/apis/triggers/v1beta1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/bundle"
)

// TestManifestsOfPages: Tekton takes the manifests that pages show, and what
// they refer to, also through resolvers, exists and gets what it asks for.
func TestManifestsOfPages(t *testing.T) {
	t.Parallel()
	tasks := bundle.Of[pipelinev1.Task](load(t, "tasks"))
	shown := 0
	for _, p := range pages(t) {
		for _, block := range p.blocks {
			if strings.HasPrefix(block, "apiVersion: networking.k8s.io/") {
				if err := yaml.UnmarshalStrict([]byte(block), &networkingv1.NetworkPolicy{}); err != nil {
					t.Errorf("%s: %v", p.file, err)
				}
			}
			if !strings.HasPrefix(block, "apiVersion: tekton.dev/") {
				continue
			}
			objects, err := bundle.Decode(p.file, []byte(block))
			if err != nil {
				t.Error(err)
				continue
			}
			for _, object := range objects {
				shown++
				validate(t, object)
				switch value := object.Value.(type) {
				case *pipelinev1.TaskRun:
					task := taskOf(t, p.file, tasks, value.Spec.TaskRef)
					pt := pipelinev1.PipelineTask{Params: value.Spec.Params}
					for _, w := range value.Spec.Workspaces {
						pt.Workspaces = append(pt.Workspaces, pipelinev1.WorkspacePipelineTaskBinding{Name: w.Name})
					}
					checkParams(t, p.file, task, pt, nil)
					checkWorkspaces(t, p.file, task, pt)
				case *pipelinev1.Pipeline:
					for _, pt := range value.Spec.Tasks {
						task := taskOf(t, p.file, tasks, pt.TaskRef)
						checkParams(t, p.file, task, pt, nil)
						checkWorkspaces(t, p.file, task, pt)
					}
				default:
					t.Errorf("%s: %s %s is not held against anything", p.file, object.Kind.Kind, object.Name)
				}
			}
		}
	}
	if shown < 3 {
		t.Errorf("the pages show %d manifests", shown)
	}
}

// taskOf is the Task that a reference leads to, by its name or by a resolver.
func taskOf(t *testing.T, where string, tasks map[string]*pipelinev1.Task, ref *pipelinev1.TaskRef) *pipelinev1.Task {
	t.Helper()
	name := ref.Name
	for _, p := range ref.Params {
		switch {
		case p.Name == "name":
			name = p.Value.StringVal
		case p.Name == "pathInRepo":
			if _, err := os.Stat(filepath.Join(bundle.Root, p.Value.StringVal)); err != nil {
				t.Errorf("%s: %v", where, err)
			}
			name = strings.TrimSuffix(filepath.Base(p.Value.StringVal), ".yaml")
		case p.Name == "kind" && p.Value.StringVal != "task":
			t.Errorf("%s: a resolver gets the kind %s", where, p.Value.StringVal)
		}
	}
	task, ok := tasks[name]
	if !ok {
		t.Fatalf("%s: there is no Task %q", where, name)
	}
	return task
}

// TestBundleFits: Tekton reads at most 20 objects of a bundle.
func TestBundleFits(t *testing.T) {
	t.Parallel()
	files := 0
	for _, pattern := range []string{"tasks/*/*.yaml", "pipelines/*/*.yaml"} {
		found, err := filepath.Glob(filepath.Join(bundle.Root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			objects, err := bundle.Decode(file, data)
			if err != nil || len(objects) != 1 {
				t.Errorf("%s has %d objects, %v; one is wanted", file, len(objects), err)
			}
			files += len(objects)
		}
	}
	if files == 0 || files > 20 {
		t.Errorf("there are %d objects for a bundle, and Tekton reads 20", files)
	}
}

// TestSettingsAreExplained: the triggers' README has every setting, and the
// settings of all forges are the same.
func TestSettingsAreExplained(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(bundle.Root, "triggers", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var first []string
	for _, forge := range []string{"gitea", "github"} {
		binding := bundle.Of[triggersv1beta1.TriggerBinding](load(t, "triggers/"+forge))["model-delivery-settings"]
		if binding == nil {
			t.Errorf("triggers/%s has no settings", forge)
			continue
		}
		var names []string
		for _, p := range binding.Spec.Params {
			names = append(names, p.Name)
			if !strings.Contains(string(readme), "`"+p.Name+"`") {
				t.Errorf("triggers/README.md says nothing of the setting %s", p.Name)
			}
		}
		if first == nil {
			first = names
		}
		if !slices.Equal(names, first) {
			t.Errorf("triggers/%s has the settings %v, another forge %v", forge, names, first)
		}
	}
}
