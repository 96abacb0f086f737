package seldonclient

import (
	"math"
	"testing"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// TestTensorTypes: values of every datatype of V2 come back as they were sent,
// as binary data and in gRPC's typed contents.
func TestTensorTypes(t *testing.T) {
	t.Parallel()
	for datatype, text := range map[string]string{
		"BOOL": `[true,false]`, "INT8": `[-128,127]`, "INT16": `[-32768,32767]`, "INT32": `[-2147483648,2147483647]`,
		"INT64": `[-9223372036854775808,9223372036854775807]`, "UINT8": `[0,255]`, "UINT16": `[0,65535]`, "UINT32": `[0,4294967295]`,
		"UINT64": `[0,18446744073709551615]`, "FP16": `[0.5,-65504,Infinity]`, "BF16": `[1,-2.5,0]`, "FP32": `[0.1,-3.4028235e+38,NaN]`,
		"FP64": `[0.1,1.7976931348623157e+308,-Infinity]`, "BYTES": `["","grüße","a\nb"]`,
	} {
		t.Run(datatype, func(t *testing.T) {
			t.Parallel()
			want, err := value.Decode([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			raw, err := encodeRaw(datatype, want.([]any))
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeRaw(datatype, raw)
			if err != nil || !alike(got, want.([]any)) {
				t.Errorf("as binary data: got %s, error %v, want %s", value.String(got, 0), err, text)
			}
			if _, err := decodeRaw(datatype, append(raw, 1)); err == nil && datatype != "BOOL" && datatype != "INT8" && datatype != "UINT8" {
				t.Error("a byte too many is not noticed")
			}
			if datatype == "FP16" || datatype == "BF16" {
				return // gRPC has no typed contents for them
			}
			contents, err := toContents(datatype, want.([]any))
			if err != nil {
				t.Fatal(err)
			}
			if got := fromContents(contents); !alike(got, want.([]any)) {
				t.Errorf("as contents: got %s, want %s", value.String(got, 0), text)
			}
		})
	}
}

func alike(got, want []any) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range want {
		if _, number := value.Float(want[i]); number {
			if f, ok := want[i].(float64); ok && math.IsInf(f, 0) {
				if g, ok := got[i].(float64); !ok || g != f {
					return false
				}
			} else if !value.Equal(got[i], want[i]) {
				return false
			}
		} else if got[i] != want[i] {
			return false
		}
	}
	return true
}

// TestOutOfRange: a number that a datatype cannot hold is not bent into one.
func TestOutOfRange(t *testing.T) {
	t.Parallel()
	for datatype, v := range map[string]any{
		"INT8": 128.0, "UINT8": -1.0, "INT32": 2147483648.0, "UINT32": -1.0, "INT64": uint64(1) << 63, "UINT64": -1.0, "INT16": 0.5, "BOOL": 1.0, "BYTES": 1.0, "FP64": "1",
	} {
		if raw, err := encodeRaw(datatype, []any{v}); err == nil {
			t.Errorf("%v is sent as %s: % x", v, datatype, raw)
		}
		if contents, err := toContents(datatype, []any{v}); err == nil {
			t.Errorf("%v is sent as %s: %v", v, datatype, contents)
		}
	}
}

// TestTFTensor reads what TensorFlow writes, in its many spellings.
func TestTFTensor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"float":          {`{"dtype":"DT_FLOAT","tensorShape":{"dim":[{"size":"1"},{"size":"2"}]},"floatVal":[0.5,1]}`, `[[0.5,1]]`},
		"by number":      {`{"dtype":1,"tensor_shape":{"dim":[{"size":2}]},"float_val":[0.5,1]}`, `[0.5,1]`},
		"shortened":      {`{"dtype":"DT_INT32","tensorShape":{"dim":[{"size":"3"}]},"intVal":[7]}`, `[7,7,7]`},
		"content":        {`{"dtype":"DT_DOUBLE","tensorShape":{"dim":[{"size":"1"}]},"tensorContent":"AAAAAAAA8D8="}`, `[1]`},
		"text":           {`{"dtype":"DT_STRING","tensorShape":{"dim":[{"size":"1"}]},"stringVal":["c3BhY2U="]}`, `["space"]`},
		"scalar":         {`{"dtype":"DT_BOOL","tensorShape":{},"boolVal":[true]}`, `true`},
		"large integers": {`{"dtype":"DT_INT64","tensorShape":{"dim":[{"size":"1"}]},"int64Val":["9007199254740993"]}`, `[9007199254740993]`},
		"blown up":       {`{"dtype":"DT_FLOAT","tensorShape":{"dim":[{"size":"4000"},{"size":"4000"}]},"floatVal":[1]}`, ""},
		"too little":     {`{"dtype":"DT_DOUBLE","tensorShape":{"dim":[{"size":"1"}]},"tensorContent":"AAAA"}`, ""},
		"no type":        {`{"tensorShape":{}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &Answer{Status: 200, Body: []byte(`{"data":{"tftensor":` + tc.text + `}}`), protocol: Seldon, method: Predict}
			m, err := a.Message()
			if tc.want == "" {
				if err == nil {
					t.Errorf("read as %s", value.String(m.Value, 100))
				}
				return
			}
			if err != nil || value.String(m.Value, 0) != tc.want {
				t.Errorf("got %+v, error %v, want %s", m, err, tc.want)
			}
		})
	}
}
