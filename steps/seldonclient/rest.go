package seldonclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/model-delivery/model-delivery/steps/seldonclient/http1"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// maxRedirects is how many redirects within one host are followed.
const maxRedirects = 3

type restClient struct {
	options Options
	http    *http.Client
	// headers are sent with every call, jsonHeaders with those that have a body
	// of JSON. Calls share them.
	headers, jsonHeaders http.Header
	// addresses are where methods are asked. Calls share them.
	addresses map[Method]address
}

// address is where a method is asked, or why it cannot be.
type address struct {
	url *url.URL
	err error
}

func addressOf(o Options, m Method) address {
	text, err := o.Target.URL(o.Protocol, m)
	if err != nil {
		return address{err: err}
	}
	u, err := url.Parse(text)
	if err != nil {
		return address{err: fmt.Errorf("the address of the model is malformed: %w", errURL(err))}
	}
	return address{url: u}
}

func newREST(o Options) (*restClient, error) {
	// A bad target is noticed here rather than by the first call.
	if err := o.Target.Validate(); err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: o.Timeout, KeepAlive: 30 * time.Second}
	c := &restClient{options: o, headers: http.Header{"User-Agent": {"model-delivery"}, "Accept": {"application/json"}}, addresses: map[Method]address{}}
	for _, m := range Methods() {
		c.addresses[m] = addressOf(o, m)
	}
	for name, values := range o.Auth.headers() {
		c.headers[name] = values
	}
	for name, values := range o.Headers {
		c.headers[http.CanonicalHeaderKey(name)] = values
	}
	c.jsonHeaders = maps.Clone(c.headers)
	c.jsonHeaders.Set("Content-Type", "application/json")
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     o.TLS,
		TLSHandshakeTimeout: o.Timeout,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true, // an answer's size is its size
		MaxIdleConnsPerHost: o.Connections,
		MaxIdleConns:        o.Connections,
		IdleConnTimeout:     90 * time.Second,
		// A gateway's headers are as little trusted as its body.
		MaxResponseHeaderBytes: 1 << 20,
	}
	c.http = &http.Client{
		Transport: &http1.Transport{
			Dial: transport.DialContext, MaxIdle: transport.MaxIdleConns, IdleTimeout: transport.IdleConnTimeout,
			MaxHeader: transport.MaxResponseHeaderBytes, Other: transport, Proxied: proxied,
		},
		CheckRedirect: checkRedirect,
	}
	return c, nil
}

// proxied tells whether the environment names a proxy for the request. What is
// wrong with its address is told by the transport that would use it.
func proxied(req *http.Request) bool {
	proxy, err := http.ProxyFromEnvironment(req)
	return proxy != nil || err != nil
}

// checkRedirect follows redirects that stay on the same host and keep method
// and body. Others would hand credentials and data to somebody else.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		return &TransportError{Kind: KindRedirect, Err: fmt.Errorf("the answer redirects from %s to %s, which is not followed", origin(first), origin(req.URL))}
	}
	if len(via) > maxRedirects || req.Method != via[0].Method {
		return http.ErrUseLastResponse
	}
	return nil
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// prepared is a request that is ready to be sent.
type prepared struct {
	client  *restClient
	method  Method
	verb    string
	url     *url.URL
	header  http.Header
	body    []byte
	timeout time.Duration
}

func (c *restClient) prepare(call Call) (Prepared, error) {
	return c.build(call)
}

func (c *restClient) build(call Call) (*prepared, error) {
	o := c.options
	a, known := c.addresses[call.Method]
	if !known {
		a = addressOf(o, call.Method)
	}
	if a.err != nil {
		return nil, a.err
	}
	p := &prepared{client: c, method: call.Method, verb: http.MethodPost, url: a.url, timeout: call.Timeout}
	switch call.Method {
	case Live, Ready, Metadata, ServerMetadata:
		p.verb = http.MethodGet
		p.header = c.headers
	default:
		if err := p.setBody(o, call); err != nil {
			return nil, err
		}
	}
	if len(call.Headers) > 0 {
		p.header = maps.Clone(p.header)
	}
	for name, values := range call.Headers {
		p.header[http.CanonicalHeaderKey(name)] = values
	}
	return p, nil
}

func (p *prepared) setBody(o Options, call Call) error {
	contentType := call.ContentType
	p.header = p.client.jsonHeaders
	switch {
	case call.Raw != nil:
		p.body = call.Raw
	case call.Binary && o.Protocol == V2:
		body, header, err := encodeBinary(call.Body)
		if err != nil {
			return err
		}
		p.body = body
		contentType = "application/octet-stream"
		p.header = maps.Clone(p.header)
		p.header.Set(headerLength, strconv.Itoa(header))
	default:
		p.body = value.Append(nil, call.Body)
	}
	if contentType != "" {
		p.header = maps.Clone(p.header)
		p.header.Set("Content-Type", contentType)
	}
	return nil
}

// Do sends the request.
func (p *prepared) Do(ctx context.Context) (*Answer, error) { return p.Again(ctx, nil) }

// Again sends the request and tells an answer that is known.
func (p *prepared) Again(ctx context.Context, known *Answer) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req := (&http.Request{
		Method: p.verb, URL: p.url, Header: p.header, Host: p.client.options.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if p.verb != http.MethodGet {
		req.ContentLength = int64(len(p.body))
		req.Body = io.NopCloser(bytes.NewReader(p.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.body)), nil }
	}
	// The plain transport's errors tell of a connection that was not made.
	var connected atomic.Bool
	secure := p.url.Scheme == "https"
	if secure {
		trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
		req = req.WithContext(httptrace.WithClientTrace(ctx, trace))
	}
	start := time.Now()
	res, err := p.client.http.Do(req)
	if err != nil {
		e := transportError(err, p.timeout)
		if secure && !connected.Load() {
			e.Unconnected = true
		}
		return nil, e
	}
	body, err := readBody(res, p.client.options.MaxResponse)
	res.Body.Close()
	if err != nil {
		return nil, transportError(err, p.timeout)
	}
	if known != nil && known.Status == res.StatusCode && bytes.Equal(body, known.Body) && res.Header.Get(headerLength) == known.Header.Get(headerLength) {
		return known, nil
	}
	return &Answer{
		Status: res.StatusCode, Header: res.Header, Body: body, Latency: time.Since(start),
		protocol: p.client.options.Protocol, method: p.method,
	}, nil
}

// readBody reads at most limit bytes; a larger body is an error.
func readBody(res *http.Response, limit int64) ([]byte, error) {
	if res.ContentLength > limit {
		return nil, &TransportError{Kind: KindTooLarge, Err: fmt.Errorf("the answer has %d bytes, more than the %d allowed", res.ContentLength, limit)}
	}
	var body []byte
	var err error
	if res.ContentLength >= 0 {
		body = make([]byte, res.ContentLength)
		_, err = io.ReadFull(res.Body, body)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			// One more read, so that the connection can be used again.
			_, err = res.Body.Read(make([]byte, 1))
			if errors.Is(err, io.EOF) {
				err = nil
			}
		}
	} else {
		body, err = io.ReadAll(io.LimitReader(res.Body, limit+1))
	}
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, &TransportError{Kind: KindTooLarge, Err: fmt.Errorf("the answer has more than the %d bytes allowed", limit)}
	}
	return body, nil
}
