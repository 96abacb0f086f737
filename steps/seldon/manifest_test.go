package seldon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
)

// canary is a SeldonDeployment with two predictors that share a container's name.
const canary = `
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: news}
spec:
  predictors:
  - name: main
    replicas: 1
    traffic: 75
    graph: {name: classifier, type: MODEL}
    componentSpecs:
    - spec:
        initContainers: [{name: fetch, image: registry.example.org/fetch:1}]
        containers: [{name: classifier, image: registry.example.org/news:1}, {name: side, image: registry.example.org/side:1}]
  - name: canary
    replicas: 1
    traffic: 25
    graph: {name: classifier, type: MODEL}
    componentSpecs:
    - spec: {containers: [{name: classifier, image: registry.example.org/news:2}]}
`

const pinned = "registry.example.org/news@sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730"

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, text string) *seldon.Manifests {
	t.Helper()
	m, err := seldon.LoadManifests([]string{write(t, map[string]string{"m.yaml": text})})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// images lists the images of a SeldonDeployment as predictor/container=image.
func images(obj *unstructured.Unstructured) string {
	var out []string
	predictors, _, _ := unstructured.NestedSlice(obj.Object, "spec", "predictors")
	for _, p := range predictors {
		specs, _, _ := unstructured.NestedSlice(p.(map[string]any), "componentSpecs")
		for _, spec := range specs {
			for _, kind := range []string{"initContainers", "containers"} {
				containers, _, _ := unstructured.NestedSlice(spec.(map[string]any), "spec", kind)
				for _, c := range containers {
					c := c.(map[string]any)
					out = append(out, p.(map[string]any)["name"].(string)+"/"+c["name"].(string)+"="+c["image"].(string))
				}
			}
		}
	}
	return strings.Join(out, " ")
}

func TestPinImages(t *testing.T) {
	t.Parallel()
	m := load(t, canary)
	if err := m.PinImages(map[string]string{"classifier": pinned, "fetch": "registry.example.org/fetch:2"}); err != nil {
		t.Fatal(err)
	}
	want := "main/fetch=registry.example.org/fetch:2 main/classifier=" + pinned + " main/side=registry.example.org/side:1 canary/classifier=" + pinned
	if got := images(m.SeldonDeployments[0]); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPinImagesRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		images     map[string]string
		says, hint string
	}{
		"container that is nowhere": {map[string]string{"model": pinned}, `no container is called "model"`, "classifier, fetch, side"},
		"no image reference":        {map[string]string{"classifier": "Registry/UPPER: x"}, "image of container classifier", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := load(t, canary).PinImages(test.images)
			if step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), test.says) || !strings.Contains(step.Hint(err), test.hint) {
				t.Errorf("error %v (code %d, hint %q)", err, step.ExitCode(err), step.Hint(err))
			}
		})
	}
}

func TestLoadManifests(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"a/deploy.json": `{"apiVersion": "machinelearning.seldon.io/v1alpha2", "kind": "SeldonDeployment", "metadata": {"name": "old"},
			"spec": {"predictors": [{"name": "p", "graph": {"name": "m"}}]}}`,
		"b.yaml": canary + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n",
	})
	m, err := seldon.LoadManifests([]string{filepath.Join(dir, "a"), filepath.Join(dir, "b.yaml")})
	if err != nil || len(m.SeldonDeployments) != 2 || len(m.Others) != 1 {
		t.Errorf("got %+v, error %v; want two SeldonDeployments and a Secret", m, err)
	}
}

func TestLoadManifestsRefuses(t *testing.T) {
	t.Parallel()
	deployment := func(version, spec string) string {
		return "apiVersion: machinelearning.seldon.io/" + version + "\nkind: SeldonDeployment\nmetadata: {name: a}\nspec: " + spec + "\n"
	}
	tests := map[string]struct{ text, says string }{
		"none":                     {"{apiVersion: v1, kind: Secret, metadata: {name: s}}", "no SeldonDeployment among 1 objects"},
		"version":                  {deployment("v2", "{predictors: [{name: p, graph: {name: m}}]}"), "version v2 is not known"},
		"no predictors":            {deployment("v1", "{}"), "no spec.predictors"},
		"predictor without name":   {deployment("v1", "{predictors: [{graph: {name: m}}]}"), "spec.predictors[0] has no name"},
		"two of a name":            {deployment("v1", "{predictors: [{name: p, graph: {name: m}}, {name: p, graph: {name: m}}]}"), "two predictors are called p"},
		"no graph":                 {deployment("v1", "{predictors: [{name: p}]}"), "predictor p has no graph"},
		"wrong shape":              {deployment("v1", "{predictors: {name: p}}"), "is not understood"},
		"no image reference":       {deployment("v1", "{predictors: [{name: p, graph: {name: m}, componentSpecs: [{spec: {containers: [{name: m, image: 'A B'}]}}]}]}"), `container m: image "A B"`},
		"a template left as it is": {"a: {{ .Values.b }}", "m.yaml"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := seldon.LoadManifests([]string{write(t, map[string]string{"m.yaml": test.text})})
			if step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v (code %d), want %q, code 2", err, step.ExitCode(err), test.says)
			}
		})
	}
}

func TestSameImage(t *testing.T) {
	t.Parallel()
	const digest = "@sha256:7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730"
	const other = "@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	tests := []struct {
		asked, runs string
		want        bool
	}{
		{"a:1", "a:1", true},
		{"a", "docker.io/library/a:latest", true},
		{"a:1", "a:2", false},
		{"a:1", "b:1", false},
		{"a:1", "a:1" + digest, true},
		{"a:1" + digest, "a" + digest, true},
		{"a" + digest, "a:1", false},
		{"a" + digest, "a" + other, false},
		{"a" + digest, "b" + digest, false},
		{"not an image", "a", false},
	}
	for _, test := range tests {
		if got := seldon.SameImage(test.asked, test.runs); got != test.want {
			t.Errorf("asked %s, runs %s: %v, want %v", test.asked, test.runs, got, test.want)
		}
	}
}
