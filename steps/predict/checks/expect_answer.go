package checks

import (
	"encoding/base64"
	"fmt"
	"maps"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/predict/match"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

func (r *reader) expectAnswer(e *Expect, key string, v *yaml.Node, at string, c *Check) {
	switch key {
	case "status":
		e.Status = r.statusRange(v, at)
	case "data", "strData", "binData", "jsonData", "predictions":
		if e.Payload != nil {
			r.problem(v, at, "stands beside another expected payload")
		}
		e.Payload = r.payload(v, at, key)
	case "outputs":
		if c.Protocol == seldonclient.TensorFlow && !r.listsOutputs(v) {
			if e.Payload != nil {
				r.problem(v, at, "stands beside another expected payload")
			}
			e.Payload = r.payload(v, at, key)
			break
		}
		r.list(v, at, func(i int, item *yaml.Node) {
			e.Outputs = append(e.Outputs, r.output(item, index(at, i)))
		})
	case "tolerance":
		t := r.tolerance(v, at)
		e.Tolerance = &t
	case "names":
		e.Names = r.texts(v, at)
	case "shape":
		e.Shape = []int{}
		r.list(v, at, func(i int, item *yaml.Node) {
			e.Shape = append(e.Shape, r.count(item, index(at, i), -1, 1<<31))
		})
	case "finite":
		e.Finite = r.flag(v, at)
	case "range":
		e.Range = r.bounds(v, at)
	case "rowSum":
		f := r.number(v, at)
		e.RowSum = &f
	case "class":
		e.Class = r.classes(v, at, c)
	case "matches":
		e.Matches = r.compiled(v, at, map[string]any{"$matches": r.text(v, at)})
	case "schema":
		e.Schema = r.schema(v, at)
	case "meta":
		meta, ok := r.value(v, at).(map[string]any)
		if !ok {
			r.problem(v, at, "is no mapping")
			break
		}
		for _, inner := range []string{"tags", "routing", "requestPath"} {
			if object, ok := meta[inner].(map[string]any); ok {
				if _, matcher := object["$contains"]; !matcher {
					meta[inner] = map[string]any{"$contains": object}
				}
			}
		}
		e.Meta = r.compiled(v, at, map[string]any{"$contains": meta})
	case "version":
		e.Version = r.text(v, at)
	case "latency":
		e.Latency = r.maxDuration(v, at)
	}
}

// statusRange reads 400, or {min: 400, max: 499}.
func (r *reader) statusRange(n *yaml.Node, where string) *Range {
	n = r.resolve(n, where)
	if n == nil {
		return nil
	}
	var out *Range
	if n.Kind == yaml.MappingNode {
		out = r.bounds(n, where)
	} else {
		f := r.number(n, where)
		out = &Range{Min: &f, Max: &f}
	}
	if out != nil {
		for _, f := range []*float64{out.Min, out.Max} {
			if f != nil && (*f < 100 || *f > 599) {
				r.problem(n, where, "%v is no HTTP status", *f)
				return nil
			}
		}
	}
	return out
}

func (r *reader) pattern(n *yaml.Node, where string) *match.Pattern {
	return r.compiled(n, where, r.value(n, where))
}

func (r *reader) compiled(n *yaml.Node, where string, v any) *match.Pattern {
	p, err := match.Compile(v)
	if err != nil {
		r.problem(n, where, "%v", err)
	}
	return &p
}

func (r *reader) payload(n *yaml.Node, where, key string) *Payload {
	p := &Payload{Kind: key}
	v := r.value(n, where)
	switch key {
	case "binData":
		text, isText := v.(string)
		if isText {
			raw, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				r.problem(n, where, "is not base64: %v", err)
			}
			v = raw
		}
	case "data":
		data, ok := v.(map[string]any)
		if !ok {
			r.problem(n, where, "is %s; a mapping with ndarray, tensor or tftensor is needed", value.Kind(v))
			return p
		}
		matcher, isMatcher := data["ndarray"].(map[string]any)
		if isMatcher {
			data = maps.Clone(data)
			data["ndarray"] = []any{} // what the matcher takes is told below
		}
		r.payloadShape(n, where, key, data)
		if names, ok := data["names"].([]any); ok {
			p.Names = []string{}
			for _, name := range names {
				p.Names = append(p.Names, fmt.Sprint(name))
			}
		}
		var err error
		if p.Kind, v, err = seldonclient.ReadData(data); err != nil {
			r.problem(n, where, "%v", err)
		}
		if isMatcher {
			v = matcher
		}
	}
	p.Pattern = *r.compiled(n, where, v)
	return p
}

// listsOutputs tells whether outputs are a list of them by their names, as V2 has
// them, rather than what TensorFlow answers.
func (r *reader) listsOutputs(n *yaml.Node) bool {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n.Kind == yaml.SequenceNode && len(n.Content) > 0 && field(n.Content[0], "name") != nil
}

func (r *reader) output(n *yaml.Node, where string) Output {
	var o Output
	r.each(n, where, []string{"name", "datatype", "shape", "data"}, func(key string, v *yaml.Node) bool {
		at := join(where, key)
		switch key {
		case "name":
			o.Name = r.text(v, at)
		case "datatype":
			o.Datatype = r.text(v, at)
		case "shape":
			o.Shape = []int{}
			r.list(v, at, func(i int, item *yaml.Node) {
				o.Shape = append(o.Shape, r.count(item, index(at, i), -1, 1<<31))
			})
		case "data":
			o.Data = r.pattern(v, at)
		default:
			return false
		}
		return true
	})
	if o.Name == "" {
		r.problem(n, where, "names no output")
	}
	return o
}
