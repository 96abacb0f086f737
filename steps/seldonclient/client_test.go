package seldonclient_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// client asks a server over a protocol.
func client(t *testing.T, s *modeltest.Server, protocol seldonclient.Protocol, transport seldonclient.Transport, change func(*seldonclient.Options)) *seldonclient.Client {
	t.Helper()
	o := seldonclient.Options{Target: seldonclient.Target{Endpoint: s.URL, Model: "model"}, Protocol: protocol, Transport: transport}
	if transport == seldonclient.GRPC {
		o.Target.Endpoint = s.GRPC
	}
	if change != nil {
		change(&o)
	}
	c, err := seldonclient.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// decode reads JSON as the client has it.
func decode(t *testing.T, text string) any {
	t.Helper()
	v, err := value.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestPredict asks for every payload over every protocol and transport.
func TestPredict(t *testing.T) {
	t.Parallel()
	sum := modeltest.New(t, modeltest.Options{Version: "7", Names: []string{"sum"}})
	echo := modeltest.New(t, modeltest.Options{Model: modeltest.Echo})
	for name, tc := range map[string]struct {
		server     *modeltest.Server
		protocol   seldonclient.Protocol
		body       string
		binary     bool
		kind, want string
		restOnly   bool
	}{
		"ndarray":    {sum, "seldon", `{"data":{"names":["a","b"],"ndarray":[[1,2.5],[-3,4]]}}`, false, "ndarray", `[[3.5],[1]]`, false},
		"tensor":     {sum, "seldon", `{"data":{"tensor":{"shape":[2,2],"values":[1,2.5,-3,4]}}}`, false, "tensor", `[[3.5],[1]]`, false},
		"text":       {sum, "seldon", `{"data":{"ndarray":["four","fifth"]}}`, false, "ndarray", `[[4],[5]]`, false},
		"strData":    {echo, "seldon", `{"strData":"grüße \"x\" "}`, false, "strData", `"grüße \"x\" "`, false},
		"jsonData":   {echo, "seldon", `{"jsonData":{"a":[1,null,{"b":true}]}}`, false, "jsonData", `{"a":[1,null,{"b":true}]}`, false},
		"binData":    {echo, "seldon", `{"binData":"AAH/"}`, false, "binData", `"AAH/"`, false},
		"v2":         {sum, "v2", `{"id":"x","inputs":[{"name":"input-0","datatype":"FP64","shape":[2,2],"data":[1,2.5,-3,4]}]}`, false, "outputs", `[[3.5],[1]]`, false},
		"v2 nested":  {sum, "v2", `{"inputs":[{"name":"input-0","datatype":"FP64","shape":[2,2],"data":[[1,2.5],[-3,4]]}]}`, true, "outputs", `[[3.5],[1]]`, false},
		"v2 text":    {echo, "v2", `{"inputs":[{"name":"input-0","datatype":"BYTES","shape":[2],"data":["a","b"]}]}`, false, "outputs", `["a","b"]`, false},
		"tensorflow": {sum, "tensorflow", `{"instances":[[1,2.5],[-3,4]]}`, false, "predictions", `[[3.5],[1]]`, true},
	} {
		for _, transport := range []seldonclient.Transport{seldonclient.REST, seldonclient.GRPC} {
			if tc.restOnly && transport == seldonclient.GRPC {
				continue
			}
			t.Run(name+" over "+string(transport), func(t *testing.T) {
				t.Parallel()
				c := client(t, tc.server, tc.protocol, transport, nil)
				a, err := c.Do(t.Context(), seldonclient.Call{Body: decode(t, tc.body), Binary: tc.binary})
				if err != nil || a.Status != 200 || a.Latency <= 0 {
					t.Fatalf("%+v, error %v", a, err)
				}
				m, err := a.Message()
				if err != nil || m.Failure != nil || m.Kind != tc.kind {
					t.Fatalf("%+v, error %v, of %s", m, err, a.Body)
				}
				if got := value.String(m.Value, 0); got != tc.want {
					t.Errorf("got %s, want %s, of %s", got, tc.want, a.Body)
				}
				if tc.protocol == "v2" && tc.server == sum && (m.Model != "model" || m.Version != "7") {
					t.Errorf("the answer is of model %q version %q", m.Model, m.Version)
				}
			})
		}
	}
}

// TestOtherMethods asks what is no prediction.
func TestOtherMethods(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Version: "7"})
	feedback := `{"request":{"data":{"ndarray":[[1]]}},"response":{"data":{"ndarray":[[1]]}},"truth":{"data":{"ndarray":[[2]]}},"reward":0.5}`
	for name, tc := range map[string]struct {
		protocol  seldonclient.Protocol
		transport seldonclient.Transport
		method    seldonclient.Method
		body      string
		says      string // part of the answer's body
	}{
		"seldon feedback":            {"seldon", "rest", "feedback", feedback, "{"},
		"seldon feedback over gRPC":  {"seldon", "grpc", "feedback", feedback, "{}"},
		"seldon explain":             {"seldon", "rest", "explain", `{"data":{"ndarray":[[1]]}}`, "anchor"},
		"seldon live":                {"seldon", "rest", "live", "", "{}"},
		"seldon ready":               {"seldon", "rest", "ready", "", "{}"},
		"seldon metadata over gRPC":  {"seldon", "grpc", "metadata", "", "go"},
		"v2 live":                    {"v2", "rest", "live", "", "{}"},
		"v2 ready":                   {"v2", "rest", "ready", "", "true"},
		"v2 metadata":                {"v2", "rest", "metadata", "", "input-0"},
		"v2 server metadata":         {"v2", "rest", "server-metadata", "", "modeltest"},
		"v2 live over gRPC":          {"v2", "grpc", "live", "", "true"},
		"v2 ready over gRPC":         {"v2", "grpc", "ready", "", "true"},
		"v2 metadata over gRPC":      {"v2", "grpc", "metadata", "", "go"},
		"v2 server metadata by gRPC": {"v2", "grpc", "server-metadata", "", "modeltest"},
		"tensorflow ready":           {"tensorflow", "rest", "ready", "", "AVAILABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call := seldonclient.Call{Method: tc.method}
			if tc.body != "" {
				call.Body = decode(t, tc.body)
			}
			a, err := client(t, s, tc.protocol, tc.transport, nil).Do(t.Context(), call)
			if err != nil || a.Status != 200 || !strings.Contains(string(a.Body), tc.says) {
				t.Fatalf("%+v, error %v", a, err)
			}
			if _, err := a.Message(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWhatIsSent: headers, credentials and the gateway's own go along.
func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	c := client(t, s, "seldon", "rest", func(o *seldonclient.Options) {
		o.Target.Gateway, o.Target.Namespace, o.Target.Deployment = seldonclient.Istio, "staging", "news"
		o.Host = "models.example.com"
		o.Headers = http.Header{"x-request-id": {"7"}}
		o.Auth = seldonclient.Auth{User: "me", Password: "secret", SeldonToken: "token"}
	})
	if _, err := c.Do(t.Context(), seldonclient.Call{Raw: []byte("not json"), ContentType: "text/plain", Headers: http.Header{"X-One": {"1"}}}); err != nil {
		t.Fatal(err)
	}
	r, body := s.Last()
	if r.URL.Path != "/seldon/staging/news/api/v1.0/predictions" || r.Host != "models.example.com" || string(body) != "not json" {
		t.Errorf("asked %s of %s: %s", r.URL.Path, r.Host, body)
	}
	if user, password, ok := r.BasicAuth(); !ok || user != "me" || password != "secret" {
		t.Errorf("sent Authorization %q", r.Header.Get("Authorization"))
	}
	for name, want := range map[string]string{"X-Auth-Token": "token", "X-Request-Id": "7", "X-One": "1", "Content-Type": "text/plain"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("sent %s %q, want %q", name, got, want)
		}
	}
}

// TestRefusedOverGRPC: what cannot be sent as it is, is not sent otherwise.
func TestRefusedOverGRPC(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	for name, tc := range map[string]struct {
		protocol seldonclient.Protocol
		call     seldonclient.Call
		says     string
	}{
		"raw":               {"seldon", seldonclient.Call{Raw: []byte("x")}, "over REST only"},
		"an unknown field":  {"seldon", seldonclient.Call{Body: decode(t, `{"extra":1}`)}, "cannot be sent over gRPC"},
		"a large number":    {"seldon", seldonclient.Call{Body: decode(t, `{"data":{"ndarray":[9007199254740993]}}`)}, "without loss"},
		"text as a number":  {"v2", seldonclient.Call{Body: decode(t, `{"inputs":[{"name":"i","datatype":"FP64","shape":[1],"data":["x"]}]}`)}, "does not fit"},
		"an unknown type":   {"v2", seldonclient.Call{Body: decode(t, `{"inputs":[{"name":"i","datatype":"FP65","shape":[1],"data":[1]}]}`)}, "not known"},
		"explain by seldon": {"seldon", seldonclient.Call{Method: "explain"}, "has no method explain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := client(t, s, tc.protocol, "grpc", nil).Do(t.Context(), tc.call)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v, want one with %q", err, tc.says)
			}
		})
	}
}
