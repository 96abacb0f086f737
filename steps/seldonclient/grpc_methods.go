package seldonclient

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/model-delivery/model-delivery/steps/seldonclient/inferencepb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/seldonpb"
)

// wireCodec hands messages through as the bytes that they are: requests are
// encoded once however often they are sent, and answers that are known need not
// be decoded.
type wireCodec struct{}

// Marshal takes a []byte.
func (wireCodec) Marshal(v any) (mem.BufferSlice, error) {
	data, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("a request is %T, not bytes", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

// Unmarshal fills a *[]byte.
func (wireCodec) Unmarshal(data mem.BufferSlice, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("an answer is %T, not bytes", v)
	}
	*into = data.Materialize()
	return nil
}

// Name is what the bytes are.
func (wireCodec) Name() string { return "proto" }

// rpc is a method of a service, what is sent to it, and what it answers.
type rpc struct {
	name    string
	request proto.Message
	answer  func() proto.Message
}

// Supports tells whether a protocol has a method over a transport.
func Supports(p Protocol, t Transport, m Method) bool {
	if t != GRPC {
		_, err := Target{Model: "model"}.api(p, m)
		return err == nil
	}
	switch p {
	case Seldon:
		return m == Predict || m == Feedback || m == Metadata
	case V2:
		return m != Feedback && m != Explain
	}
	return false
}

func (c *grpcClient) seldonMethod(call Call) (rpc, error) {
	message := func() proto.Message { return &seldonpb.SeldonMessage{} }
	switch call.Method {
	case Predict:
		request, err := toSeldonMessage(call.Body)
		return rpc{seldonpb.Seldon_Predict_FullMethodName, request, message}, err
	case Feedback:
		request, err := toFeedback(call.Body)
		return rpc{seldonpb.Seldon_SendFeedback_FullMethodName, request, message}, err
	case Metadata:
		if c.options.Target.Model == "" {
			return rpc{seldonpb.Seldon_GraphMetadata_FullMethodName, &emptypb.Empty{}, func() proto.Message { return &seldonpb.SeldonGraphMetadata{} }}, nil
		}
		request := &seldonpb.SeldonModelMetadataRequest{Name: c.options.Target.Model}
		return rpc{seldonpb.Seldon_ModelMetadata_FullMethodName, request, func() proto.Message { return &seldonpb.SeldonModelMetadata{} }}, nil
	}
	return rpc{}, fmt.Errorf("protocol seldon has no method %s over gRPC", call.Method)
}

func (c *grpcClient) v2Method(call Call) (rpc, error) {
	target := c.options.Target
	if target.Model == "" && call.Method != Live && call.Method != ServerMetadata {
		return rpc{}, fmt.Errorf("protocol v2 needs the name of the model")
	}
	switch call.Method {
	case Predict:
		request, err := toInferRequest(call.Body, target, call.Binary)
		return rpc{inferencepb.GRPCInferenceService_ModelInfer_FullMethodName, request, func() proto.Message { return &inferencepb.ModelInferResponse{} }}, err
	case Live:
		return rpc{inferencepb.GRPCInferenceService_ServerLive_FullMethodName, &inferencepb.ServerLiveRequest{}, func() proto.Message { return &inferencepb.ServerLiveResponse{} }}, nil
	case Ready:
		request := &inferencepb.ModelReadyRequest{Name: target.Model, Version: target.Version}
		return rpc{inferencepb.GRPCInferenceService_ModelReady_FullMethodName, request, func() proto.Message { return &inferencepb.ModelReadyResponse{} }}, nil
	case Metadata:
		request := &inferencepb.ModelMetadataRequest{Name: target.Model, Version: target.Version}
		return rpc{inferencepb.GRPCInferenceService_ModelMetadata_FullMethodName, request, func() proto.Message { return &inferencepb.ModelMetadataResponse{} }}, nil
	case ServerMetadata:
		return rpc{inferencepb.GRPCInferenceService_ServerMetadata_FullMethodName, &inferencepb.ServerMetadataRequest{}, func() proto.Message { return &inferencepb.ServerMetadataResponse{} }}, nil
	}
	return rpc{}, fmt.Errorf("protocol v2 has no method %s over gRPC", call.Method)
}
