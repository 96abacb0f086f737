package modeltest

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/model-delivery/model-delivery/steps/seldonclient/inferencepb"
	"github.com/model-delivery/model-delivery/steps/seldonclient/seldonpb"
)

// Model answers rows, one value for each: a string or an array for every row
// that came, a string, number or array for every row that goes.
type Model func(rows []any) ([]any, error)

// Options says what is served and how. The zero value serves [Sum].
type Options struct {
	Model Model
	// Name and Version are what V2 and TensorFlow call the model; "": model.
	Name, Version string
	// Names are those of the answer's columns.
	Names []string
	// Meta is the meta of Seldon's answers.
	Meta map[string]any
	// Fault, where it is not nil, may take a request over REST out of the
	// model's hands; n counts the requests from 1. It returns false to let the
	// model answer.
	Fault func(n int, w http.ResponseWriter, r *http.Request) bool
	// GRPCFault is the same over gRPC: an error is what is answered.
	GRPCFault func(n int, method string) error
	// Wrapper serves Seldon's protocol over gRPC as a wrapper does that no
	// gateway stands before: by the service of models alone.
	Wrapper bool
	// TLS, where it is not nil, serves over TLS.
	TLS *tls.Config
	// HTTP2 serves REST over HTTP/2, which needs TLS; one is made up when TLS
	// is nil.
	HTTP2 bool
}

// Server is a model that is served.
type Server struct {
	URL  string // of REST
	GRPC string // HOST:PORT
	HTTP *httptest.Server

	options  Options
	requests atomic.Int64
	calls    atomic.Int64

	mu   sync.Mutex
	last *http.Request
	body []byte
}

// New serves until the test ends.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Model == nil {
		o.Model = Sum
	}
	if o.Name == "" {
		o.Name = "model"
	}
	s := &Server{options: o}
	s.HTTP = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.HTTP.EnableHTTP2 = o.HTTP2
	if o.TLS != nil || o.HTTP2 {
		s.HTTP.TLS = o.TLS
		s.HTTP.StartTLS()
	} else {
		s.HTTP.Start()
	}
	s.URL = s.HTTP.URL
	t.Cleanup(func() { s.HTTP.CloseClientConnections(); s.HTTP.Close() })
	s.serveGRPC(t)
	return s
}

func (s *Server) serveGRPC(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var options []grpc.ServerOption
	if s.options.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(s.options.TLS)))
	}
	server := grpc.NewServer(append(options, grpc.UnaryInterceptor(s.intercept))...)
	desc := seldonpb.Seldon_ServiceDesc
	if s.options.Wrapper {
		desc.ServiceName = "seldon.protos.Model"
	}
	server.RegisterService(&desc, seldonService{server: s})
	inferencepb.RegisterGRPCInferenceServiceServer(server, inferenceService{server: s})
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	s.GRPC = listener.Addr().String()
}

// Requests is how many requests came over REST.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// Calls is how many calls came over gRPC.
func (s *Server) Calls() int { return int(s.calls.Load()) }

// Last is the last request over REST and its body.
func (s *Server) Last() (*http.Request, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.body
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	n := int(s.requests.Add(1))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.last, s.body = r, body
	s.mu.Unlock()
	if s.options.Fault != nil && s.options.Fault(n, w, r) {
		return
	}
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/api/v1.0/predictions"):
		s.seldon(w, body)
	case strings.HasSuffix(path, "/api/v1.0/feedback"):
		reply(w, 200, object{"meta": object{}})
	case strings.HasSuffix(path, "/api/v1.0/explain"):
		reply(w, 200, object{"anchor": []any{"text"}, "precision": 0.97})
	case strings.HasSuffix(path, "/health/ping"), strings.HasSuffix(path, "/health/status"), path == "/v2/health/live":
		reply(w, 200, object{})
	case path == "/v2":
		reply(w, 200, object{"name": "modeltest", "version": "1", "extensions": []any{"binary_tensor_data"}})
	case strings.HasPrefix(path, "/v2/models/"):
		s.v2(w, r, body)
	case strings.HasPrefix(path, "/v1/models/"):
		s.tensorflow(w, path, body)
	default:
		http.NotFound(w, r)
	}
}
