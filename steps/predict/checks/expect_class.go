package checks

import (
	"math"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/predict/match"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// classes reads the classes of rows, or that of a single one: names and indexes.
// There are no matchers among them: an index and a name that stand for the same
// class are not alike as values.
func (r *reader) classes(n *yaml.Node, where string, c *Check) *match.Pattern {
	v := r.value(n, where)
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	for _, item := range list {
		r.class(n, where, item, c.Classes)
	}
	return r.compiled(n, where, v)
}

// class notices what can be no class, or none of those that the checks list.
func (r *reader) class(n *yaml.Node, where string, v any, known []string) {
	switch x := v.(type) {
	case string:
		if len(known) > 0 && !slices.Contains(known, x) {
			r.problem(n, where, "there is no class %q%s", x, suggestion(x, known))
		}
		return
	case bool, []byte:
		return
	}
	f, ok := value.Float(v)
	switch {
	case !ok:
		r.problem(n, where, "%s is no class; write the name or the index of each row's class, without matchers", value.String(v, 60))
	case f != math.Trunc(f) || math.IsInf(f, 0):
		r.problem(n, where, "%s is no class; an index is a whole number", value.String(v, 60))
	case len(known) > 0 && (f < 0 || f >= float64(len(known))):
		r.problem(n, where, "there is no class %s; there are %d, from 0 to %d", value.String(v, 60), len(known), len(known)-1)
	}
}
