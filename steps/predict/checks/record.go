package checks

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// Field is one field of an expectation, in the order in which it is written.
type Field struct {
	Key   string
	Value any // JSON-like data, see package value
}

// Record returns a file of checks in which the checks named have the given
// expectations, in place of those that they had. Comments, and how the rest is
// written, stay.
func Record(data []byte, expectations map[string][]Field) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("read the checks: %w", err)
	}
	list := field(doc.Content[0], "checks")
	if list == nil {
		return nil, fmt.Errorf("there are no checks")
	}
	left := len(expectations)
	for _, item := range list.Content {
		name := field(item, "name")
		if name == nil {
			continue
		}
		fields, ok := expectations[name.Value]
		if !ok {
			continue
		}
		if item.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("check %q is an alias of another, which cannot be changed alone", name.Value)
		}
		setField(item, "expect", expectNode(fields))
		left--
	}
	if left > 0 {
		return nil, fmt.Errorf("%d checks were not found again", left)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	enc.CompactSeqIndent()
	if err := enc.Encode(&doc); err != nil {
		return nil, fmt.Errorf("write the checks: %w", err)
	}
	return out.Bytes(), nil
}

// field is the value of a mapping's key; nil when there is none.
func field(n *yaml.Node, key string) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func setField(n *yaml.Node, key string, v *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content[i+1] = v
			return
		}
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, v)
}

func expectNode(fields []Field) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, f := range fields {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: f.Key}, valueNode(f.Value))
	}
	return n
}

// valueNode writes data so that it is read as the same data.
func valueNode(v any) *yaml.Node {
	switch x := v.(type) {
	case string:
		n := &yaml.Node{}
		n.SetString(x)
		return n
	case float64:
		switch {
		case math.IsNaN(x):
			return scalar(".nan")
		case math.IsInf(x, 1):
			return scalar(".inf")
		case math.IsInf(x, -1):
			return scalar("-.inf")
		}
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, item := range x {
			n.Content = append(n.Content, valueNode(item))
		}
		return n
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for _, key := range sortedKeys(x) {
			name := &yaml.Node{}
			name.SetString(key)
			n.Content = append(n.Content, name, valueNode(x[key]))
		}
		return n
	}
	if raw, ok := v.([]byte); ok {
		return valueNode(string(bytes.Trim(value.Append(nil, raw), `"`)))
	}
	return scalar(string(value.Append(nil, v)))
}

func scalar(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
