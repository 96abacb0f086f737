package checks

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds how large a file may become when its aliases are followed.
const maxNodes = 2_000_000

// maxDepth bounds how deeply a file is nested.
const maxDepth = 200

// reader turns YAML nodes into checks and gathers problems.
type reader struct {
	file     string
	dir      string
	problems Problems
	// nodes counts what was visited; readers of parts of one file share it.
	nodes *atomic.Int64
	// expanding are the aliases that are being followed.
	expanding []*yaml.Node
}

func newReader(file, dir string) *reader {
	return &reader{file: file, dir: dir, nodes: &atomic.Int64{}}
}

func (r *reader) problem(n *yaml.Node, where, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		return
	}
	p := Problem{File: r.file, Where: where, What: fmt.Sprintf(format, args...)}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	r.problems = append(r.problems, p)
}

// resolve follows an alias; nil when it leads nowhere good.
func (r *reader) resolve(n *yaml.Node, where string) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if visited := r.nodes.Add(1); visited > maxNodes {
		if visited == maxNodes+1 {
			r.problem(n, where, "the file becomes too large when its aliases are followed")
		}
		return nil
	}
	return n
}

// each visits the fields of a mapping. visit returns false for a field that it
// does not know; known lists those it does.
func (r *reader) each(n *yaml.Node, where string, known []string, visit func(key string, v *yaml.Node) bool) bool {
	n = r.resolve(n, where)
	if n == nil {
		return false
	}
	if n.Kind != yaml.MappingNode {
		r.problem(n, where, "is %s; a mapping with %s is needed", describe(n), strings.Join(known, ", "))
		return false
	}
	for _, active := range r.expanding {
		if active == n {
			r.problem(n, where, "contains itself through an alias")
			return false
		}
	}
	r.expanding = append(r.expanding, n)
	defer func() { r.expanding = r.expanding[:len(r.expanding)-1] }()
	if len(r.expanding) > maxDepth {
		r.problem(n, where, "is nested too deeply")
		return false
	}
	if len(n.Content) > 200 {
		r.problem(n, where, "has %d fields; known are %s", len(n.Content)/2, strings.Join(known, ", "))
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			r.problem(key, where, "a key is not plain text; merge keys (<<) are not read")
			continue
		}
		if repeated(n, i) {
			r.problem(key, join(where, key.Value), "is given twice")
			continue
		}
		if !visit(key.Value, n.Content[i+1]) {
			r.problem(key, join(where, key.Value), "unknown field%s", suggestion(key.Value, known))
		}
	}
	return true
}

// repeated tells whether the key at i stands before it already.
func repeated(n *yaml.Node, i int) bool {
	for j := 0; j < i; j += 2 {
		if n.Content[j].Value == n.Content[i].Value {
			return true
		}
	}
	return false
}

func join(where, key string) string {
	if where == "" {
		return key
	}
	return where + "." + key
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "empty"
		}
		return strconv.Quote(cut(n.Value, 40))
	}
	return "nothing"
}

func (r *reader) texts(n *yaml.Node, where string) []string {
	out := []string{}
	r.list(n, where, func(i int, item *yaml.Node) {
		out = append(out, r.text(item, fmt.Sprintf("%s[%d]", where, i)))
	})
	return out
}

// list visits the items of a sequence.
func (r *reader) list(n *yaml.Node, where string, visit func(i int, item *yaml.Node)) bool {
	n = r.resolve(n, where)
	if n == nil {
		return false
	}
	if n.Kind != yaml.SequenceNode {
		r.problem(n, where, "is %s; a list is needed", describe(n))
		return false
	}
	for i, item := range n.Content {
		visit(i, item)
	}
	return true
}
