package checks

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Fields of an expectation, by what they judge.
var (
	answerFields = []string{
		"status", "data", "strData", "binData", "jsonData", "predictions", "outputs", "tolerance", "names", "shape",
		"finite", "range", "rowSum", "class", "matches", "schema", "meta", "version", "latency",
	}
	metricFields  = []string{"accuracy", "precision", "recall", "f1", "mae", "rmse", "r2", "mismatches"}
	loadFields    = []string{"p50", "p90", "p95", "p99", "mean", "max", "errors", "rate"}
	compareFields = []string{"agreement", "difference", "slowdown", "tolerance"}
)

// expectFields are those that a kind of check may expect.
func expectFields(c *Check) []string {
	switch c.Kind() {
	case "dataset":
		return append(append(slices.Clone(metricFields), "tolerance"), "p50", "p95", "p99")
	case "load":
		return loadFields
	case "compare":
		return compareFields
	case "contract":
		return []string{"status", "shape", "finite", "range", "rowSum", "schema", "matches"}
	}
	return answerFields
}

func (r *reader) expect(n *yaml.Node, where string, c *Check) Expect {
	var e Expect
	known := expectFields(c)
	r.each(n, where, known, func(key string, v *yaml.Node) bool {
		if !slices.Contains(known, key) {
			for _, other := range [][]string{answerFields, metricFields, loadFields, compareFields} {
				if slices.Contains(other, key) {
					r.problem(v, join(where, key), "cannot be expected of a check with %s; known there are %s", c.Kind(), strings.Join(known, ", "))
					return true
				}
			}
			return false
		}
		at := join(where, key)
		switch {
		case slices.Contains(metricFields, key):
			if e.Metrics == nil {
				e.Metrics = map[string]*Metric{}
			}
			e.Metrics[key] = r.metric(v, at, key)
		case c.Kind() == "load" || slices.Contains([]string{"p50", "p95", "p99"}, key):
			r.expectLoad(&e, key, v, at)
		case c.Kind() == "compare":
			r.expectCompare(&e, key, v, at)
		default:
			r.expectAnswer(&e, key, v, at, c)
		}
		return true
	})
	return e
}

// nothing tells whether any answer at all is what is expected. A tolerance alone
// tolerates nothing.
func (e *Expect) nothing() bool {
	answer := e.Status == nil && e.Payload == nil && e.Outputs == nil && e.Names == nil && e.Shape == nil && !e.Finite && e.Range == nil && e.RowSum == nil &&
		e.Class == nil && e.Matches == nil && e.Schema == nil && e.Meta == nil && e.Version == "" && e.Latency == 0
	measured := e.Metrics == nil && e.Latencies == nil && e.Errors == nil && e.Rate == nil && e.Agreement == nil && e.Difference == nil && e.Slowdown == nil
	return answer && measured
}

func (r *reader) expectLoad(e *Expect, key string, v *yaml.Node, at string) {
	switch key {
	case "errors":
		e.Errors = r.limit(v, at)
	case "rate":
		e.Rate = r.rateRange(v, at)
	default:
		if e.Latencies == nil {
			e.Latencies = map[string]time.Duration{}
		}
		e.Latencies[key] = r.maxDuration(v, at)
	}
}

// maxDuration reads 200ms, or {max: 200ms}.
func (r *reader) maxDuration(n *yaml.Node, where string) time.Duration {
	n = r.resolve(n, where)
	if n == nil || n.Kind != yaml.MappingNode {
		if n == nil {
			return 0
		}
		return r.duration(n, where)
	}
	var d time.Duration
	r.each(n, where, []string{"max"}, func(key string, v *yaml.Node) bool {
		d = r.duration(v, join(where, key))
		return key == "max"
	})
	return d
}

// limit reads {max: 3} or {max: 1%}, or the number alone.
func (r *reader) limit(n *yaml.Node, where string) *Limit {
	n = r.resolve(n, where)
	if n == nil {
		return nil
	}
	if n.Kind == yaml.MappingNode {
		var l *Limit
		r.each(n, where, []string{"max"}, func(key string, v *yaml.Node) bool {
			if key == "max" {
				l = r.limit(v, join(where, key))
			}
			return key == "max"
		})
		return l
	}
	text := r.text(n, where)
	share := strings.HasSuffix(text, "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, "%")), 64)
	if err != nil || !(f >= 0) || (share && f > 100) || (!share && f != float64(int64(f))) {
		r.problem(n, where, "%q is neither a number of errors nor a share such as 1%%", text)
		return nil
	}
	if share {
		f /= 100
	}
	return &Limit{Max: f, Share: share}
}

func (r *reader) rateRange(n *yaml.Node, where string) *Range {
	out := &Range{}
	r.each(n, where, []string{"min", "max"}, func(key string, v *yaml.Node) bool {
		f := r.rate(v, join(where, key))
		switch key {
		case "min":
			out.Min = &f
		case "max":
			out.Max = &f
		default:
			return false
		}
		return true
	})
	return out
}

func (r *reader) expectCompare(e *Expect, key string, v *yaml.Node, at string) {
	switch key {
	case "agreement":
		e.Agreement = r.bounds(v, at)
	case "difference":
		e.Difference = r.bounds(v, at)
	case "slowdown":
		e.Slowdown = r.bounds(v, at)
	case "tolerance":
		t := r.tolerance(v, at)
		e.Tolerance = &t
	}
}

// bounds reads {min, max}.
func (r *reader) bounds(n *yaml.Node, where string) *Range {
	out := &Range{}
	if !r.each(n, where, []string{"min", "max"}, func(key string, v *yaml.Node) bool {
		f := r.number(v, join(where, key))
		switch key {
		case "min":
			out.Min = &f
		case "max":
			out.Max = &f
		default:
			return false
		}
		return true
	}) {
		return nil
	}
	r.ordered(n, where, out)
	return out
}

func (r *reader) ordered(n *yaml.Node, where string, out *Range) {
	switch {
	case out.Min == nil && out.Max == nil:
		r.problem(n, where, "bounds nothing; give min, max or both")
	case out.Min != nil && out.Max != nil && *out.Min > *out.Max:
		r.problem(n, where, "min %v is more than max %v: nothing can pass", *out.Min, *out.Max)
	}
}

func (r *reader) metric(n *yaml.Node, where, name string) *Metric {
	m := &Metric{Average: "macro"}
	known := []string{"min", "max"}
	byClass := slices.Contains([]string{"precision", "recall", "f1"}, name)
	if byClass {
		known = append(known, "average", "each", "classes")
	}
	if !r.each(n, where, known, func(key string, v *yaml.Node) bool {
		at := join(where, key)
		switch {
		case key == "min":
			f := r.number(v, at)
			m.Min = &f
		case key == "max":
			f := r.number(v, at)
			m.Max = &f
		case key == "average" && byClass:
			m.Average = r.choice(v, at, "macro", "weighted", "micro")
		case key == "each" && byClass:
			m.Each = r.bounds(v, at)
		case key == "classes" && byClass:
			m.Classes = map[string]*Range{}
			node := r.resolve(v, at)
			if node == nil || node.Kind != yaml.MappingNode {
				r.problem(v, at, "is no mapping from classes to bounds")
				break
			}
			for i := 0; i+1 < len(node.Content); i += 2 {
				class := r.text(node.Content[i], at)
				m.Classes[class] = r.bounds(node.Content[i+1], join(at, class))
			}
		default:
			return false
		}
		return true
	}) {
		return m
	}
	if m.Min == nil && m.Max == nil && m.Each == nil && m.Classes == nil {
		r.problem(n, where, "bounds nothing; give min or max")
	} else if m.Min != nil || m.Max != nil {
		r.ordered(n, where, &m.Range)
	}
	share := !slices.Contains([]string{"mae", "rmse", "r2", "mismatches"}, name)
	if share && ((m.Min != nil && *m.Min > 1) || (m.Max != nil && *m.Max < 0)) {
		r.problem(n, where, "can never hold: %s is from 0 to 1", name)
	}
	return m
}
