package seldonclient

import (
	"fmt"
	"strconv"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// headerLength says how many bytes of a body are JSON; binary tensors follow.
const headerLength = "Inference-Header-Content-Length"

// binaryHeader returns how long the JSON part of the body is, where binary
// tensors follow it.
func (a *Answer) binaryHeader() (int, bool, error) {
	if a.protocol != V2 || a.Header == nil {
		return 0, false, nil
	}
	text := a.Header.Get(headerLength)
	if text == "" {
		return 0, false, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > len(a.Body) {
		return 0, false, schemaErrorf("%s is %q, the body has %d bytes", headerLength, text, len(a.Body))
	}
	return n, true, nil
}

// readV2 reads an answer of the V2 protocol.
func (a *Answer) readV2(tree any) (*Message, error) {
	object, ok := tree.(map[string]any)
	if !ok {
		return nil, schemaErrorf("the answer is %s, not an object", value.Kind(tree))
	}
	m := &Message{Tree: tree}
	if text := object["error"]; text != nil && text != "" {
		m.Failure = &Failure{Info: errorText(text)}
		return m, nil
	}
	m.Model, _ = object["model_name"].(string)
	m.Version, _ = object["model_version"].(string)
	list, ok := object["outputs"].([]any)
	if !ok {
		return nil, schemaErrorf("outputs is %s, not an array", value.Kind(object["outputs"]))
	}
	m.Kind = "outputs"
	var rest []byte
	if header, ok, err := a.binaryHeader(); err != nil {
		return nil, err
	} else if ok {
		rest = a.Body[header:]
	}
	taken := 0
	for i, item := range list {
		tensor, after, err := readOutput(item, rest)
		if err != nil {
			return nil, schemaErrorf("outputs[%d]: %w", i, err)
		}
		if taken += size(tensor.Shape); taken > value.MaxValues {
			return nil, schemaErrorf("the outputs have more than %d values", value.MaxValues)
		}
		rest = after
		m.Outputs = append(m.Outputs, tensor)
	}
	if len(rest) > 0 {
		return nil, schemaErrorf("%d bytes of binary data belong to no output", len(rest))
	}
	if len(m.Outputs) == 1 {
		m.Value = m.Outputs[0].Value
	}
	return m, nil
}

// size is how many values a tensor of that shape has.
func size(shape []int) int {
	n := 1
	for _, dim := range shape {
		n *= dim
	}
	return n
}

// readOutput reads one tensor; rest is the binary data not yet taken.
func readOutput(item any, rest []byte) (Tensor, []byte, error) {
	object, ok := item.(map[string]any)
	if !ok {
		return Tensor{}, nil, fmt.Errorf("is %s, not an object", value.Kind(item))
	}
	var t Tensor
	if t.Name, ok = object["name"].(string); !ok {
		return t, nil, fmt.Errorf("has no name")
	}
	if t.Datatype, ok = object["datatype"].(string); !ok {
		return t, nil, fmt.Errorf("%q has no datatype", t.Name)
	}
	shape, err := readShape("shape", object["shape"])
	if err != nil {
		return t, nil, err
	}
	if shape == nil {
		return t, nil, fmt.Errorf("%q has no shape", t.Name)
	}
	t.Shape = shape
	var values []any
	parameters, _ := object["parameters"].(map[string]any)
	if size, ok := value.Float(parameters["binary_data_size"]); ok {
		if size < 0 || size > float64(len(rest)) {
			return t, nil, fmt.Errorf("%q has binary_data_size %v, %d bytes are left", t.Name, size, len(rest))
		}
		if values, err = decodeRaw(t.Datatype, rest[:int(size)]); err != nil {
			return t, nil, fmt.Errorf("%q: %w", t.Name, err)
		}
		rest = rest[int(size):]
	} else if values, err = readElements(t.Datatype, object["data"]); err != nil {
		return t, nil, fmt.Errorf("%q: %w", t.Name, err)
	}
	if t.Value, err = Reshape(values, shape); err != nil {
		return t, nil, fmt.Errorf("%q: %w", t.Name, err)
	}
	return t, rest, nil
}

// readElements reads a tensor's data, nested or flat, and checks its types.
func readElements(datatype string, data any) ([]any, error) {
	if data == nil {
		return nil, fmt.Errorf("there is no data")
	}
	list := Flatten(data)
	if len(list) == 1 && list[0] == nil {
		return nil, fmt.Errorf("data is null")
	}
	for i, item := range list {
		switch datatype {
		case "BYTES":
			if _, ok := item.(string); !ok {
				return nil, fmt.Errorf("data[%d] is %s, not a string", i, value.String(item, 40))
			}
		case "BOOL":
			if _, ok := item.(bool); !ok {
				return nil, fmt.Errorf("data[%d] is %s, not a boolean", i, value.String(item, 40))
			}
		default:
			if _, ok := typeSizes[datatype]; !ok {
				return nil, fmt.Errorf("datatype %q is not known", datatype)
			}
		}
	}
	if datatype == "BYTES" || datatype == "BOOL" {
		return list, nil
	}
	return numbers("data", list)
}
