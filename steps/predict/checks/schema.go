package checks

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// Schema is a JSON Schema that answers are held against.
type Schema struct {
	compiled *jsonschema.Schema
	path     string // of the file; "": written out in the checks
}

// Problems says where v breaks the schema; none: it does not.
func (s *Schema) Problems(v any) []string {
	err := s.compiled.Validate(plain(v))
	if err == nil {
		return nil
	}
	invalid, ok := err.(*jsonschema.ValidationError)
	if !ok {
		return []string{err.Error()}
	}
	var out []string
	for _, unit := range invalid.BasicOutput().Errors {
		if unit.Error == nil {
			continue
		}
		at := unit.InstanceLocation
		if at == "" {
			at = "/"
		}
		if len(out) < 10 {
			out = append(out, at+": "+unit.Error.String())
		}
	}
	if len(out) == 0 {
		out = append(out, strings.TrimSpace(invalid.Error()))
	}
	return out
}

// plain turns a value into what encoding/json makes of JSON, which has no NaN:
// one breaks any schema that asks for a number.
func plain(v any) any {
	switch x := v.(type) {
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return value.String(x, 0)
		}
		return x
	case int64, uint64, []byte:
		if _, binary := x.([]byte); !binary {
			return json.Number(fmt.Sprint(x))
		}
		return strings.Trim(value.String(x, 0), `"`)
	case []any:
		out := make([]any, len(x))
		for i, item := range x {
			out[i] = plain(item)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for key, item := range x {
			out[key] = plain(item)
		}
		return out
	}
	return v
}

// schema reads a JSON Schema written out, or the name of a file with one.
// References to elsewhere are refused: nothing is fetched.
func (r *reader) schema(n *yaml.Node, where string) *Schema {
	n = r.resolve(n, where)
	if n == nil {
		return nil
	}
	s := &Schema{}
	var doc any
	if n.Kind == yaml.ScalarNode {
		if s.path = r.path(n, where); s.path == "" {
			return nil
		}
		data, err := readBounded(filepath.Join(r.dir, s.path))
		if err == nil {
			doc, err = value.Decode(data)
		}
		if err != nil {
			r.problem(n, where, "%s %v", s.path, err)
			return nil
		}
	} else {
		doc = r.value(n, where)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	err := c.AddResource("checks:schema", plain(doc))
	if err == nil {
		s.compiled, err = c.Compile("checks:schema")
	}
	if err != nil {
		r.problem(n, where, "is no usable JSON Schema: %s", strings.Join(strings.Fields(err.Error()), " "))
		return nil
	}
	return s
}

type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is elsewhere, and nothing is fetched", url)
}
