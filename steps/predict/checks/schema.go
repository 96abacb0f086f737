package checks

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// Schema is a JSON Schema, draft 2020-12 or 7, that answers are held against.
type Schema struct {
	resolved *jsonschema.Resolved
	path     string // of the file; "": written out in the checks
}

// Problem says where v breaks the schema; "": it does not.
func (s *Schema) Problem(v any) string {
	err := s.resolved.Validate(plain(v))
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(strings.ReplaceAll(err.Error(), "validating ", ""), "root: ")
}

// plain turns a value into what encoding/json makes of JSON, which has no NaN:
// one breaks any schema that asks for a number.
func plain(v any) any { return value.Map(v, plainScalar) }

func plainScalar(v any) any {
	switch x := v.(type) {
	case float64:
		if !value.IsFinite(x) {
			return value.String(x, 0)
		}
	case json.Number:
		f, _ := value.Float(x)
		return plainScalar(f)
	case []byte:
		return strings.Trim(value.String(x, 0), `"`)
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
		data, err := readBounded(filepath.Join(r.dir, s.path), MaxFile)
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
	var err error
	if s.resolved, err = compileSchema(doc); err != nil {
		r.problem(n, where, "is no usable JSON Schema: %s", strings.Join(strings.Fields(err.Error()), " "))
		return nil
	}
	return s
}

func compileSchema(doc any) (*jsonschema.Resolved, error) {
	if err := (&references{root: doc}).check(); err != nil {
		return nil, err
	}
	var parsed jsonschema.Schema
	if err := json.Unmarshal(value.Append(nil, doc), &parsed); err != nil {
		return nil, err
	}
	return parsed.Resolve(&jsonschema.ResolveOptions{Loader: func(uri *url.URL) (*jsonschema.Schema, error) {
		return nil, fmt.Errorf("%s is elsewhere, and nothing is fetched", uri)
	}})
}

// references looks for references that lead back to where they are: such a
// schema would never be done with any answer.
type references struct {
	root  any
	steps int
}

// inPlace are the keywords that hold schemas for the very same value.
var inPlace = []string{"allOf", "anyOf", "oneOf", "not", "if", "then", "else"}

const maxSchemaSteps = 100_000

func (r *references) check() error { return r.walk(r.root) }

// walk visits every schema, wherever it is.
func (r *references) walk(v any) error {
	switch x := v.(type) {
	case []any:
		for _, item := range x {
			if err := r.walk(item); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, key := range []string{"$dynamicRef", "$recursiveRef"} {
			if _, ok := x[key]; ok {
				return fmt.Errorf("%s is not supported; use $ref", key)
			}
		}
		if err := r.follow(x, nil); err != nil {
			return err
		}
		for _, item := range x {
			if err := r.walk(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow goes where a value is passed on as it is.
func (r *references) follow(v any, trail []string) error {
	if r.steps++; r.steps > maxSchemaSteps {
		return fmt.Errorf("it is too large")
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	if ref, ok := object["$ref"].(string); ok {
		if slices.Contains(trail, ref) {
			return fmt.Errorf("$ref %q leads back to itself", ref)
		}
		pointer, local := strings.CutPrefix(ref, "#")
		if !local {
			return fmt.Errorf("$ref %q is elsewhere, and nothing is fetched", ref)
		}
		target, err := r.lookup(pointer)
		if err != nil {
			return err
		}
		if err := r.follow(target, append(slices.Clone(trail), ref)); err != nil {
			return err
		}
	}
	for _, key := range inPlace {
		inner := []any{object[key]}
		if list, ok := object[key].([]any); ok {
			inner = list
		}
		for _, item := range inner {
			if err := r.follow(item, trail); err != nil {
				return err
			}
		}
	}
	if dependent, ok := object["dependentSchemas"].(map[string]any); ok {
		for _, item := range dependent {
			if err := r.follow(item, trail); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookup finds what a JSON pointer leads to.
func (r *references) lookup(pointer string) (any, error) {
	at := r.root
	if pointer == "" {
		return at, nil
	}
	text, err := url.PathUnescape(pointer)
	if err != nil || !strings.HasPrefix(text, "/") {
		return nil, fmt.Errorf("$ref %q is no JSON pointer", "#"+pointer)
	}
	for part := range strings.SplitSeq(text[1:], "/") {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		object, ok := at.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("$ref %q leads nowhere", "#"+pointer)
		}
		if at, ok = object[part]; !ok {
			return nil, fmt.Errorf("$ref %q leads nowhere", "#"+pointer)
		}
	}
	return at, nil
}
