package seldonclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/model-delivery/model-delivery/steps/seldonclient/inferencepb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/seldonpb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

type grpcClient struct {
	options Options
	conn    *grpc.ClientConn
	seldon  seldonpb.SeldonClient
	v2      inferencepb.GRPCInferenceServiceClient
	headers metadata.MD
}

func newGRPC(o Options) (*grpcClient, error) {
	address, secure, err := o.Target.grpcAddress()
	if err != nil {
		return nil, err
	}
	creds := insecure.NewCredentials()
	if secure || o.TLS != nil {
		creds = credentials.NewTLS(o.TLS)
	}
	size := int(min(o.MaxResponse, 1<<31-1))
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(creds), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithUserAgent("model-delivery"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(size), grpc.MaxCallSendMsgSize(1<<31-1)),
	}
	if o.Host != "" {
		dial = append(dial, grpc.WithAuthority(o.Host))
	}
	conn, err := grpc.NewClient(address, dial...)
	if err != nil {
		return nil, fmt.Errorf("prepare a gRPC connection to %s: %w", o.Target.Endpoint, err)
	}
	c := &grpcClient{options: o, conn: conn, seldon: seldonpb.NewSeldonClient(conn), v2: inferencepb.NewGRPCInferenceServiceClient(conn), headers: metadata.MD{}}
	if o.Target.Gateway != NoGateway && o.Target.Gateway != "" {
		c.headers.Set("seldon", o.Target.Deployment)
		c.headers.Set("namespace", o.Target.Namespace)
	}
	for _, headers := range []http.Header{o.Auth.headers(), o.Headers} {
		for name, values := range headers {
			c.headers.Set(strings.ToLower(name), values...)
		}
	}
	return c, nil
}

// invocation is a gRPC call that is ready to be made.
type invocation struct {
	client  *grpcClient
	method  Method
	headers metadata.MD
	timeout time.Duration
	invoke  func(ctx context.Context, opts ...grpc.CallOption) (proto.Message, error)
}

func (c *grpcClient) prepare(call Call) (Prepared, error) {
	if call.Raw != nil {
		return nil, fmt.Errorf("a raw body can be sent over REST only")
	}
	i := &invocation{client: c, method: call.Method, headers: c.headers, timeout: call.Timeout}
	if len(call.Headers) > 0 {
		i.headers = c.headers.Copy()
		for name, values := range call.Headers {
			i.headers.Set(strings.ToLower(name), values...)
		}
	}
	var err error
	if c.options.Protocol == V2 {
		i.invoke, err = c.invokeV2(call)
	} else {
		i.invoke, err = c.invokeSeldon(call)
	}
	return i, err
}

type invoker = func(ctx context.Context, opts ...grpc.CallOption) (proto.Message, error)

func (c *grpcClient) invokeSeldon(call Call) (invoker, error) {
	switch call.Method {
	case Predict:
		request, err := toSeldonMessage(call.Body)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, opts ...grpc.CallOption) (proto.Message, error) {
			return c.seldon.Predict(ctx, request, opts...)
		}, nil
	case Feedback:
		request, err := toFeedback(call.Body)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, opts ...grpc.CallOption) (proto.Message, error) {
			return c.seldon.SendFeedback(ctx, request, opts...)
		}, nil
	case Metadata:
		if c.options.Target.Model == "" {
			return func(ctx context.Context, opts ...grpc.CallOption) (proto.Message, error) {
				return c.seldon.GraphMetadata(ctx, &emptypb.Empty{}, opts...)
			}, nil
		}
		request := &seldonpb.SeldonModelMetadataRequest{Name: c.options.Target.Model}
		return func(ctx context.Context, opts ...grpc.CallOption) (proto.Message, error) {
			return c.seldon.ModelMetadata(ctx, request, opts...)
		}, nil
	}
	return nil, fmt.Errorf("protocol seldon has no method %s over gRPC", call.Method)
}

func (c *grpcClient) invokeV2(call Call) (invoker, error) {
	target := c.options.Target
	if target.Model == "" && call.Method != Live && call.Method != ServerMetadata {
		return nil, fmt.Errorf("protocol v2 needs the name of the model")
	}
	switch call.Method {
	case Predict:
		request, err := toInferRequest(call.Body, target, call.Binary)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, opts ...grpc.CallOption) (proto.Message, error) {
			return c.v2.ModelInfer(ctx, request, opts...)
		}, nil
	case Live:
		return func(ctx context.Context, opts ...grpc.CallOption) (proto.Message, error) {
			return c.v2.ServerLive(ctx, &inferencepb.ServerLiveRequest{}, opts...)
		}, nil
	case Ready:
		request := &inferencepb.ModelReadyRequest{Name: target.Model, Version: target.Version}
		return func(ctx context.Context, opts ...grpc.CallOption) (proto.Message, error) {
			return c.v2.ModelReady(ctx, request, opts...)
		}, nil
	case Metadata:
		request := &inferencepb.ModelMetadataRequest{Name: target.Model, Version: target.Version}
		return func(ctx context.Context, opts ...grpc.CallOption) (proto.Message, error) {
			return c.v2.ModelMetadata(ctx, request, opts...)
		}, nil
	case ServerMetadata:
		return func(ctx context.Context, opts ...grpc.CallOption) (proto.Message, error) {
			return c.v2.ServerMetadata(ctx, &inferencepb.ServerMetadataRequest{}, opts...)
		}, nil
	}
	return nil, fmt.Errorf("protocol v2 has no method %s over gRPC", call.Method)
}

// Do makes the call.
func (i *invocation) Do(ctx context.Context) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	if len(i.headers) > 0 {
		ctx = metadata.NewOutgoingContext(ctx, i.headers)
	}
	var header metadata.MD
	start := time.Now()
	message, err := i.invoke(ctx, grpc.Header(&header))
	a := &Answer{
		Status: http.StatusOK, Header: http.Header{}, Latency: time.Since(start),
		protocol: i.client.options.Protocol, method: i.method,
	}
	if err != nil {
		if failure := i.transportError(ctx, err); failure != nil {
			return nil, failure
		}
		s, _ := status.FromError(err)
		a.Code, a.Status, a.Body = s.Code(), httpStatus(s.Code()), []byte(s.Message())
		a.tree = map[string]any{"error": s.Message()}
		if a.protocol == Seldon {
			a.tree = map[string]any{"status": map[string]any{"status": "FAILURE", "code": float64(a.Status), "info": s.Message(), "reason": s.Code().String()}}
		}
		return a, nil
	}
	for name, values := range header {
		a.Header[http.CanonicalHeaderKey(name)] = values
	}
	if a.tree, err = fromMessage(message); err != nil {
		// The tree cannot be made, so the body is what is judged.
		return nil, &TransportError{Kind: KindOther, Err: fmt.Errorf("the answer is malformed: %w", err)}
	}
	if i.method == Ready || i.method == Live {
		if ready, _ := either(a.tree, "ready", "live").(bool); !ready {
			a.Status = http.StatusServiceUnavailable
		}
	}
	a.Body = value.Append(nil, a.tree)
	return a, nil
}

// transportError tells a call that got no answer from one that was answered
// with an error; nil for the latter.
func (i *invocation) transportError(ctx context.Context, err error) *TransportError {
	s, _ := status.FromError(err)
	text := s.Message()
	e := &TransportError{Kind: KindOther, Err: errors.New(text), After: i.timeout}
	switch {
	case s.Code() == codes.Canceled && ctx.Err() != nil:
		e.Kind = KindCanceled
	case s.Code() == codes.DeadlineExceeded && ctx.Err() != nil:
		e.Kind = KindTimeout
	case s.Code() == codes.ResourceExhausted && strings.Contains(text, "received message larger than max"):
		e.Kind, e.Err = KindTooLarge, fmt.Errorf("the answer has more than the %d bytes allowed", i.client.options.MaxResponse)
	case s.Code() == codes.Internal && strings.Contains(text, "RST_STREAM"), s.Code() == codes.Internal && strings.Contains(text, "stream terminated"):
		e.Kind = KindReset
	case s.Code() != codes.Unavailable:
		return nil
	case strings.Contains(text, syscall.ECONNREFUSED.Error()):
		e.Kind = KindRefused
	case strings.Contains(text, "authentication handshake failed"), strings.Contains(text, "tls:"), strings.Contains(text, "x509:"):
		e.Kind = KindTLS
	case strings.Contains(text, "no such host"):
		e.Kind = KindName
	case strings.Contains(text, "connection error"), strings.Contains(text, "error reading from server"), strings.Contains(text, "closing transport"),
		strings.Contains(text, "connection reset"), strings.Contains(text, "EOF"):
		e.Kind = KindReset
	default:
		return nil
	}
	return e
}

// httpStatus is the HTTP status that stands for a gRPC code, as gateways map it.
func httpStatus(code codes.Code) int {
	switch code {
	case codes.OK:
		return http.StatusOK
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists, codes.Aborted:
		return http.StatusConflict
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Canceled:
		return 499
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}
