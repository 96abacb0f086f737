package pin_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/model-delivery/model-delivery/steps/gitops/pin"
	"github.com/model-delivery/model-delivery/steps/gitops/source"
	"github.com/model-delivery/model-delivery/steps/step"
)

const digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// Each edit by the lines that change: every other byte stays. In before and
// after # is the digest.
func TestApply(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, file, pin, before, after string }{
		{"a SeldonDeployment, with comments and an odd style", "model.yaml", "classifier=r/news@#",
			"# The model.\nkind:   SeldonDeployment\nspec:\n  predictors:\n  - componentSpecs:\n    - spec:\n        containers:\n        - name: classifier\n          image: \"news:dev\"   # set when promoted\n\n        - {image: 'other:1', name: sidecar}\n",
			"# The model.\nkind:   SeldonDeployment\nspec:\n  predictors:\n  - componentSpecs:\n    - spec:\n        containers:\n        - name: classifier\n          image: \"r/news@#\"   # set when promoted\n\n        - {image: 'other:1', name: sidecar}\n"},
		{"Windows' ends of lines, no end at the end", "d.yaml", "r/news@#",
			"kind: Deployment\r\nspec: {template: {spec: {containers: [{name: a, image: r/news:1}]}}}\r\n# end",
			"kind: Deployment\r\nspec: {template: {spec: {containers: [{name: a, image: r/news@#}]}}}\r\n# end"},
		{"a byte order mark and letters of two bytes", "d.yaml", "a=r/news:2@#",
			"\ufeffkind: Pod # ä\nspec:\n  containers: [{näme: ü, name: a, image: x}] # ß\n",
			"\ufeffkind: Pod # ä\nspec:\n  containers: [{näme: ü, name: a, image: r/news:2@#}] # ß\n"},
		{"JSON", "d.json", "a=r/news@#", `{"spec":{"containers":[{"image":"x","name":"a"}]}}`, `{"spec":{"containers":[{"image":"r/news@#","name":"a"}]}}`},
		{"the second document", "d.yaml", "b=r/news@#", "---\nspec: {containers: [{name: a, image: x}]}\n---\nspec: {containers: [{name: b, image: x}]}\n...\n", "---\nspec: {containers: [{name: a, image: x}]}\n---\nspec: {containers: [{name: b, image: r/news@#}]}\n...\n"},
		{"an init container", "d.yaml", "a=r/news@#", "spec:\n  initContainers:\n  - image: x\n    name: a\n", "spec:\n  initContainers:\n  - image: r/news@#\n    name: a\n"},
		{"an anchor, once", "d.yaml", "a=r/news@#", "x: &i x:1\nspec: {containers: [{name: a, image: *i}, {name: a, image: *i}]}\n", "x: &i r/news@#\nspec: {containers: [{name: a, image: *i}, {name: a, image: *i}]}\n"},
		{"a tag before the value", "d.yaml", "a=r/news@#", "spec: {containers: [{name: a, image: !!str x}]}\n", "spec: {containers: [{name: a, image: !!str r/news@#}]}\n"},
		{"a kustomization gets a digest", "kustomization.yaml", "news=r/news@#", "images:\n- name: news # of the chart\n  newTag: v1 # goes\nresources: []\n", "images:\n- digest: #\n  newName: r/news\n  name: news # of the chart\nresources: []\n"},
		{"a kustomization has a digest", "kustomization.yaml", "news=r/news@#", "images: [{name: news, newName: x, digest: sha256:0}]\n", "images: [{name: news, newName: r/news, digest: #}]\n"},
		{"a value of a chart", "values.yaml", "values.yaml:model.image=r/news@#", "model:\n  image: x # y\n  containers: 1\n", "model:\n  image: r/news@# # y\n  containers: 1\n"},
		{"a value in parts", "values.yaml", "values.yaml:image=r/news:2@#", "image:\n  repository: x\n  tag: '1'\n  digest: \"\"\n", "image:\n  repository: r/news\n  tag: '2'\n  digest: \"#\"\n"},
		{"a value in parts without a digest", "values.yaml", "values.yaml:image=r/news:2@#", "image: {repository: x, tag: 1}\n", "image: {repository: r/news, tag: 2@#}\n"},
		{"a value with a registry", "values.yaml", "values.yaml:image=r.example/a/news@#", "image:\n  registry: x\n  repository: y\n  digest: z\n", "image:\n  registry: r.example\n  repository: a/news\n  digest: #\n"},
		{"a parameter of an Application", "app.yaml", "image=r/news@#", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: {source: {helm: {parameters: [{name: image, value: x}, {name: other, value: y}]}}}\n", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: {source: {helm: {parameters: [{name: image, value: r/news@#}, {name: other, value: y}]}}}\n"},
		{"an image of an Application's kustomization", "app.yaml", "news=r/news@#", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  sources:\n  - kustomize:\n      images:\n      - news=x:1\n", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  sources:\n  - kustomize:\n      images:\n      - news=r/news@#\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, err := pin.Parse(strings.ReplaceAll(tc.pin, "#", digest))
			if err != nil {
				t.Fatal(err)
			}
			files := []source.File{{Path: tc.file, Data: []byte(tc.before)}}
			out, err := pin.Apply(files, []pin.Pin{p})
			if err != nil {
				t.Fatal(err)
			}
			// A # alone is the digest; before a space it begins a comment.
			want := strings.NewReplacer("@#", "@"+digest, "digest: #", "digest: "+digest, "\"#\"", "\""+digest+"\"").Replace(tc.after)
			if got := string(out[0].Data); got != want {
				t.Errorf("got\n%q\nwant\n%q", got, want)
			}
			if string(files[0].Data) != tc.before {
				t.Error("the file itself was changed")
			}
			again, err := pin.Apply(out, []pin.Pin{p})
			if err != nil || !bytes.Equal(again[0].Data, out[0].Data) {
				t.Errorf("a second time: %+v, %v", again, err)
			}
		})
	}
}

func TestRefusedPins(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"r/news", "r/news:1", "r/news@sha256:abc", "r/news@" + strings.ToUpper(digest), "a=R/N@" + digest, ":k=r/news@" + digest, "f:a..b=r/news@" + digest, "a=r/x\n@" + digest, ""} {
		if p, err := pin.Parse(text); step.ExitCode(err) != step.ExitInvalid {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
	p, err := pin.Parse("a=r/news@" + digest)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nobody takes it":       "spec: {containers: [{name: b, image: x}]}\n",
		"a block of text":       "spec: {containers: [{name: a, image: |\n  x\n  }]}\n",
		"a folded block":        "spec:\n  containers:\n  - name: a\n    image: >-\n      x\n",
		"no image":              "spec: {containers: [{name: a}]}\n",
		"an image that is none": "spec: {containers: [{name: a, image: [x]}]}\n",
	} {
		if out, err := pin.Apply([]source.File{{Path: "a.yaml", Data: []byte(text)}}, []pin.Pin{p}); step.ExitCode(err) != step.ExitInvalid {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
}

// FuzzApply: whatever YAML comes in, what goes out is the same but for the
// images, value by value and comment by comment.
func FuzzApply(f *testing.F) {
	for _, seed := range []string{
		"spec: {containers: [{name: a, image: x}]}\n", "# c\r\nspec:\r\n  containers:\r\n  - image: \"x\" # y\r\n    name: a\r\n",
		"a: &x y\nspec:\n  containers:\n  - {name: a, image: *x}\n", "\ufeffspec: {containers: [{name: a, image: 'it''s'}]}", "---\n---\nspec: {containers: [{name: a, image: !!str x}]}\n...\n",
		"\"spec\": {\"containers\": [{\"name\": \"a\",\n\"image\": \"x\\\n  y\"}]}", "spec:\n  containers:\n  - name: a\n    image: &b x:1\n    other: *b\n", "? spec\n: containers:\n  - ? name\n    : a\n    ? image\n    : x\n",
		"images:\n- name: a\n  newTag: 1\n", "images: [{newTag: x, name: a}]\n", "spec: {containers: [{name: a, image: x\u2028}]}\n",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	p, err := pin.Parse("a=r/news@" + digest)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, kustomization bool) {
		name := "a.yaml"
		if kustomization {
			name = "kustomization.yaml"
		}
		out, err := pin.Apply([]source.File{{Path: name, Data: []byte(text)}}, []pin.Pin{p})
		if err != nil {
			return
		}
		before, after := values(t, text), values(t, string(out[0].Data))
		if len(before) != len(after) {
			t.Fatalf("%d documents became %d", len(before), len(after))
		}
		for i := range before {
			if !same(before[i], after[i]) {
				t.Errorf("%q became %q", text, out[0].Data)
			}
		}
		if got, want := strings.Count(string(out[0].Data), "#"), strings.Count(text, "#"); got < want && !kustomization {
			t.Errorf("a comment went: %q became %q", text, out[0].Data)
		}
		again, err := pin.Apply(out, []pin.Pin{p})
		if err != nil || !bytes.Equal(again[0].Data, out[0].Data) {
			t.Errorf("a second time %q became %+v, %v", out[0].Data, again, err)
		}
	})
}

func values(t *testing.T, text string) []any {
	t.Helper()
	nodes, err := source.Documents([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var out []any
	for _, node := range nodes {
		out = append(out, value(node, 0))
	}
	return out
}

// value is a node without where it is.
func value(node *yaml.Node, depth int) any {
	if node.Kind == yaml.AliasNode {
		return "*" + node.Value
	}
	if len(node.Content) == 0 || depth > 1000 {
		return node.Value
	}
	var out []any
	for _, child := range node.Content {
		out = append(out, value(child, depth+1))
	}
	return out
}

// same compares values; where the second has what was pinned, and in a mapping
// one more or less of a kustomization's keys, the first may have anything.
func same(a, b any) bool {
	if text, ok := b.(string); ok && (strings.Contains(text, digest) || text == "r/news") {
		_, ok := a.(string)
		return ok
	}
	x, okX := a.([]any)
	y, okY := b.([]any)
	if !okX || !okY {
		return reflect.DeepEqual(a, b)
	}
	x, y = without(x), without(y)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if !same(x[i], y[i]) {
			return false
		}
	}
	return true
}

func without(list []any) []any {
	var out []any
	for i := 0; i < len(list); i++ {
		if key, ok := list[i].(string); ok && i+1 < len(list) && (key == "newName" || key == "newTag" || key == "digest") {
			i++
			continue
		}
		out = append(out, list[i])
	}
	return out
}
