package seldonclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// TransportError says that no whole answer came.
type TransportError struct {
	// Kind is one of the constants below.
	Kind string
	// Err is the cause. It holds no URL.
	Err error
	// After is how long was waited.
	After time.Duration
	// Unconnected tells of a [KindTimeout] that there was not even a connection.
	Unconnected bool
}

// Kinds of transport errors.
const (
	KindRefused  = "refused"   // nobody listens
	KindName     = "name"      // the host's name is not known
	KindTimeout  = "timeout"   // no answer in time
	KindTLS      = "tls"       // the server's or the client's certificate does not fit
	KindReset    = "reset"     // the connection was closed before an answer
	KindCutOff   = "cut-off"   // the answer ended before it was whole
	KindTooLarge = "too-large" // the answer is larger than allowed
	KindRedirect = "redirect"  // the answer leads to another host
	KindCanceled = "canceled"  // the caller gave up
	KindOther    = "other"
)

func (e *TransportError) Error() string {
	switch e.Kind {
	case KindTimeout:
		if e.Unconnected {
			return fmt.Sprintf("no connection within %s", e.After.Round(time.Millisecond))
		}
		return fmt.Sprintf("no answer within %s", e.After.Round(time.Millisecond))
	case KindRefused:
		return "connection refused: nobody listens there"
	case KindReset:
		return "the connection was closed before an answer came: " + e.Err.Error()
	case KindCutOff:
		return "the answer was cut off: " + e.Err.Error()
	}
	return e.Err.Error()
}

func (e *TransportError) Unwrap() error { return e.Err }

// Passing tells whether the same call may well succeed a moment later.
func (e *TransportError) Passing() bool {
	switch e.Kind {
	case KindRefused, KindReset, KindCutOff, KindName:
		return true
	}
	return false
}

// transportError classifies what net/http or crypto/tls returned.
func transportError(err error, timeout time.Duration) *TransportError {
	err = errURL(err)
	if e, ok := errors.AsType[*TransportError](err); ok {
		return e
	}
	kind := KindOther
	var netErr net.Error
	switch {
	case errors.Is(err, context.Canceled):
		kind = KindCanceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		kind = KindTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		kind = KindRefused
	case isTLS(err), errors.Is(err, http.ErrSchemeMismatch):
		kind = KindTLS
	case errors.Is(err, io.ErrUnexpectedEOF):
		kind = KindCutOff
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), isHTTP2Reset(err):
		kind = KindReset
	default:
		if _, ok := errors.AsType[*net.DNSError](err); ok {
			kind = KindName
		}
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return &TransportError{Kind: kind, Err: err, After: timeout, Unconnected: ok && dial.Op == "dial"}
}

func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	return strings.Contains(err.Error(), "remote error: tls:")
}

// isHTTP2Reset knows the errors of net/http's own HTTP/2, which have no
// exported types.
func isHTTP2Reset(err error) bool {
	text := err.Error()
	for _, part := range []string{"stream error:", "GOAWAY", "http2: server sent", "connection reset", "server closed idle connection", "client connection lost"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// SchemaError says that an answer came but is not what the protocol defines.
type SchemaError struct{ Err error }

func (e *SchemaError) Error() string { return e.Err.Error() }
func (e *SchemaError) Unwrap() error { return e.Err }

func schemaErrorf(format string, args ...any) error {
	return &SchemaError{Err: fmt.Errorf(format, args...)}
}
