package seldonclient_test

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

const right = `{"data":{"ndarray":[[3]]},"meta":{}}`

// TestFaults: what servers, gateways and networks do wrong is told apart.
func TestFaults(t *testing.T) {
	t.Parallel()
	elsewhere := modeltest.New(t, modeltest.Options{})
	for name, tc := range map[string]struct {
		fault   modeltest.Fault
		kind    string // of the transport error
		failure string // the answer's own
		schema  string // part of the schema error
		value   bool   // a right answer after all
	}{
		"slow":                     {modeltest.Slow(time.Minute), seldonclient.KindTimeout, "", "", false},
		"cut off":                  {modeltest.CutOff(right[:20]), seldonclient.KindCutOff, "", "", false},
		"closed":                   {modeltest.Reset(), seldonclient.KindReset, "", "", false},
		"too large":                {modeltest.Text(200, "application/json", strings.Repeat(" ", 2000)), seldonclient.KindTooLarge, "", "", false},
		"endless":                  {modeltest.Endless(), seldonclient.KindTooLarge, "", "", false},
		"redirect to another host": {modeltest.Redirect(elsewhere.URL+"/api/v1.0/predictions", 307), seldonclient.KindRedirect, "", "", false},
		"half of the JSON":         {modeltest.Text(200, "application/json", right[:15]), "", "", "not closed", false},
		"HTML under 200":           {modeltest.Text(200, "text/html", "<!doctype html><title>Sign&nbsp;in</title>"), "", "", `a page of HTML titled "Sign`, false},
		"empty":                    {modeltest.Text(200, "application/json", ""), "", "", "empty", false},
		"JSON without its type":    {modeltest.Text(200, "", right), "", "", "", true},
		"JSON as text":             {modeltest.Text(200, "text/plain", "\xef\xbb\xbf"+right), "", "", "", true},
		"FAILURE under 200":        {modeltest.Text(200, "application/json", `{"status":{"status":"FAILURE","info":"no vocabulary","code":-1,"reason":"BAD"}}`), "", "BAD, no vocabulary, code -1", "", false},
		"status 1 under 200":       {modeltest.Text(200, "application/json", `{"status":{"status":1,"info":"no vocabulary"}}`), "", "no vocabulary", "", false},
		"an array":                 {modeltest.Text(200, "application/json", "[1]"), "", "", "an array of 1, not an object", false},
		"text for ndarray":         {modeltest.Text(200, "application/json", `{"data":{"ndarray":"x"}}`), "", "", "a string, not an array", false},
		"both tensor and ndarray":  {modeltest.Text(200, "application/json", `{"data":{"ndarray":[1],"tensor":{"shape":[1],"values":[1]}}}`), "", "", "both", false},
		"a shape of another size":  {modeltest.Text(200, "application/json", `{"data":{"tensor":{"shape":[2,2],"values":[1]}}}`), "", "", "asks for 4 values", false},
		"an absurd shape":          {modeltest.Text(200, "application/json", `{"data":{"tensor":{"shape":[2147483647,2147483647],"values":[1]}}}`), "", "", "too large", false},
		"compressed though not asked": {func(n int, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Encoding", "br")
			return modeltest.Text(200, "application/json", "\x0b\x02\x80")(n, w, r)
		}, "", "", `encoded as "br"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Fault: tc.fault})
			c := client(t, s, "seldon", "rest", func(o *seldonclient.Options) {
				o.MaxResponse = 1000
				o.Timeout = 5 * time.Second
				if tc.kind == seldonclient.KindTimeout {
					o.Timeout = 100 * time.Millisecond
				}
			})
			a, err := c.Do(t.Context(), seldonclient.Call{Body: decode(t, `{"data":{"ndarray":[[1,2]]}}`)})
			if tc.kind != "" {
				if e, ok := errors.AsType[*seldonclient.TransportError](err); !ok || e.Kind != tc.kind {
					t.Errorf("error %v, want one of kind %s", err, tc.kind)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := a.Message()
			switch {
			case tc.schema != "":
				if _, ok := errors.AsType[*seldonclient.SchemaError](err); !ok || !strings.Contains(err.Error(), tc.schema) {
					t.Errorf("error %v, want one of the schema with %q", err, tc.schema)
				}
			case err != nil:
				t.Error(err)
			case tc.failure != "" && (m.Failure == nil || m.Failure.String() != tc.failure):
				t.Errorf("failure %v, want %s", m.Failure, tc.failure)
			case tc.value && m.Failure == nil && m.Kind != "ndarray":
				t.Errorf("got %+v", m)
			}
		})
	}
	if n := elsewhere.Requests(); n != 0 {
		t.Errorf("another host was asked %d times", n)
	}
}

// TestReset2 resets one stream of an HTTP/2 connection.
func TestReset2(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{HTTP2: true, Fault: modeltest.First(1, modeltest.Reset())})
	c := client(t, s, "seldon", "rest", func(o *seldonclient.Options) {
		o.TLS = s.HTTP.Client().Transport.(*http.Transport).TLSClientConfig
	})
	call := seldonclient.Call{Body: decode(t, `{"data":{"ndarray":[[1,2]]}}`)}
	_, err := c.Do(t.Context(), call)
	if e, ok := errors.AsType[*seldonclient.TransportError](err); !ok || e.Kind != seldonclient.KindReset || !e.Passing() {
		t.Errorf("error %v, want one of kind reset", err)
	}
	if a, err := c.Do(t.Context(), call); err != nil || a.Status != 200 {
		t.Errorf("after the reset: %+v, error %v", a, err)
	}
	if r, _ := s.Last(); r.ProtoMajor != 2 {
		t.Errorf("spoke HTTP/%d", r.ProtoMajor)
	}
}

func TestRedirectWithinAHost(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.First(1, modeltest.Redirect("/moved/api/v1.0/predictions", 307))})
	a, err := client(t, s, "seldon", "rest", nil).Do(t.Context(), seldonclient.Call{Body: decode(t, `{"data":{"ndarray":[[1,2]]}}`)})
	if err != nil || a.Status != 200 {
		t.Fatalf("%+v, error %v", a, err)
	}
	if _, body := s.Last(); string(body) != `{"data":{"ndarray":[[1,2]]}}` {
		t.Errorf("the second request had body %s", body)
	}
	s = modeltest.New(t, modeltest.Options{Fault: modeltest.Redirect("/login", 302)})
	a, err = client(t, s, "seldon", "rest", nil).Do(t.Context(), seldonclient.Call{Body: decode(t, `{"data":{"ndarray":[[1,2]]}}`)})
	if err != nil || a.Status != 302 || s.Requests() != 1 {
		t.Errorf("a redirect that drops the body was followed: %+v, error %v", a, err)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	for _, transport := range []seldonclient.Transport{seldonclient.REST, seldonclient.GRPC} {
		c := client(t, &modeltest.Server{URL: "http://" + listener.Addr().String(), GRPC: listener.Addr().String()}, "seldon", transport, nil)
		_, err := c.Do(t.Context(), seldonclient.Call{Body: decode(t, `{"data":{"ndarray":[[1,2]]}}`)})
		if e, ok := errors.AsType[*seldonclient.TransportError](err); !ok || e.Kind != seldonclient.KindRefused {
			t.Errorf("%s: error %v, want one of kind refused", transport, err)
		}
	}
}

// TestFaultsOverGRPC tells answers that are errors from answers that never came.
func TestFaultsOverGRPC(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		code       codes.Code
		httpStatus int
	}{
		"refused input": {codes.InvalidArgument, 400},
		"no such thing": {codes.NotFound, 404},
		"no right":      {codes.PermissionDenied, 403},
		"who are you":   {codes.Unauthenticated, 401},
		"busy":          {codes.ResourceExhausted, 429},
		"not now":       {codes.Unavailable, 503},
		"broken":        {codes.Internal, 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{GRPCFault: func(int, string) error { return status.Error(tc.code, "because") }})
			a, err := client(t, s, "seldon", "grpc", nil).Do(t.Context(), seldonclient.Call{Body: decode(t, `{"data":{"ndarray":[[1,2]]}}`)})
			if err != nil || a.Code != tc.code || a.Status != tc.httpStatus {
				t.Fatalf("%+v, error %v", a, err)
			}
			if m, err := a.Message(); err != nil || m.Failure == nil || m.Failure.Info != "because" {
				t.Errorf("%+v, error %v", m, err)
			}
		})
	}
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		s := modeltest.New(t, modeltest.Options{GRPCFault: func(int, string) error { time.Sleep(300 * time.Millisecond); return nil }})
		_, err := client(t, s, "v2", "grpc", func(o *seldonclient.Options) { o.Timeout = 50 * time.Millisecond }).Do(t.Context(), seldonclient.Call{Method: seldonclient.Ready})
		if e, ok := errors.AsType[*seldonclient.TransportError](err); !ok || e.Kind != seldonclient.KindTimeout {
			t.Errorf("error %v, want one of kind timeout", err)
		}
	})
	t.Run("too large", func(t *testing.T) {
		t.Parallel()
		s := modeltest.New(t, modeltest.Options{Model: modeltest.Echo})
		body := map[string]any{"strData": strings.Repeat("x", 5000)}
		_, err := client(t, s, "seldon", "grpc", func(o *seldonclient.Options) { o.MaxResponse = 1000 }).Do(t.Context(), seldonclient.Call{Body: body})
		if e, ok := errors.AsType[*seldonclient.TransportError](err); !ok || e.Kind != seldonclient.KindTooLarge {
			t.Errorf("error %v, want one of kind too-large", err)
		}
	})
}
