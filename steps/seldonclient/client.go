package seldonclient

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// DefaultMaxResponse is how many bytes an answer may have.
const DefaultMaxResponse = 16 << 20

// Options says how a model is asked.
type Options struct {
	Target    Target
	Protocol  Protocol
	Transport Transport
	// Timeout bounds one call; zero: five seconds.
	Timeout time.Duration
	// MaxResponse bounds an answer, in bytes; zero: [DefaultMaxResponse].
	MaxResponse int64
	// Headers are sent with every call; over gRPC as metadata.
	Headers http.Header
	// Host is sent as the Host header, or as gRPC's authority; empty: the endpoint's.
	Host string
	Auth Auth
	TLS  *tls.Config // nil: the system's
	// Connections is how many calls run side by side at most; zero: 16.
	Connections int
}

// Auth holds credentials. At most one of bearer token and user is sent.
type Auth struct {
	BearerToken    string
	User, Password string
	SeldonToken    string // sent as X-Auth-Token, as SeldonClient does
}

// headers returns what the credentials look like in a request.
func (a Auth) headers() http.Header {
	h := http.Header{}
	switch {
	case a.BearerToken != "":
		h.Set("Authorization", "Bearer "+a.BearerToken)
	case a.User != "" || a.Password != "":
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.User+":"+a.Password)))
	}
	if a.SeldonToken != "" {
		h.Set("X-Auth-Token", a.SeldonToken)
	}
	return h
}

// Call is one thing to ask.
type Call struct {
	Method Method // "": Predict
	// Body is the request in the protocol's JSON form. Nil for methods
	// without one.
	Body any
	// Raw, where it is not nil, is sent over REST instead of Body, as it is.
	Raw []byte
	// ContentType of Raw; "" is application/json.
	ContentType string
	// Headers are sent with this call only; over gRPC as metadata.
	Headers http.Header
	// Binary asks V2 to carry tensors as binary data.
	Binary bool
	// Timeout bounds this call; zero: the client's.
	Timeout time.Duration
}

// Answer is what came back, not judged.
type Answer struct {
	// Status is the HTTP status; over gRPC the one that stands for Code.
	Status int
	Code   codes.Code // of gRPC; OK over REST
	Header http.Header
	// Body is the answer as it came. Over gRPC it is the JSON form of the
	// message, of a large one its beginning, or the status message of an error.
	Body []byte
	// Latency is how long it took until the answer was whole.
	Latency time.Duration

	protocol Protocol
	method   Method
	tree     map[string]any       // of gRPC answers
	wire     []byte               // a gRPC answer as it came
	message  func() proto.Message // of a large one, whose tree is not kept
	broken   error                // why a gRPC answer has no tree
}

// Client asks one model. It is safe for concurrent use.
type Client struct {
	options Options
	rest    *restClient
	grpc    *grpcClient
}

// New makes a client. Nothing is sent yet.
func New(o Options) (*Client, error) {
	if o.Protocol == "" {
		o.Protocol = Seldon
	}
	if o.Transport == "" {
		o.Transport = REST
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.MaxResponse <= 0 {
		o.MaxResponse = DefaultMaxResponse
	}
	if o.Connections <= 0 {
		o.Connections = 16
	}
	c := &Client{options: o}
	var err error
	switch {
	case o.Transport == REST:
		c.rest, err = newREST(o)
	case o.Transport == GRPC && o.Protocol == TensorFlow:
		err = fmt.Errorf("protocol tensorflow is spoken over REST only")
	case o.Transport == GRPC:
		c.grpc, err = newGRPC(o)
	default:
		err = fmt.Errorf("transport %q is not known; use rest or grpc", o.Transport)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Options returns what the client was made with, defaults filled in.
func (c *Client) Options() Options { return c.options }

// Close closes the client's connections.
func (c *Client) Close() {
	if c.rest != nil {
		c.rest.http.CloseIdleConnections()
	}
	if c.grpc != nil {
		c.grpc.conn.Close()
	}
}

// Do asks once. The error is a [*TransportError] when no whole answer came; any
// other error says that the call cannot be made.
func (c *Client) Do(ctx context.Context, call Call) (*Answer, error) {
	p, err := c.Prepare(call)
	if err != nil {
		return nil, err
	}
	return p.Do(ctx)
}

// Prepared is a call that is ready to be sent, any number of times.
type Prepared interface {
	// Do sends the call and returns the answer as [Client.Do] does.
	Do(ctx context.Context) (*Answer, error)
	// Again is Do, but for an answer that is byte for byte the known one: then
	// known itself is returned, and nothing is read of the answer. known, which
	// has to be a success, may be nil.
	Again(ctx context.Context, known *Answer) (*Answer, error)
}

// Prepare builds a call once, so that sending it costs little.
func (c *Client) Prepare(call Call) (Prepared, error) {
	if call.Method == "" {
		call.Method = Predict
	}
	if call.Timeout <= 0 {
		call.Timeout = c.options.Timeout
	}
	if c.grpc != nil {
		return c.grpc.prepare(call)
	}
	return c.rest.prepare(call)
}
