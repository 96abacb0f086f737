package seldonclient

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/model-delivery/model-delivery/steps/seldonclient/inferencepb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/seldonpb"
)

// answerOf is an answer over gRPC that has come but is not decoded.
func answerOf(t *testing.T, m proto.Message, protocol Protocol) *Answer {
	t.Helper()
	wire, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	i := &invocation{client: &grpcClient{large: make(chan struct{}, 1)}, answer: func() proto.Message { return m.ProtoReflect().New().Interface() }}
	a := &Answer{Status: 200, protocol: protocol, method: Predict, wire: wire}
	i.decode(a)
	return a
}

// ndarray is an answer of Seldon with values.
func ndarray(values []*structpb.Value) *seldonpb.SeldonMessage {
	return &seldonpb.SeldonMessage{DataOneof: &seldonpb.SeldonMessage_Data{Data: &seldonpb.DefaultData{
		DataOneof: &seldonpb.DefaultData_Ndarray{Ndarray: &structpb.ListValue{Values: values}}}}}
}

func TestLargeMessages(t *testing.T) {
	t.Parallel()
	const many = 1_250_000 // some 16 MiB of numbers
	lists, numbers := make([]*structpb.Value, 2*many), make([]*structpb.Value, many)
	empty, number := structpb.NewListValue(&structpb.ListValue{}), structpb.NewNumberValue(0.25)
	for i := range many {
		lists[i], lists[many+i], numbers[i] = empty, empty, number
	}
	contents := func(c *inferencepb.InferTensorContents) proto.Message {
		return &inferencepb.ModelInferResponse{Outputs: []*inferencepb.ModelInferResponse_InferOutputTensor{{Name: "o", Datatype: "INT64", Shape: []int64{9 << 20}, Contents: c}}}
	}
	for name, tc := range map[string]struct {
		message  proto.Message
		protocol Protocol
		says     string
	}{
		"numbers":     {ndarray(numbers), Seldon, ""},
		"empty lists": {ndarray(lists), Seldon, "more than 256 MiB of memory"},
		"integers":    {contents(&inferencepb.InferTensorContents{Int64Contents: make([]int64, 9<<20)}), V2, "more than 256 MiB of memory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := answerOf(t, tc.message, tc.protocol)
			if !a.Large() || len(a.Body) > shownBody || a.tree != nil {
				t.Errorf("%d bytes of the answer are kept", len(a.Body))
			}
			m, err := a.Message()
			if tc.says != "" {
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("error %v, want %q", err, tc.says)
				}
				return
			}
			if err != nil || len(m.Value.([]any)) != many {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestManyBinaryValues(t *testing.T) {
	t.Parallel()
	if _, err := decodeRaw("UINT8", make([]byte, 5<<20)); err == nil || !strings.Contains(err.Error(), "more than the") {
		t.Errorf("error %v", err)
	}
	if values, err := decodeRaw("FP32", make([]byte, 16<<20)); err != nil || len(values) != 4<<20 {
		t.Errorf("%d values, error %v", len(values), err)
	}
}
