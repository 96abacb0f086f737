package checks

import (
	"encoding/base64"
	"fmt"
	"math"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// value turns a node into JSON-like data.
func (r *reader) value(n *yaml.Node, where string) any {
	n = r.resolve(n, where)
	if n == nil {
		return nil
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return r.scalar(n, where)
	case yaml.SequenceNode:
		if !r.enter(n, where) {
			return nil
		}
		out := make([]any, len(n.Content))
		for i, item := range n.Content {
			out[i] = r.value(item, where)
		}
		r.leave()
		return out
	case yaml.MappingNode:
		if !r.enter(n, where) {
			return nil
		}
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
				r.problem(key, where, "a key is not plain text")
				continue
			}
			if _, twice := out[key.Value]; twice {
				r.problem(key, join(where, key.Value), "is given twice")
			}
			out[key.Value] = r.value(n.Content[i+1], where)
		}
		r.leave()
		return out
	}
	return nil
}

func (r *reader) enter(n *yaml.Node, where string) bool {
	for _, active := range r.expanding {
		if active == n {
			r.problem(n, where, "contains itself through an alias")
			return false
		}
	}
	if len(r.expanding) > maxDepth {
		r.problem(n, where, "is nested too deeply")
		return false
	}
	r.expanding = append(r.expanding, n)
	return true
}

func (r *reader) leave() { r.expanding = r.expanding[:len(r.expanding)-1] }

func (r *reader) scalar(n *yaml.Node, where string) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			r.problem(n, where, "%q is neither true nor false", n.Value)
		}
		return b
	case "!!int", "!!float":
		return r.numeric(n, where)
	case "!!binary":
		raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
		if err != nil {
			r.problem(n, where, "is not base64: %v", err)
		}
		return raw
	}
	return n.Value
}

func (r *reader) numeric(n *yaml.Node, where string) any {
	text := strings.ReplaceAll(n.Value, "_", "")
	switch strings.ToLower(strings.TrimPrefix(text, "+")) {
	case ".nan":
		return math.NaN()
	case ".inf":
		return math.Inf(1)
	case "-.inf":
		return math.Inf(-1)
	}
	if v, ok := value.ParseNumber(text); ok {
		return v
	}
	// What JSON does not know: 0x1f, 0b1, 0o17.
	var i int64
	if err := n.Decode(&i); err != nil {
		r.problem(n, where, "%q is no number", n.Value)
		return nil
	}
	return value.FromInt(i)
}

// index names an item of a list, with its name when it has one.
func index(where string, i int) string { return fmt.Sprintf("%s[%d]", where, i) }
