//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/test/delivery"
)

// The images that the tests of Tasks name, which this platform has elsewhere.
const (
	builderInTests = "registry.example.org/model-delivery/model-builder:0.1.0"
	dindInTests    = "docker.io/library/docker:29.7.2-dind"
)

// TestTasksByTheirOwnTests runs what is in the folder tests of each Task, as
// somebody would by hand: the objects first, then the run.
func TestTasksByTheirOwnTests(t *testing.T) {
	s := connect(t)
	values := settings(t, s)
	runs, err := filepath.Glob(filepath.Join(root, "tasks", "*", "tests", "run.yaml"))
	if err != nil || len(runs) == 0 {
		t.Fatalf("there are no tests of Tasks: %v", err)
	}
	for _, file := range runs {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(file))), func(t *testing.T) {
			t.Parallel()
			others, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			for _, other := range others {
				if other != file {
					install(t, s, here(t, other, values))
				}
			}
			run := &pipelinev1.PipelineRun{}
			if err := yaml.UnmarshalStrict(here(t, file, values), run); err != nil {
				t.Fatal(err)
			}
			fit(run.Spec.PipelineSpec, values)
			client := s.Runs.Tekton.TektonV1().PipelineRuns(delivery.RunNamespace)
			made, err := client.Create(t.Context(), run, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := client.Delete(cleanup(t), made.Name, metav1.DeleteOptions{}); err != nil {
					t.Error(err)
				}
			})
			if done, _ := finish(t, s, made.Name); !done.IsSuccessful() {
				t.Error(failure(t, s, done))
			}
		})
	}
}

// here is a file of a test, with this platform's images.
func here(t *testing.T, file string, values map[string]string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.ReplaceAll(data, []byte(builderInTests), []byte(values["builder-image"]))
	return bytes.ReplaceAll(data, []byte(dindInTests), []byte(values["dind-image"]))
}

// fit gives tasks the params in which this platform differs from one with public
// registries, where the test says that they matter by setting them to nothing.
func fit(spec *pipelinev1.PipelineSpec, values map[string]string) {
	for _, task := range spec.Tasks {
		for i, param := range task.Params {
			if value, ok := values[param.Name]; ok && param.Value.StringVal == "" && strings.Contains(param.Name, "-") {
				task.Params[i].Value = *pipelinev1.NewStructuredValues(value)
			}
		}
	}
}

// install creates objects, which go with the test.
func install(t *testing.T, s *delivery.Session, manifests []byte) {
	t.Helper()
	objects, err := kube.Decode(manifests, "tests")
	if err != nil {
		t.Fatal(err)
	}
	client, err := kube.NewClientForConfig(s.Config, delivery.RunNamespace)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		resource, err := client.Resource(object.GroupVersionKind(), delivery.RunNamespace)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := resource.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := resource.Delete(cleanup(t), object.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				t.Error(err)
			}
		})
	}
}
