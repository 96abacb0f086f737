package checks

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// bare is a node without what nothing is done with.
type bare struct {
	Kind             yaml.Kind
	Tag, Value, Anch string
	Line, Column     int
	Content          []bare
}

// bareOf is a node of a text that begins after so many lines of another one.
func bareOf(n *yaml.Node, lines int) bare {
	p := bare{Kind: n.Kind, Tag: n.ShortTag(), Value: n.Value, Anch: n.Anchor, Line: n.Line + lines, Column: n.Column}
	for _, c := range n.Content {
		p.Content = append(p.Content, bareOf(c, lines))
	}
	return p
}

// joined is the document that parts are; nil: they are none.
func joined(data []byte, n int) *bare {
	p, ok := split(data, n)
	if !ok {
		return nil
	}
	root := p.head()
	if root == nil {
		return nil
	}
	out := bareOf(root, 0)
	for i := range p.count() {
		list, lines := p.list(i)
		if list == nil {
			return nil
		}
		if part := bareOf(list, lines); i == 0 {
			out.Content[len(out.Content)-1] = part
		} else {
			all := &out.Content[len(out.Content)-1].Content
			*all = append(*all, part.Content...)
		}
	}
	return &out
}

// sameInParts demands that parts, where they can be read, are the whole.
func sameInParts(t *testing.T, data []byte, n int) (split bool) {
	t.Helper()
	parts := joined(data, n)
	if parts == nil {
		return false
	}
	whole := oneDocument(data)
	if whole == nil {
		t.Fatalf("in %d parts it is a document, whole it is none:\n%s", n, data)
	}
	if whole := bareOf(whole, 0); !reflect.DeepEqual(*parts, whole) {
		t.Fatalf("in %d parts it is\n%+v\nwhole\n%+v\nof\n%s", n, *parts, whole, data)
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

func TestSplit(t *testing.T) {
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

// longFile is a file of checks that is read in parts.
func longFile() string {
	var b strings.Builder
	b.WriteString("apiVersion: model-delivery.dev/v1\nkind: PredictionChecks\ndefaults: {timeout: 1s}\nchecks:\n")
	for i := range 3000 {
		fmt.Fprintf(&b, "- name: golden %d\n  request: {data: {ndarray: [[%d, 1]]}}\n", i, i)
	}
	return b.String()
}

// TestLongFile: in parts and whole, a long file gives the same.
func TestLongFile(t *testing.T) {
	t.Parallel()
	data := []byte(longFile())
	parts := newReader("checks.yaml", ".").inParts(data)
	if parts == nil {
		t.Fatalf("%d bytes were not read in parts", len(data))
	}
	// The key with a space after it is not looked for.
	whole, problems := Parse("checks.yaml", ".", bytes.Replace(data, []byte("checks:\n"), []byte("checks: \n"), 1))
	if problems != nil {
		t.Fatal(problems)
	}
	whole.Digest = parts.Digest
	if !reflect.DeepEqual(parts, whole) {
		t.Errorf("in parts %+v, whole %+v", parts, whole)
	}
	if last := parts.Checks[2999]; last.Line != 6003 || last.Timeout != time.Second {
		t.Errorf("the last check is of line %d with a timeout of %s", last.Line, last.Timeout)
	}
}

// TestLongFileWithProblems: problems name the right line and check.
func TestLongFileWithProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		more string
		want []string
	}{
		"in a check":         {"- name: the last one\n  rekwest: {}\n", []string{"checks.yaml:6006:", "checks[3000].rekwest"}},
		"between two checks": {"- name: golden 7\n  request: {data: {ndarray: [1]}}\n", []string{"checks.yaml:6005:1", "checks[3000]", "line 19"}},
		"in the YAML":        {"- name: [\n", []string{"checks.yaml:6005:1: not YAML"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := Parse("checks.yaml", ".", []byte(longFile()+tc.more))
			for _, want := range tc.want {
				if !strings.Contains(problems.Error(), want) {
					t.Errorf("Parse() = %v, want %q", problems, want)
				}
			}
		})
	}
}

func FuzzSplit(f *testing.F) {
	for _, tc := range splits {
		f.Add([]byte(tc.text), 2)
	}
	f.Fuzz(func(t *testing.T, data []byte, parts int) {
		sameInParts(t, data, max(parts%5, 2))
	})
}
