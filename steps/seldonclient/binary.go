package seldonclient

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// typeSizes are the bytes that one element of a V2 datatype takes.
var typeSizes = map[string]int{
	"BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8,
	"FP16": 2, "BF16": 2, "FP32": 4, "FP64": 8,
}

// decodeRaw reads a tensor in binary form: little-endian elements, or for
// BYTES each with four bytes of length before it.
func decodeRaw(datatype string, raw []byte) ([]any, error) {
	if datatype == "BYTES" {
		return decodeStrings(raw)
	}
	size, ok := typeSizes[datatype]
	if !ok {
		return nil, fmt.Errorf("datatype %q is not known", datatype)
	}
	if len(raw)%size != 0 {
		return nil, fmt.Errorf("%d bytes are no whole number of %s", len(raw), datatype)
	}
	if len(raw)/size > value.MaxValues {
		return nil, fmt.Errorf("%d values of %s are more than the %d that are read", len(raw)/size, datatype, value.MaxValues)
	}
	out := make([]any, 0, len(raw)/size)
	for ; len(raw) > 0; raw = raw[size:] {
		out = append(out, decodeElement(datatype, raw))
	}
	return out, nil
}

func decodeElement(datatype string, raw []byte) any {
	le := binary.LittleEndian
	switch datatype {
	case "BOOL":
		return raw[0] != 0
	case "UINT8":
		return float64(raw[0])
	case "UINT16":
		return float64(le.Uint16(raw))
	case "UINT32":
		return float64(le.Uint32(raw))
	case "UINT64":
		return value.FromUint(le.Uint64(raw))
	case "INT8":
		return float64(int8(raw[0]))
	case "INT16":
		return float64(int16(le.Uint16(raw)))
	case "INT32":
		return float64(int32(le.Uint32(raw)))
	case "INT64":
		return value.FromInt(int64(le.Uint64(raw)))
	case "FP16":
		return float16(le.Uint16(raw))
	case "BF16":
		return bfloat16(le.Uint16(raw))
	case "FP32":
		return widen(math.Float32frombits(le.Uint32(raw)))
	}
	return math.Float64frombits(le.Uint64(raw))
}

// widen returns the float64 that the shortest decimal form of f stands for, so
// that 0.1 sent in 32 bits is 0.1 and equals what REST writes.
func widen(f float32) float64 {
	if d := float64(f); math.IsNaN(d) || math.IsInf(d, 0) || d == math.Trunc(d) && math.Abs(d) < 1<<24 {
		return d
	}
	return shortest(f)
}

func decodeStrings(raw []byte) ([]any, error) {
	out := []any{}
	for len(raw) > 0 {
		if len(raw) < 4 {
			return nil, fmt.Errorf("the length of a string is cut off")
		}
		n := binary.LittleEndian.Uint32(raw)
		raw = raw[4:]
		if uint64(n) > uint64(len(raw)) {
			return nil, fmt.Errorf("a string of %d bytes has %d left", n, len(raw))
		}
		out = append(out, string(raw[:n]))
		raw = raw[n:]
	}
	return out, nil
}

// encodeRaw writes a tensor's elements in binary form.
func encodeRaw(datatype string, values []any) ([]byte, error) {
	var out []byte
	for i, v := range values {
		switch datatype {
		case "BYTES":
			raw, err := bytesOf(v)
			if err != nil {
				return nil, fmt.Errorf("data[%d] %w", i, err)
			}
			out = append(binary.LittleEndian.AppendUint32(out, uint32(len(raw))), raw...)
			continue
		case "BOOL":
			b, ok := v.(bool)
			if !ok {
				return nil, fmt.Errorf("data[%d] is %s, not a boolean", i, value.Kind(v))
			}
			out = append(out, map[bool]byte{true: 1}[b])
			continue
		}
		var err error
		if out, err = appendElement(out, datatype, v); err != nil {
			return nil, fmt.Errorf("data[%d]: %w", i, err)
		}
	}
	return out, nil
}

func appendElement(out []byte, datatype string, v any) ([]byte, error) {
	f, ok := value.Float(v)
	if !ok {
		return nil, fmt.Errorf("%s is not a number", value.String(v, 40))
	}
	if !holds(datatype, v) {
		return nil, fmt.Errorf("%s is no %s", value.String(v, 40), datatype)
	}
	le := binary.LittleEndian
	switch datatype {
	case "UINT8", "INT8":
		return append(out, byte(int64(f))), nil
	case "UINT16", "INT16":
		return le.AppendUint16(out, uint16(int64(f))), nil
	case "UINT32", "INT32":
		return le.AppendUint32(out, uint32(int64(f))), nil
	case "UINT64":
		return le.AppendUint64(out, asUint(v)), nil
	case "INT64":
		return le.AppendUint64(out, uint64(asInt(v))), nil
	case "FP16":
		return le.AppendUint16(out, toFloat16(f)), nil
	case "BF16":
		return le.AppendUint16(out, uint16(math.Float32bits(float32(f))>>16)), nil
	case "FP32":
		return le.AppendUint32(out, math.Float32bits(float32(f))), nil
	case "FP64":
		return le.AppendUint64(out, math.Float64bits(f)), nil
	}
	return nil, fmt.Errorf("datatype %q is not known", datatype)
}

// holds tells whether a number is one of a datatype's: integers have bounds and
// no fractions. Datatypes of floating point hold any, if not exactly.
func holds(datatype string, v any) bool {
	size, integer := strings.CutPrefix(datatype, "INT")
	if !integer {
		if size, integer = strings.CutPrefix(datatype, "UINT"); !integer {
			return true
		}
	}
	whole := new(big.Int)
	switch n := v.(type) {
	case int64:
		whole.SetInt64(n)
	case uint64:
		whole.SetUint64(n)
	case float64:
		if n != math.Trunc(n) || math.Abs(n) > 1<<53 {
			return false
		}
		whole.SetInt64(int64(n))
	default:
		return false
	}
	bits, err := strconv.Atoi(size)
	if err != nil {
		return true // no datatype, which is told elsewhere
	}
	if strings.HasPrefix(datatype, "UINT") {
		return whole.Sign() >= 0 && whole.BitLen() <= bits
	}
	if whole.Sign() < 0 {
		whole.Not(whole) // -128 needs as many bits as 127
	}
	return whole.BitLen() < bits
}

func asInt(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case uint64:
		return int64(n)
	}
	f, _ := value.Float(v)
	return int64(f)
}

func asUint(v any) uint64 {
	switch n := v.(type) {
	case int64:
		return uint64(n)
	case uint64:
		return n
	}
	f, _ := value.Float(v)
	return uint64(f)
}

func bytesOf(v any) ([]byte, error) {
	switch x := v.(type) {
	case string:
		return []byte(x), nil
	case []byte:
		return x, nil
	}
	return nil, fmt.Errorf("is %s, not a string", value.Kind(v))
}

// encodeBinary writes a V2 request whose tensors follow the JSON in binary
// form. It returns the body and how long its JSON part is.
func encodeBinary(body any) ([]byte, int, error) {
	object, ok := body.(map[string]any)
	if !ok {
		return nil, 0, fmt.Errorf("a request of V2 is an object, this is %s", value.Kind(body))
	}
	inputs, _ := object["inputs"].([]any)
	head := map[string]any{}
	for key, v := range object {
		head[key] = v
	}
	var tail []byte
	var described []any
	for i, item := range inputs {
		input, _ := item.(map[string]any)
		datatype, _ := input["datatype"].(string)
		raw, err := encodeRaw(datatype, Flatten(input["data"]))
		if err != nil {
			return nil, 0, fmt.Errorf("inputs[%d]: %w", i, err)
		}
		parameters := map[string]any{}
		if given, ok := input["parameters"].(map[string]any); ok {
			for key, v := range given {
				parameters[key] = v
			}
		}
		parameters["binary_data_size"] = float64(len(raw))
		described = append(described, map[string]any{
			"name": input["name"], "datatype": input["datatype"], "shape": input["shape"], "parameters": parameters,
		})
		tail = append(tail, raw...)
	}
	head["inputs"] = described
	parameters := map[string]any{"binary_data_output": true}
	if given, ok := object["parameters"].(map[string]any); ok {
		for key, v := range given {
			parameters[key] = v
		}
	}
	head["parameters"] = parameters
	text := value.Append(nil, head)
	return append(text, tail...), len(text), nil
}
