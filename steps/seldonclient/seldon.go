package seldonclient

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

func readSeldon(tree any) (*Message, error) {
	object, ok := tree.(map[string]any)
	if !ok {
		return nil, schemaErrorf("the answer is %s, not an object", value.Kind(tree))
	}
	m := &Message{Tree: tree, Failure: readStatus(object["status"])}
	switch meta := object["meta"].(type) {
	case nil:
	case map[string]any:
		m.Meta = meta
	default:
		return nil, schemaErrorf("meta is %s, not an object", value.Kind(meta))
	}
	for _, key := range []string{"data", "strData", "binData", "jsonData", "customData"} {
		payload, ok := object[key]
		if !ok || (payload == nil && key != "jsonData") {
			continue
		}
		if m.Kind != "" {
			return nil, schemaErrorf("the answer has both %s and %s", m.Kind, key)
		}
		if err := m.readPayload(key, payload); err != nil {
			return nil, err
		}
	}
	if m.Kind == "" && m.Failure == nil {
		return m, nil // feedback is answered so
	}
	return m, nil
}

func (m *Message) readPayload(key string, payload any) error {
	m.Kind, m.Value = key, payload
	switch key {
	case "data":
		data, ok := payload.(map[string]any)
		if !ok {
			return schemaErrorf("data is %s, not an object", value.Kind(payload))
		}
		return m.readData(data)
	case "strData":
		if _, ok := payload.(string); !ok {
			return schemaErrorf("strData is %s, not a string", value.Kind(payload))
		}
	case "binData":
		raw, err := decodeBase64(payload)
		if err != nil {
			return schemaErrorf("binData %w", err)
		}
		m.Value = raw
	}
	return nil
}

func decodeBase64(v any) ([]byte, error) {
	if raw, ok := v.([]byte); ok {
		return raw, nil
	}
	text, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("is %s, not base64", value.Kind(v))
	}
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("is not base64: %w", err)
	}
	return raw, nil
}

func (m *Message) readData(data map[string]any) error {
	if names, ok := data["names"]; ok && names != nil {
		list, ok := names.([]any)
		if !ok {
			return schemaErrorf("data.names is %s, not an array", value.Kind(names))
		}
		for i, name := range list {
			text, ok := name.(string)
			if !ok {
				return schemaErrorf("data.names[%d] is %s, not a string", i, value.Kind(name))
			}
			m.Names = append(m.Names, text)
		}
	}
	m.Kind = ""
	for _, key := range []string{"ndarray", "tensor", "tftensor"} {
		payload, ok := data[key]
		if !ok || payload == nil {
			continue
		}
		if m.Kind != "" {
			return schemaErrorf("data has both %s and %s", m.Kind, key)
		}
		m.Kind = key
		var err error
		switch key {
		case "ndarray":
			if _, ok := payload.([]any); !ok {
				return schemaErrorf("data.ndarray is %s, not an array", value.Kind(payload))
			}
			m.Value = payload
		case "tensor":
			m.Value, err = readTensor(payload)
		case "tftensor":
			m.Value, err = readTFTensor(payload)
		}
		if err != nil {
			return err
		}
	}
	if m.Kind == "" {
		return schemaErrorf("data has none of ndarray, tensor and tftensor")
	}
	return nil
}

func readTensor(payload any) (any, error) {
	object, ok := payload.(map[string]any)
	if !ok {
		return nil, schemaErrorf("data.tensor is %s, not an object", value.Kind(payload))
	}
	values, err := numbers("data.tensor.values", object["values"])
	if err != nil {
		return nil, err
	}
	shape, err := readShape("data.tensor.shape", object["shape"])
	if err != nil {
		return nil, err
	}
	if shape == nil {
		shape = []int{len(values)}
	}
	out, err := Reshape(values, shape)
	if err != nil {
		return nil, schemaErrorf("data.tensor: %w", err)
	}
	return out, nil
}

// readShape reads dimensions, as numbers or as protobuf's JSON writes them.
func readShape(where string, v any) ([]int, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, schemaErrorf("%s is %s, not an array", where, value.Kind(v))
	}
	shape := make([]int, len(list))
	for i, item := range list {
		f, ok := value.Float(item)
		if text, isText := item.(string); isText {
			number, _ := value.ParseNumber(text)
			f, ok = value.Float(number)
		}
		if !ok || f != float64(int(f)) || f < 0 || f > 1<<31 {
			return nil, schemaErrorf("%s[%d] is %s, not a whole number from 0", where, i, value.String(item, 40))
		}
		shape[i] = int(f)
	}
	return shape, nil
}

// numbers reads an array of numbers, in which protobuf's JSON may have written
// some as strings.
func numbers(where string, v any) ([]any, error) {
	if v == nil {
		return []any{}, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, schemaErrorf("%s is %s, not an array", where, value.Kind(v))
	}
	out := list
	for i, item := range list {
		if _, ok := value.Float(item); ok {
			continue
		}
		text, _ := item.(string)
		number, ok := value.ParseNumber(text)
		if !ok {
			return nil, schemaErrorf("%s[%d] is %s, not a number", where, i, value.String(item, 40))
		}
		if len(list) > 0 && &out[0] == &list[0] {
			out = slices.Clone(list)
		}
		out[i] = number
	}
	return out, nil
}

// readStatus reads Seldon's status, whose flag is FAILURE or 1. Nil: no failure.
func readStatus(v any) *Failure {
	object, ok := v.(map[string]any)
	if !ok {
		if failed(v) {
			return &Failure{}
		}
		return nil
	}
	if !failed(object["status"]) {
		return nil
	}
	f := &Failure{}
	if code, ok := value.Float(object["code"]); ok {
		f.Code = int(code)
	}
	f.Info, _ = object["info"].(string)
	f.Reason, _ = object["reason"].(string)
	return f
}

func failed(flag any) bool {
	if text, ok := flag.(string); ok {
		return strings.EqualFold(text, "FAILURE") || text == "1"
	}
	f, ok := value.Float(flag)
	return ok && f == 1
}

// ReadData reads the data of a Seldon message in its JSON form: which kind of
// array it has, and its values as nested arrays.
func ReadData(data map[string]any) (kind string, v any, err error) {
	m := &Message{}
	err = m.readData(data)
	return m.Kind, m.Value, err
}
