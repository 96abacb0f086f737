package kube_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want []string // of each object, or of the error
	}{
		"documents, empty ones and comments": {"---\n# nothing\n---\n{apiVersion: v1, kind: A, metadata: {name: a}}\n---\n\n---\n{apiVersion: v1, kind: B, metadata: {name: b, namespace: ns}}\n", []string{"A a", "B ns/b"}},
		"list":                               {"{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: A, metadata: {name: a}}, {apiVersion: v1, kind: A, metadata: {name: b}}]}", []string{"A a", "A b"}},
		"JSON indented with tabs":            {"{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"A\",\n\t\"metadata\": {\"name\": \"a\"}\n}", []string{"A a"}},
		"generated name":                     {"{apiVersion: v1, kind: A, metadata: {generateName: a-}}", []string{"A a-*"}},
		"error: no kind":                     {"a: 1", []string{"m.yaml: document 1: has no apiVersion and kind"}},
		"error: no name":                     {"{apiVersion: v1, kind: A}\n", []string{"A has no metadata.name"}},
		"error: namespace is a truth value":  {"{apiVersion: v1, kind: A, metadata: {name: a, namespace: no}}", []string{"metadata.namespace is no text"}},
		"error: text":                        {"hello", []string{"is no object"}},
		"error: key given twice":             {"apiVersion: v1\nkind: A\nkind: B\n", []string{"already set"}},
		"error: template left over":          {"{apiVersion: v1, kind: A, metadata: {name: a}}\n---\nx: {{ .Values.y }}\n", []string{"document 2"}},
		"JSON texts":                         {jsonObject("a") + "\n" + jsonObject("b") + jsonObject("c") + "\n", []string{"A a", "A b", "A c"}},
		"JSON and YAML documents":            {jsonObject("a") + "\n---\n{apiVersion: v1, kind: B, metadata: {name: b}}", []string{"A a", "B b"}},
		"JSON and a comment":                 {jsonObject("a") + "\n# the end\n", []string{"A a"}},
		"braces in a text":                   {"apiVersion: v1\nkind: A\nmetadata: {name: a}\ndata:\n  b: |\n    {c}\n    ...\n    {d}\n", []string{"A a"}},
		"end of a document is marked":        {"# first\n{apiVersion: v1, kind: A, metadata: {name: a}}\n...\n---\n{apiVersion: v1, kind: B, metadata: {name: b}}\n...\n", []string{"A a", "B b"}},
		"error: JSON and another text":       {jsonObject("a") + "\nand more", []string{"document 1: "}},
		"error: JSON cut short":              {jsonObject("a") + "\n{\"apiVersion\": ", []string{"document 1: "}},
		"error: second JSON text":            {jsonObject("a") + "\n{\"a\": 1}", []string{"document 1: JSON text 2: has no apiVersion and kind"}},
		"error: JSON text that is no object": {jsonObject("a") + "\n1", []string{"JSON text 2: is no object"}},
		"error: JSON and YAML unparted":      {jsonObject("a") + "\n{apiVersion: v1, kind: B, metadata: {name: b}}", []string{"something follows"}},
		"error: YAML unparted":               {"# both\n{apiVersion: v1, kind: A, metadata: {name: a}}\n{apiVersion: v1, kind: B, metadata: {name: b}}", []string{"something follows"}},
		"error: YAML after the marked end":   {"apiVersion: v1\nkind: A\nmetadata: {name: a}\n...\napiVersion: v1\nkind: B\nmetadata: {name: b}\n", []string{"something follows"}},
		"error: second list item's name":     {"{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: A, metadata: {name: a}}, {apiVersion: v1, kind: B}]}", []string{"B has no metadata.name"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objs, err := kube.Decode([]byte(test.text), "m.yaml")
			if strings.HasPrefix(name, "error") {
				if step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), test.want[0]) {
					t.Errorf("error %v (code %d), want %q, code 2", err, step.ExitCode(err), test.want[0])
				}
				return
			}
			var got []string
			for _, obj := range objs {
				got = append(got, kube.Ref(obj))
			}
			if err != nil || strings.Join(got, ",") != strings.Join(test.want, ",") {
				t.Errorf("got %v, error %v; want %v", got, err, test.want)
			}
		})
	}
}

func jsonObject(name string) string {
	return `{"apiVersion": "v1", "kind": "A", "metadata": {"name": "` + name + `"}}`
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: A, metadata: {name: a}}]}"))
	f.Add([]byte("a: &a [*a]\n---\n{}\n"))
	f.Add([]byte("{\"apiVersion\":1,\"kind\":[],\"metadata\":null}"))
	f.Add([]byte("{apiVersion: v1, kind: A, metadata: []}"))
	f.Add([]byte(jsonObject("a") + jsonObject("b") + "null"))
	f.Add([]byte("{a: b}\n...\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		objs, err := kube.Decode(data, "m.yaml")
		if err != nil {
			return
		}
		for _, obj := range objs {
			if obj.GetKind() == "" || obj.GetAPIVersion() == "" || obj.GetName()+obj.GetGenerateName() == "" {
				t.Errorf("an object without kind, version or name came through: %v", obj.Object)
			}
		}
	})
}

func TestLoadDirStaysInside(t *testing.T) {
	t.Parallel()
	outside, dir := t.TempDir(), t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(outside, "secret.yaml"), "{apiVersion: v1, kind: Secret, metadata: {name: stolen}}")
	write(filepath.Join(dir, "b.yml"), "{apiVersion: v1, kind: B, metadata: {name: b}}")
	write(filepath.Join(dir, "a/a.json"), `{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}`)
	write(filepath.Join(dir, ".git/x.yaml"), "not: ours")
	write(filepath.Join(dir, "README.md"), "text")
	write(filepath.Join(dir, "kustomization.yaml"), "resources: [b.yml]")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	objs, err := kube.LoadDir(root, ".")
	if err != nil || len(objs) != 2 || kube.Ref(objs[0]) != "A a" {
		t.Fatalf("got %d objects, error %v; want A and B", len(objs), err)
	}
	if err := os.Symlink(filepath.Join(outside, "secret.yaml"), filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := kube.LoadDir(root, "."); step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), "leads out") {
		t.Errorf("a link out of the directory gives error %v (code %d)", err, step.ExitCode(err))
	}
}

func TestNewClientWithoutItsFile(t *testing.T) {
	t.Parallel()
	_, err := kube.NewClient(kube.Options{Kubeconfig: filepath.Join(t.TempDir(), "none")})
	if step.ExitCode(err) != step.ExitInvalid || step.Hint(err) == "" {
		t.Errorf("error %v, want code 2 with a hint", err)
	}
}
