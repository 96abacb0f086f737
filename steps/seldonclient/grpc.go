package seldonclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type grpcClient struct {
	options Options
	conn    *grpc.ClientConn
	headers metadata.MD
	// large is held while a large answer is decoded: it takes many times its
	// own size.
	large chan struct{}
	// service is which of Seldon's services the server has, once that is known.
	service atomic.Int32
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
	c := &grpcClient{options: o, conn: conn, headers: metadata.MD{}, large: make(chan struct{}, 1)}
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
	name    string // of the method, in full
	request []byte
	answer  func() proto.Message // an empty one
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
	find := c.seldonMethod
	if c.options.Protocol == V2 {
		find = c.v2Method
	}
	m, err := find(call)
	if err != nil {
		return nil, err
	}
	i.name, i.answer = m.name, m.answer
	if i.request, err = proto.Marshal(m.request); err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return i, nil
}

// Do makes the call.
func (i *invocation) Do(ctx context.Context) (*Answer, error) { return i.Again(ctx, nil) }

// Again makes the call, and does not decode an answer that is known.
func (i *invocation) Again(ctx context.Context, known *Answer) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	if len(i.headers) > 0 {
		ctx = metadata.NewOutgoingContext(ctx, i.headers)
	}
	var header metadata.MD
	var wire []byte
	var start time.Time
	err := i.client.serve(i.name, func(name string) error {
		start = time.Now()
		return i.client.conn.Invoke(ctx, name, i.request, &wire, grpc.Header(&header), grpc.ForceCodecV2(wireCodec{}))
	})
	latency := time.Since(start)
	if err == nil && known != nil && known.Code == codes.OK && known.wire != nil && bytes.Equal(wire, known.wire) {
		return known, nil
	}
	a := &Answer{Status: http.StatusOK, Header: http.Header{}, Latency: latency, protocol: i.client.options.Protocol, method: i.method, wire: wire}
	if err != nil {
		if failure := i.transportError(ctx, err, latency); failure != nil {
			return nil, failure
		}
		a.refused(err)
		return a, nil
	}
	for name, values := range header {
		a.Header[http.CanonicalHeaderKey(name)] = values
	}
	i.decode(a)
	if i.method == Ready || i.method == Live {
		if ready, _ := either(a.tree, "ready", "live").(bool); !ready {
			a.Status = http.StatusServiceUnavailable
		}
	}
	return a, nil
}

// refused fills in an answer that is an error.
func (a *Answer) refused(err error) {
	s, _ := status.FromError(err)
	a.Code, a.Status, a.Body = s.Code(), httpStatus(s.Code()), []byte(s.Message())
	a.tree = map[string]any{"error": s.Message()}
	if a.protocol == Seldon {
		a.tree = map[string]any{"status": map[string]any{"status": "FAILURE", "code": float64(a.Status), "info": s.Message(), "reason": s.Code().String()}}
	}
}

// transportError tells a call that got no answer from one that was answered
// with an error; nil for the latter. The server knows the deadline too, and may
// tell of its end a moment before it has come here.
func (i *invocation) transportError(ctx context.Context, err error, latency time.Duration) *TransportError {
	s, _ := status.FromError(err)
	text := s.Message()
	e := &TransportError{Kind: KindOther, Err: errors.New(text), After: i.timeout}
	switch {
	case s.Code() == codes.Canceled && ctx.Err() != nil:
		e.Kind = KindCanceled
	case s.Code() == codes.DeadlineExceeded && (ctx.Err() != nil || latency >= i.timeout*9/10):
		e.Kind = KindTimeout
		e.Unconnected = strings.Contains(text, "waiting for connections") || strings.Contains(text, "connection error")
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
		strings.Contains(text, "connection reset"), strings.Contains(text, "EOF"), strings.Contains(text, "broken pipe"), strings.Contains(text, "use of closed network connection"):
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
