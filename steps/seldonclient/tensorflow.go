package seldonclient

import (
	"maps"
	"slices"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// readTensorFlow reads an answer of TensorFlow's REST protocol.
func readTensorFlow(tree any) (*Message, error) {
	object, ok := tree.(map[string]any)
	if !ok {
		return nil, schemaErrorf("the answer is %s, not an object", value.Kind(tree))
	}
	m := &Message{Tree: tree}
	if text := object["error"]; text != nil && text != "" {
		m.Failure = &Failure{Info: errorText(text)}
		return m, nil
	}
	for _, key := range []string{"predictions", "outputs"} {
		if payload, ok := object[key]; ok {
			if m.Kind != "" {
				return nil, schemaErrorf("the answer has both predictions and outputs")
			}
			m.Kind, m.Value = key, payload
		}
	}
	switch m.Kind {
	case "":
		return nil, schemaErrorf("the answer has neither predictions nor outputs")
	case "outputs":
		m.readColumns(m.Value)
	}
	return m, nil
}

// readColumns reads outputs in TensorFlow's column form: an object of them by
// name, or the value alone where there is one. They carry no datatypes.
func (m *Message) readColumns(payload any) {
	object, ok := payload.(map[string]any)
	if _, bytes := object["b64"]; !ok || (bytes && len(object) == 1) {
		m.Outputs, m.Value = []Tensor{columnOf("", payload)}, payload
		return
	}
	m.Value = nil
	for _, name := range slices.Sorted(maps.Keys(object)) {
		m.Outputs = append(m.Outputs, columnOf(name, object[name]))
	}
	if len(m.Outputs) == 1 {
		m.Value = m.Outputs[0].Value
	}
}

// columnOf is an output; one whose rows differ in length has no shape.
func columnOf(name string, v any) Tensor {
	shape, err := ShapeOf(v)
	if err != nil {
		shape = nil
	}
	return Tensor{Name: name, Shape: shape, Value: v}
}

func errorText(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	return value.String(v, 500)
}

// tfFields tell where a tensor's values stand, by its type: as JSON spells the
// field, and how many bytes one takes in tensorContent.
var tfFields = map[string]struct {
	field    string
	datatype string // of V2, which has the same binary form
}{
	"DT_FLOAT": {"floatVal", "FP32"}, "DT_DOUBLE": {"doubleVal", "FP64"}, "DT_HALF": {"halfVal", "FP16"},
	"DT_INT8": {"intVal", "INT8"}, "DT_INT16": {"intVal", "INT16"}, "DT_INT32": {"intVal", "INT32"}, "DT_INT64": {"int64Val", "INT64"},
	"DT_UINT8": {"intVal", "UINT8"}, "DT_UINT16": {"intVal", "UINT16"}, "DT_UINT32": {"uint32Val", "UINT32"}, "DT_UINT64": {"uint64Val", "UINT64"},
	"DT_BOOL": {"boolVal", "BOOL"}, "DT_STRING": {"stringVal", ""}, "DT_BFLOAT16": {"halfVal", "BF16"},
}

// tfNumbers are the types' numbers, which some servers send in place of names.
var tfNumbers = map[float64]string{
	1: "DT_FLOAT", 2: "DT_DOUBLE", 3: "DT_INT32", 4: "DT_UINT8", 5: "DT_INT16", 6: "DT_INT8", 7: "DT_STRING", 9: "DT_INT64",
	10: "DT_BOOL", 14: "DT_BFLOAT16", 17: "DT_UINT16", 19: "DT_HALF", 22: "DT_UINT32", 23: "DT_UINT64",
}

// either returns the first key's value that is there: protobuf's JSON spells
// fields in camel case, and Python often keeps the snakes.
func either(object map[string]any, keys ...string) any {
	for _, key := range keys {
		if v, ok := object[key]; ok {
			return v
		}
	}
	return nil
}

// readTFTensor reads TensorFlow's tensor message in its JSON form.
func readTFTensor(payload any) (any, error) {
	object, ok := payload.(map[string]any)
	if !ok {
		return nil, schemaErrorf("data.tftensor is %s, not an object", value.Kind(payload))
	}
	dtype, _ := object["dtype"].(string)
	if number, ok := object["dtype"].(float64); ok {
		dtype = tfNumbers[number]
	}
	kind, ok := tfFields[dtype]
	if !ok {
		return nil, schemaErrorf("data.tftensor.dtype is %s, which is not understood", value.String(object["dtype"], 40))
	}
	shape, err := tfShape(either(object, "tensorShape", "tensor_shape"))
	if err != nil {
		return nil, err
	}
	var values []any
	if content := either(object, "tensorContent", "tensor_content"); content != nil && content != "" && kind.datatype != "" {
		raw, err := decodeBase64(content)
		if err != nil {
			return nil, schemaErrorf("data.tftensor.tensorContent %w", err)
		}
		if values, err = decodeRaw(kind.datatype, raw); err != nil {
			return nil, schemaErrorf("data.tftensor.tensorContent: %w", err)
		}
	} else if values, err = tfValues(object, kind.field, dtype); err != nil {
		return nil, err
	}
	size := 1
	for _, n := range shape {
		if n < 0 || (n > 0 && size > 1<<28/n) {
			return nil, schemaErrorf("data.tftensor.tensorShape %v is too large", shape)
		}
		size *= n
	}
	// The last value stands for all that follow it, as TensorFlow shortens.
	if len(values) > 0 && len(values) < size {
		if size > value.MaxValues {
			return nil, schemaErrorf("data.tftensor.tensorShape %v is too large", shape)
		}
		last := values[len(values)-1]
		for len(values) < size {
			values = append(values, last)
		}
	}
	out, err := Reshape(values, shape)
	if err != nil {
		return nil, schemaErrorf("data.tftensor: %w", err)
	}
	return out, nil
}

func tfShape(v any) ([]int, error) {
	object, _ := v.(map[string]any)
	list, _ := object["dim"].([]any)
	sizes := make([]any, len(list))
	for i, item := range list {
		dim, _ := item.(map[string]any)
		if sizes[i] = dim["size"]; sizes[i] == nil {
			sizes[i] = 0.0
		}
	}
	shape, err := readShape("data.tftensor.tensorShape", sizes)
	if shape == nil {
		shape = []int{}
	}
	return shape, err
}

func tfValues(object map[string]any, field, dtype string) ([]any, error) {
	snake := ""
	for _, r := range field {
		if r >= 'A' && r <= 'Z' {
			snake += "_" + string(r+'a'-'A')
		} else {
			snake += string(r)
		}
	}
	v := either(object, field, snake)
	where := "data.tftensor." + field
	switch field {
	case "stringVal":
		list, _ := v.([]any)
		out := make([]any, len(list))
		for i, item := range list {
			raw, err := decodeBase64(item)
			if err != nil {
				return nil, schemaErrorf("%s[%d] %w", where, i, err)
			}
			out[i] = string(raw)
		}
		return out, nil
	case "boolVal":
		list, _ := v.([]any)
		return list, nil
	case "halfVal":
		list, err := numbers(where, v)
		if err != nil {
			return nil, err
		}
		out := make([]any, len(list))
		for i, item := range list {
			bits, _ := value.Float(item)
			if dtype == "DT_HALF" {
				out[i] = float16(uint16(bits))
			} else {
				out[i] = bfloat16(uint16(bits))
			}
		}
		return out, nil
	}
	return numbers(where, v)
}
