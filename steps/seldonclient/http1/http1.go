// Package http1 sends small requests over plain HTTP/1.1 with little work for
// each.
//
// The transport of net/http has two goroutines for every connection, so that a
// body may be sent while its answer is read, and each request wakes both. A
// request that fits into the socket's buffer needs neither: here the goroutine
// that asks writes and reads by itself. Parsing is that of net/http.
package http1

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// MaxBody is how many bytes a request's body may have to be sent from here.
// Sockets take as much in without a reader on the other side.
const MaxBody = 64 << 10

// longAgo is a deadline that ends whatever a connection is doing.
var longAgo = time.Unix(1, 0)

// Transport is an [http.RoundTripper]. Set its fields before its first use.
type Transport struct {
	// Dial opens connections.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// MaxIdle is how many unused connections are kept, of all hosts together.
	MaxIdle int
	// IdleTimeout is how long one is kept; zero: for ever.
	IdleTimeout time.Duration
	// MaxHeader bounds the status line and the headers of an answer, in bytes;
	// zero: a mebibyte.
	MaxHeader int64
	// Other gets what is not for here: https, large bodies, bodies of unknown
	// size, and what Proxied says.
	Other interface {
		http.RoundTripper
		CloseIdleConnections()
	}
	// Proxied tells whether a request goes through a proxy; nil: none does.
	Proxied func(*http.Request) bool

	mu   sync.Mutex
	idle []*conn // the last one was used last
}

// RoundTrip sends one request. A connection that the server has closed since
// its last use is noticed before anything is sent over it.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "http" || !small(req) || (t.Proxied != nil && t.Proxied(req)) {
		return t.Other.RoundTrip(req)
	}
	defer func() {
		if req.Body != nil {
			req.Body.Close()
		}
	}()
	ctx := req.Context()
	c, err := t.get(ctx, address(req))
	if err != nil {
		err = ended(ctx, err)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			err = &net.OpError{Op: "dial", Net: "tcp", Err: err} // there was no connection yet
		}
		return nil, err
	}
	c.stop = context.AfterFunc(ctx, func() { c.SetDeadline(longAgo) })
	res, err := c.exchange(req)
	if err != nil {
		c.stop()
		c.Close()
		return nil, ended(ctx, err)
	}
	return res, nil
}

// small tells whether the length of a request's body is known and not too large.
func small(req *http.Request) bool {
	if req.Body == nil || req.Body == http.NoBody {
		return true
	}
	return req.ContentLength > 0 && req.ContentLength <= MaxBody
}

// CloseIdleConnections closes the connections that are not in use.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	idle := t.idle
	t.idle = nil
	t.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
	t.Other.CloseIdleConnections()
}

// ended prefers the end of the context to what came of it.
func ended(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	// The connection's deadline may be noticed before the context's own.
	if deadline, ok := ctx.Deadline(); ok && errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return err
}

// address is where a request goes: host and port.
func address(req *http.Request) string {
	port := req.URL.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(req.URL.Hostname(), port)
}

// get takes an unused connection or opens one, with the context's deadline.
func (t *Transport) get(ctx context.Context, address string) (*conn, error) {
	deadline, _ := ctx.Deadline()
	for {
		c := t.take(address)
		if c == nil {
			break
		}
		if c.SetDeadline(deadline) == nil && t.usable(c) {
			return c, nil
		}
		c.Close()
	}
	raw, err := t.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, transport: t, address: address}
	c.in, c.out = bufio.NewReader(c), bufio.NewWriter(raw)
	c.SetDeadline(deadline)
	return c, nil
}

func (t *Transport) usable(c *conn) bool {
	return (t.IdleTimeout <= 0 || time.Since(c.since) < t.IdleTimeout) && open(c.Conn)
}

func (t *Transport) take(address string) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.idle) - 1; i >= 0; i-- {
		if c := t.idle[i]; c.address == address {
			t.idle = append(t.idle[:i], t.idle[i+1:]...)
			return c
		}
	}
	return nil
}

// put keeps a connection for the next request.
func (t *Transport) put(c *conn) {
	c.since = time.Now()
	t.mu.Lock()
	kept := len(t.idle) < t.MaxIdle
	if kept {
		t.idle = append(t.idle, c)
	}
	t.mu.Unlock()
	if !kept {
		c.Close()
	}
}

// conn is one connection, used by one request at a time.
type conn struct {
	net.Conn
	transport *Transport
	address   string
	in        *bufio.Reader
	out       *bufio.Writer
	since     time.Time   // when it was used last
	stop      func() bool // ends the watch over the request's context
	left      int64       // bytes that the head of an answer may still have
	inHead    bool
}

var errHeader = errors.New("the headers of the answer are too large")

// Read reads from the server, while the head of an answer is read no more than
// is allowed for it.
func (c *conn) Read(p []byte) (int, error) {
	if !c.inHead {
		return c.Conn.Read(p)
	}
	if c.left <= 0 {
		return 0, errHeader
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// exchange sends a request and reads the head of its answer.
func (c *conn) exchange(req *http.Request) (*http.Response, error) {
	err := req.Write(c.out)
	if err == nil {
		err = c.out.Flush()
	}
	// A server may refuse before it has read everything; what it says counts.
	res, readErr := c.head(req)
	if readErr != nil {
		if err != nil {
			return nil, err
		}
		return nil, readErr
	}
	if err != nil || res.StatusCode == http.StatusSwitchingProtocols {
		res.Close = true
	}
	res.Body = &body{ReadCloser: res.Body, ctx: req.Context(), conn: c, reuse: !res.Close, whole: res.Body == http.NoBody}
	return res, nil
}

// head reads the head of an answer; those that come before the final one are
// passed over.
func (c *conn) head(req *http.Request) (*http.Response, error) {
	c.inHead, c.left = true, cmp.Or(c.transport.MaxHeader, 1<<20)
	defer func() { c.inHead = false }()
	// A connection that is closed before an answer begins is told from an answer
	// that is cut off.
	if _, err := c.in.Peek(1); err != nil {
		return nil, err
	}
	for {
		res, err := http.ReadResponse(c.in, req)
		if err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		if informs := res.StatusCode >= 100 && res.StatusCode < 200; !informs || res.StatusCode == http.StatusSwitchingProtocols {
			return res, nil
		}
	}
}

// body is the body of an answer, which gives its connection back when it was
// read to its end.
type body struct {
	io.ReadCloser
	ctx    context.Context // of the request
	conn   *conn
	reuse  bool
	whole  bool // nothing is left to read
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.ReadCloser.Read(p)
	switch err {
	case nil:
	case io.EOF:
		b.whole = true
	default:
		err = ended(b.ctx, err)
	}
	return n, err
}

// Close ends the use of the connection. One whose answer was not read to its
// end is closed, which is cheaper than to read the rest.
func (b *body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	c := b.conn
	// Once the watch has fired it may set the deadline of the next request.
	if !c.stop() || !b.reuse || !b.whole || c.in.Buffered() > 0 {
		return c.Close()
	}
	c.transport.put(c)
	return nil
}
