package seldonclient

import (
	"net/http"
	"strconv"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/model-delivery/model-delivery/steps/seldonclient/inferencepb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/seldonpb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// read reads an answer and holds what every answer's message has to hold: a
// kind where there is a payload, and values that can be shown and sorted into rows.
func read(t *testing.T, a *Answer) {
	m, err := a.Message()
	if err != nil {
		if m != nil {
			t.Errorf("both %+v and error %v", m, err)
		}
		return
	}
	if m.Kind == "" && m.Value != nil {
		t.Errorf("a value of no kind: %+v", m)
	}
	text := value.Append(nil, m.Value)
	if _, err := value.Decode(text); err != nil {
		t.Errorf("%s is read, but not read again: %v", text, err)
	}
	Flatten(m.Value)
	_, _ = ShapeOf(m.Value)
	for _, o := range m.Outputs {
		if shape, err := ShapeOf(o.Value); err == nil && len(o.Shape) == len(shape) {
			for i := range shape {
				if shape[i] != o.Shape[i] {
					t.Errorf("output %q has shape %v, its values %v", o.Name, o.Shape, shape)
				}
			}
		}
	}
}

func FuzzSeldonAnswer(f *testing.F) {
	for _, text := range []string{
		`{"data":{"names":["a"],"ndarray":[[1,NaN],["x",null]]},"meta":{"requestPath":{"m":"i"}}}`, `{"data":{"tensor":{"shape":["2",1],"values":[1,"Infinity"]}}}`,
		`{"data":{"tftensor":{"dtype":"DT_FLOAT","tensorShape":{"dim":[{"size":"1"}]},"floatVal":[1]}}}`, `{"strData":"x"}`, `{"binData":"AA=="}`,
		`{"jsonData":null}`, `{"status":{"status":"FAILURE","code":1}}`, `<html><title>x</title>`, ``, `{"data":{"tensor":{"shape":[0,3],"values":[]}}}`,
		`{"data":{"tftensor":{"dtype":"DT_DOUBLE","tensorShape":{"dim":[{"size":"2"}]},"tensorContent":"AAAAAAAA8D8AAAAAAADwPw=="}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		read(t, &Answer{Status: 200, Body: body, protocol: Seldon, method: Predict})
	})
}

func FuzzV2Answer(f *testing.F) {
	f.Add([]byte(`{"model_name":"m","outputs":[{"name":"o","datatype":"FP64","shape":[2,1],"data":[1,2]}]}`), 0)
	f.Add([]byte(`{"outputs":[{"name":"o","datatype":"FP64","shape":[1],"parameters":{"binary_data_size":8}}]}12345678`), 89)
	f.Add([]byte(`{"outputs":[{"name":"o","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}]}`+"\x01\x00\x00\x00x"), 90)
	f.Add([]byte(`{"error":{"code":1}}`), 0)
	f.Fuzz(func(t *testing.T, body []byte, header int) {
		a := &Answer{Status: 200, Body: body, Header: http.Header{}, protocol: V2, method: Predict}
		if header != 0 {
			a.Header.Set(headerLength, strconv.Itoa(header))
		}
		read(t, a)
	})
}

func FuzzTensorFlowAnswer(f *testing.F) {
	f.Add([]byte(`{"predictions":[[1,2],[3,4]]}`))
	f.Add([]byte(`{"outputs":{"a":[1]}}`))
	f.Add([]byte(`{"error":"no"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		read(t, &Answer{Status: 200, Body: body, protocol: TensorFlow, method: Predict})
	})
}

// FuzzMessages reads what servers of both protocols may send over gRPC.
func FuzzMessages(f *testing.F) {
	tensor, _ := proto.Marshal(&seldonpb.SeldonMessage{DataOneof: &seldonpb.SeldonMessage_Data{Data: &seldonpb.DefaultData{
		DataOneof: &seldonpb.DefaultData_Tensor{Tensor: &seldonpb.Tensor{Shape: []int32{1, 2}, Values: []float64{1, 2}}}}}})
	output, _ := proto.Marshal(&inferencepb.ModelInferResponse{
		Outputs: []*inferencepb.ModelInferResponse_InferOutputTensor{{Name: "o", Datatype: "FP32", Shape: []int64{1}}}, RawOutputContents: [][]byte{{0, 0, 128, 63}}})
	f.Add(tensor, false)
	f.Add(output, true)
	f.Fuzz(func(t *testing.T, wire []byte, v2 bool) {
		var m proto.Message = &seldonpb.SeldonMessage{}
		protocol := Seldon
		if v2 {
			m, protocol = &inferencepb.ModelInferResponse{}, V2
		}
		tree, err := treeOf(wire, m)
		if err != nil {
			return
		}
		read(t, &Answer{Status: 200, Body: value.Append(nil, tree), tree: tree, protocol: protocol, method: Predict})
	})
}
