package checks

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// bare is a node without what nothing is done with.
type bare struct {
	Kind             yaml.Kind
	Tag, Value, Anch string
	Line, Column     int
	Content          []bare
}

func bareOf(n *yaml.Node) bare {
	p := bare{Kind: n.Kind, Tag: n.ShortTag(), Value: n.Value, Anch: n.Anchor, Line: n.Line, Column: n.Column}
	for _, c := range n.Content {
		p.Content = append(p.Content, bareOf(c))
	}
	return p
}

// sameInParts demands that parts, where they can be read, are the whole.
func sameInParts(t *testing.T, data []byte, parts int) (split bool) {
	t.Helper()
	root := readSplit(data, parts)
	if root == nil {
		return false
	}
	whole := oneDocument(bytes.NewReader(data))
	if whole == nil {
		t.Fatalf("in %d parts it is a document, whole it is none:\n%s", parts, data)
	}
	if !reflect.DeepEqual(bareOf(root), bareOf(whole)) {
		t.Fatalf("in %d parts it is\n%+v\nwhole\n%+v\nof\n%s", parts, bareOf(root), bareOf(whole), data)
	}
	return true
}

// splits are texts, and whether they can be read in parts.
var splits = map[string]struct {
	text  string
	split bool
}{
	"the usual form":          {"kind: X\nchecks:\n- a: 1\n- b: [1, 2]\n- c: {d: 3}\n", true},
	"indented":                {"kind: X\nchecks:\n  - a: 1\n    e: 2\n  - b: [1, 2]\n  - c: 3\n", true},
	"lists in items":          {"checks:\n- a:\n  - 1\n  - 2\n- b:\n  - 3\n", true},
	"comments":                {"checks:\n# - not: this\n\n- a: 1 # one\n# - b: 2\n- c: 3\n", true},
	"an alias in its part":    {"checks:\n- a: &x 1\n  aa: *x\n- b: &x 2\n  bb: *x\n", true},
	"a block of text":         {"checks:\n- a: |\n    - x\n    - y\n- b: >-\n    - z\n", true},
	"an alias to another one": {"checks:\n- a: &x 1\n- b: *x\n- c: *x\n", false},
	"an alias to the head":    {"d: &x 1\nchecks:\n- b: *x\n- c: *x\n", false},
	"a text over lines":       {"checks:\n- a: \"x\n- b: y\"\n- c: 1\n", false},
	"brackets over lines":     {"checks:\n- a: [x,\n- b]\n- c: 1\n", false},
	"something after":         {"checks:\n- a: 1\n- b: 2\nkind: X\n", false},
	"indented, with more":     {"checks:\n  - a: 1\n  - b: 2\nkind: X\n", false},
	"a second document":       {"checks:\n- a: 1\n- b: 2\n---\n- c: 3\n", false},
	"an end":                  {"checks:\n- a: 1\n...\n- b: 2\n", false},
	"no list":                 {"checks:\n  a: 1\n", false},
	"a flow list":             {"checks: [a, b]\n", false},
	"the key in a text":       {"x: \"\nchecks:\n- a: 1\n- b: 2\"\n", false},
	"twice":                   {"checks:\n- a: 1\nchecks:\n- b: 1\n", false},
	"other line ends":         {"checks:\r\n- a: 1\r\n- b: 2\r\n", false},
	"no items":                {"checks:\n", false},
}

func TestReadSplit(t *testing.T) {
	t.Parallel()
	for name, tc := range splits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameInParts(t, []byte(tc.text), 2)
			if got := sameInParts(t, []byte(tc.text), 4); got != tc.split {
				t.Errorf("in 4 parts: read %v, want %v", got, tc.split)
			}
		})
	}
}

// TestLongFile: a long file is read in parts, and problems name the right line.
func TestLongFile(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("apiVersion: model-delivery.dev/v1\nkind: PredictionChecks\nchecks:\n")
	for i := range 3000 {
		fmt.Fprintf(&b, "- name: golden %d\n  request: {data: {ndarray: [[%d, 1]]}}\n", i, i)
	}
	b.WriteString("- name: the last one\n  rekwest: {}\n- name: golden 7\n  request: {data: {ndarray: [1]}}\n")
	path := filepath.Join(t.TempDir(), "checks.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if b.Len() < splitFrom || !sameInParts(t, []byte(b.String()), 4) {
		t.Fatalf("%d bytes were not read in parts", b.Len())
	}
	_, err := Read(path)
	for _, want := range []string{"checks.yaml:6005:", "checks[3000].rekwest", "checks[3001]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read() = %v, want %q", err, want)
		}
	}
}

func FuzzReadSplit(f *testing.F) {
	for _, tc := range splits {
		f.Add([]byte(tc.text), 2)
	}
	f.Fuzz(func(t *testing.T, data []byte, parts int) {
		sameInParts(t, data, max(parts%5, 2))
	})
}
