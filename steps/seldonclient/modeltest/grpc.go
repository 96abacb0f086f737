package modeltest

import (
	"context"
	"encoding/json"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/model-delivery/model-delivery/steps/seldonclient/inferencepb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/seldonpb"
)

func (s *Server) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	n := int(s.calls.Add(1))
	if s.options.GRPCFault != nil {
		if err := s.options.GRPCFault(n, info.FullMethod); err != nil {
			return nil, err
		}
	}
	return handle(ctx, req)
}

// seldonService is Seldon's prediction service.
type seldonService struct {
	seldonpb.UnimplementedSeldonServer
	server *Server
}

// Predict answers by way of the messages' JSON form.
func (s seldonService) Predict(_ context.Context, in *seldonpb.SeldonMessage) (*seldonpb.SeldonMessage, error) {
	body, err := protojson.Marshal(in)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	answer, err := s.server.predict(body)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	out := &seldonpb.SeldonMessage{}
	if err := protojson.Unmarshal(text, out); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return out, nil
}

// SendFeedback takes any feedback.
func (s seldonService) SendFeedback(context.Context, *seldonpb.Feedback) (*seldonpb.SeldonMessage, error) {
	return &seldonpb.SeldonMessage{}, nil
}

// ModelMetadata describes the model.
func (s seldonService) ModelMetadata(_ context.Context, in *seldonpb.SeldonModelMetadataRequest) (*seldonpb.SeldonModelMetadata, error) {
	return &seldonpb.SeldonModelMetadata{Name: in.GetName(), Versions: []string{s.server.options.Version}, Platform: "go"}, nil
}

// GraphMetadata describes a graph of one model.
func (s seldonService) GraphMetadata(context.Context, *emptypb.Empty) (*seldonpb.SeldonGraphMetadata, error) {
	return &seldonpb.SeldonGraphMetadata{Name: s.server.options.Name}, nil
}

// inferenceService is that of V2.
type inferenceService struct {
	inferencepb.UnimplementedGRPCInferenceServiceServer
	server *Server
}

// ServerLive tells that the server is up.
func (s inferenceService) ServerLive(context.Context, *inferencepb.ServerLiveRequest) (*inferencepb.ServerLiveResponse, error) {
	return &inferencepb.ServerLiveResponse{Live: true}, nil
}

// ModelReady knows one model.
func (s inferenceService) ModelReady(_ context.Context, in *inferencepb.ModelReadyRequest) (*inferencepb.ModelReadyResponse, error) {
	if in.GetName() != s.server.options.Name {
		return nil, status.Errorf(codes.NotFound, "model %s not found", in.GetName())
	}
	return &inferencepb.ModelReadyResponse{Ready: true}, nil
}

// ServerMetadata describes the server.
func (s inferenceService) ServerMetadata(context.Context, *inferencepb.ServerMetadataRequest) (*inferencepb.ServerMetadataResponse, error) {
	return &inferencepb.ServerMetadataResponse{Name: "modeltest", Version: "1"}, nil
}

// ModelMetadata describes the model.
func (s inferenceService) ModelMetadata(_ context.Context, in *inferencepb.ModelMetadataRequest) (*inferencepb.ModelMetadataResponse, error) {
	return &inferencepb.ModelMetadataResponse{Name: in.GetName(), Versions: []string{s.server.options.Version}, Platform: "go"}, nil
}

// ModelInfer answers one input, typed or raw, in the way that it came.
func (s inferenceService) ModelInfer(_ context.Context, in *inferencepb.ModelInferRequest) (*inferencepb.ModelInferResponse, error) {
	if in.GetModelName() != s.server.options.Name {
		return nil, status.Errorf(codes.NotFound, "model %s not found", in.GetModelName())
	}
	if len(in.GetInputs()) != 1 {
		return nil, status.Errorf(codes.InvalidArgument, "one input is needed, got %d", len(in.GetInputs()))
	}
	input := in.GetInputs()[0]
	t := tensor{Name: input.GetName(), Datatype: input.GetDatatype()}
	for _, n := range input.GetShape() {
		t.Shape = append(t.Shape, int(n))
	}
	contents := input.GetContents()
	for _, v := range contents.GetFp64Contents() {
		t.Data = append(t.Data, v)
	}
	for _, v := range contents.GetFp32Contents() {
		t.Data = append(t.Data, float64(v))
	}
	for _, v := range contents.GetInt64Contents() {
		t.Data = append(t.Data, float64(v))
	}
	for _, v := range contents.GetBytesContents() {
		t.Data = append(t.Data, string(v))
	}
	raw := in.GetRawInputContents()
	if len(raw) > 0 {
		t.Data = decodeFP64(raw[0])
	}
	answer, err := s.server.answer(t)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	out := &inferencepb.ModelInferResponse_InferOutputTensor{Name: answer.Name, Datatype: answer.Datatype}
	for _, n := range answer.Shape {
		out.Shape = append(out.Shape, int64(n))
	}
	response := &inferencepb.ModelInferResponse{
		ModelName: in.GetModelName(), ModelVersion: s.server.options.Version, Id: in.GetId(), Outputs: []*inferencepb.ModelInferResponse_InferOutputTensor{out},
	}
	if len(raw) > 0 {
		response.RawOutputContents = [][]byte{encodeFP64(answer.Data)}
		return response, nil
	}
	out.Contents = &inferencepb.InferTensorContents{}
	for _, v := range answer.Data {
		switch x := v.(type) {
		case string:
			out.Contents.BytesContents = append(out.Contents.BytesContents, []byte(x))
		case float64:
			out.Contents.Fp64Contents = append(out.Contents.Fp64Contents, x)
		}
	}
	return response, nil
}
