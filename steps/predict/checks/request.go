package checks

import (
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// bodyFields are those of a request that are sent, over all protocols.
var bodyFields = []string{
	"data", "strData", "binData", "jsonData", "meta", // Seldon
	"request", "response", "reward", "truth", // Seldon's feedback
	"inputs", "outputs", "parameters", "id", // V2
	"instances", "signature_name", // TensorFlow
}

func (r *reader) request(n *yaml.Node, where string) *Request {
	q := &Request{}
	body := map[string]any{}
	var raw, file *yaml.Node
	known := append([]string{"raw", "file", "contentType", "headers", "binary"}, bodyFields...)
	if !r.each(n, where, known, func(key string, v *yaml.Node) bool {
		at := join(where, key)
		switch key {
		case "raw":
			raw = v
			switch x := r.value(v, at).(type) {
			case string:
				q.Raw = []byte(x)
			case []byte:
				q.Raw = append([]byte{}, x...)
			default:
				r.problem(v, at, "is %s; text is needed, or !!binary", value.Kind(x))
			}
		case "file":
			file = v
			r.requestFile(v, at, q)
		case "contentType":
			q.ContentType = r.text(v, at)
		case "headers":
			q.Headers = r.headers(v, at)
		case "binary":
			q.Binary = r.flag(v, at)
		default:
			for _, field := range bodyFields {
				if field == key {
					body[key] = r.value(v, at)
					r.payloadShape(v, at, key, body[key])
					return true
				}
			}
			return false
		}
		return true
	}) {
		return nil
	}
	switch {
	case raw != nil && file != nil, (raw != nil || file != nil) && len(body) > 0:
		r.problem(n, where, "says more than one of raw, file and a body")
	case raw == nil && file == nil && len(body) == 0:
		r.problem(n, where, "is empty")
	case len(body) > 0:
		q.Body = body
	}
	return q
}

// payloadShape notices the commonest mistakes in a request.
func (r *reader) payloadShape(n *yaml.Node, where, key string, v any) {
	object, isObject := v.(map[string]any)
	switch key {
	case "data":
		if !isObject {
			r.problem(n, where, "is %s; a mapping with ndarray, tensor or tftensor is needed", value.Kind(v))
			return
		}
		found := 0
		for field := range object {
			switch field {
			case "ndarray", "tensor", "tftensor":
				found++
			case "names":
			default:
				r.problem(n, join(where, field), "unknown field%s", suggestion(field, []string{"names", "ndarray", "tensor", "tftensor"}))
			}
		}
		if found != 1 {
			r.problem(n, where, "needs one of ndarray, tensor and tftensor, has %d", found)
		}
		if list, ok := object["ndarray"]; ok {
			if _, ok := list.([]any); !ok {
				r.problem(n, join(where, "ndarray"), "is %s; an array is needed", value.Kind(list))
			}
		}
	case "strData":
		if _, ok := v.(string); !ok {
			r.problem(n, where, "is %s; text is needed (in quotes, if it looks like a number)", value.Kind(v))
		}
	case "binData":
		switch v.(type) {
		case string, []byte:
		default:
			r.problem(n, where, "is %s; base64 is needed", value.Kind(v))
		}
	}
}

func (r *reader) requestFile(n *yaml.Node, where string, q *Request) {
	path := r.path(n, where)
	if path == "" {
		return
	}
	data, err := readBounded(filepath.Join(r.dir, path), MaxFile)
	if err != nil {
		r.problem(n, where, "%s %v", path, err)
		return
	}
	q.Raw, q.File = data, path
	if q.Raw == nil {
		q.Raw = []byte{}
	}
	if body, err := value.Decode(data); err == nil {
		q.Body = body
	}
}

// path reads the name of a file beside the checks, and keeps it there.
func (r *reader) path(n *yaml.Node, where string) string {
	text := r.text(n, where)
	if text == "" {
		return ""
	}
	path := filepath.FromSlash(text)
	if !filepath.IsLocal(path) || strings.Contains(text, `\`) {
		r.problem(n, where, "%q leads out of the directory of the checks", text)
		return ""
	}
	full := filepath.Join(r.dir, path)
	info, err := os.Stat(full)
	switch {
	case err != nil:
		r.problem(n, where, "%q %v", text, pathError(err))
		return ""
	case !info.Mode().IsRegular():
		r.problem(n, where, "%q is no file", text)
		return ""
	}
	// A link inside the directory may still lead out of it.
	real, err := filepath.EvalSymlinks(full)
	base, baseErr := filepath.EvalSymlinks(r.dir)
	if err == nil && baseErr == nil {
		if rel, err := filepath.Rel(base, real); err != nil || !filepath.IsLocal(rel) {
			r.problem(n, where, "%q is a link that leads out of the directory of the checks", text)
			return ""
		}
	}
	return path
}
