package predict_test

import (
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// thousand answers the numbers 0 to 999 as classes, but for those that differ.
func thousand(differ map[int]float64) modeltest.Model {
	return func([]any) ([]any, error) {
		out := make([]any, 1000)
		for i := range out {
			out[i] = float64(i)
			if v, ok := differ[i]; ok {
				out[i] = v
			}
		}
		return out, nil
	}
}

// numbers are those from 0 as a list.
func numbers(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = strconv.Itoa(i)
	}
	return "[" + strings.Join(list, ",") + "]"
}

// TestValues: answers that are right, and answers that are hardly wrong.
func TestValues(t *testing.T) {
	t.Parallel()
	answers := func(values ...any) modeltest.Model {
		return func([]any) ([]any, error) { return values, nil }
	}
	for name, tc := range map[string]struct {
		options modeltest.Options
		expect  string
		stage   report.Stage
		says    string
	}{
		"right":                       {modeltest.Options{Model: answers(0.1)}, "{data: {ndarray: [0.1]}}", report.Passed, ""},
		"int for float":               {modeltest.Options{Model: answers(2.0)}, "{data: {ndarray: [2]}}", report.Passed, ""},
		"tenth decimal":               {modeltest.Options{Model: answers(0.1234567891)}, "{data: {ndarray: [0.1234567892]}}", report.Value, "expected 0.1234567892 at data.ndarray[0], got 0.1234567891"},
		"tenth decimal, allowed":      {modeltest.Options{Model: answers(0.1234567891)}, "{data: {ndarray: [0.1234567892]}, tolerance: {absolute: 1e-9}}", report.Passed, ""},
		"one class of a thousand":     {modeltest.Options{Model: thousand(map[int]float64{617: 3})}, "{data: {ndarray: " + numbers(1000) + "}}", report.Value, "data.ndarray[617], got 3; 1 of 1000 differ"},
		"a name":                      {modeltest.Options{Model: answers([]any{1.0, 2.0}), Names: []string{"t:0", "t:l"}}, "{data: {names: [t:0, t:1], ndarray: [[1, 2]]}}", report.Schema, "names are not those expected"},
		"names in another order":      {modeltest.Options{Model: answers([]any{1.0, 2.0}), Names: []string{"b", "a"}}, "{data: {names: [a, b], ndarray: [[2, 1]]}}", report.Passed, ""},
		"names alone":                 {modeltest.Options{Model: answers(1.0), Names: []string{"b", "a"}}, "{names: [a, c]}", report.Schema, `names are ["b" "a"]`},
		"a row too many":              {modeltest.Options{Model: answers(1.0, 2.0)}, "{data: {ndarray: [1]}}", report.Schema, "an array of 2"},
		"text for a number":           {modeltest.Options{Model: answers("1")}, "{data: {ndarray: [1]}}", report.Schema, `got "1"`},
		"class by the largest score":  {modeltest.Options{Model: answers([]any{0.1, 0.7, 0.2}), Names: []string{"autos", "space", "medicine"}}, "{class: [space]}", report.Passed, ""},
		"class by index":              {modeltest.Options{Model: answers([]any{0.1, 0.7, 0.2})}, "{class: [1]}", report.Passed, ""},
		"another class":               {modeltest.Options{Model: answers([]any{0.1, 0.7, 0.2}), Names: []string{"autos", "space", "medicine"}}, "{class: [medicine]}", report.Value, "is class space, expected medicine"},
		"matched text":                {modeltest.Options{Model: answers("id-17")}, "{matches: '^id-[0-9]+$'}", report.Passed, ""},
		"text that does not match":    {modeltest.Options{Model: answers("id-x")}, "{matches: '^id-[0-9]+$'}", report.Value, "id-x"},
		"a set":                       {modeltest.Options{Model: answers("b", "a")}, "{data: {ndarray: {$set: [a, b]}}}", report.Passed, ""},
		"out of range":                {modeltest.Options{Model: answers(0.5, 1.5)}, "{range: {min: 0, max: 1}}", report.Value, "value 1 is 1.5"},
		"rows that do not sum to one": {modeltest.Options{Model: answers([]any{0.5, 0.6})}, "{rowSum: 1}", report.Value, "row 0 sums to 1.1"},
		"another shape":               {modeltest.Options{Model: answers([]any{0.5, 0.6})}, "{shape: [-1, 3]}", report.Schema, "shape [1 2]"},
		"schema":                      {modeltest.Options{Model: answers(1.0)}, "{schema: {properties: {data: {required: [tensor]}}}}", report.Schema, "tensor"},
		"meta":                        {modeltest.Options{Model: answers(1.0), Meta: map[string]any{"tags": map[string]any{"v": "2"}}}, "{meta: {tags: {v: '1'}}}", report.Value, "meta.tags.v"},
		"too slow":                    {modeltest.Options{Model: answers(1.0), Fault: modeltest.From(2, modeltest.Slow(30*time.Millisecond))}, "{latency: 20ms}", report.SLO, "took too long"},
		"an error that is not wanted": {modeltest.Options{Fault: modeltest.From(2, modeltest.Text(500, "application/json", `{"status":{"status":"FAILURE","info":"no vocabulary","reason":"X"}}`))}, "{finite: true}", report.HTTP, "HTTP status 500: X, no vocabulary"},
		"FAILURE under HTTP 200":      {modeltest.Options{Fault: modeltest.Text(200, "application/json", `{"status":{"status":1,"info":"no vocabulary"}}`)}, "{finite: true}", report.HTTP, "FAILURE under HTTP status 200: no vocabulary"},
		"a page of a gateway":         {modeltest.Options{Fault: modeltest.Text(200, "text/html", "<html><title>Welcome</title>")}, "{finite: true}", report.Schema, `HTML titled "Welcome"`},
		"an empty body":               {modeltest.Options{Fault: modeltest.Text(200, "application/json", "")}, "{finite: true}", report.Schema, "the answer is empty"},
		"half of the JSON":            {modeltest.Options{Fault: modeltest.Text(200, "application/json", `{"data":{"ndarray":[`)}, "{finite: true}", report.Schema, "not JSON"},
		"tensor for ndarray":          {modeltest.Options{Fault: modeltest.Text(200, "application/json", `{"data":{"tensor":{"shape":[1,1],"values":[3]}}}`)}, "{data: {ndarray: [[3]]}}", report.Passed, ""},
		"not a number":                {modeltest.Options{Fault: modeltest.Text(200, "application/json", `{"data":{"ndarray":[NaN]}}`)}, "{finite: true}", report.Value, "value 0 is NaN"},
		"not a number, expected":      {modeltest.Options{Fault: modeltest.Text(200, "application/json", `{"data":{"ndarray":[NaN, Infinity]}}`)}, "{data: {ndarray: [.nan, .inf]}}", report.Passed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, tc.options)
			o := run(t, "checks:\n- name: one\n  request: {data: {ndarray: [[1, 2]]}}\n  expect: "+tc.expect+"\n", nil, "--endpoint", s.URL)
			c := o.check(t, "one")
			if c.Outcome != tc.stage || !strings.Contains(o.stdout, tc.says) || (o.code == 0) != (tc.stage == report.Passed) || o.code > 1 {
				t.Errorf("exit code %d, outcome %s, want %s with %q: %s%s", o.code, c.Outcome, tc.stage, tc.says, o.stdout, o.stderr)
			}
			if o.results["outcome"] != string(tc.stage) || (c.Outcome != report.Passed && !strings.HasPrefix(c.Replay, "curl -sS ")) {
				t.Errorf("results %v, replay %q", o.results, c.Replay)
			}
		})
	}
}

// TestTransport: what answers not at all stops a release with exit code 3, as
// something that another try may mend.
func TestTransport(t *testing.T) {
	t.Parallel()
	elsewhere := modeltest.New(t, modeltest.Options{})
	for name, tc := range map[string]struct {
		fault modeltest.Fault
		says  string
	}{
		"slow":      {modeltest.From(2, modeltest.Slow(time.Minute)), "no answer within 1s"},
		"cut off":   {modeltest.From(2, modeltest.CutOff("{")), "cut off"},
		"endless":   {modeltest.From(2, modeltest.Endless()), "more than the 1048576 bytes allowed"},
		"elsewhere": {modeltest.From(2, modeltest.Redirect(elsewhere.URL, 307)), "which is not followed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Fault: tc.fault})
			o := run(t, "defaults: {timeout: 1s}\n"+one, nil, "--endpoint", s.URL, "--max-response", "1MiB", "--retries", "1")
			if o.code != 3 || o.results["outcome"] != "transport" || !strings.Contains(o.stdout, tc.says) {
				t.Errorf("exit code %d, results %v, want %q: %s", o.code, o.results, tc.says, o.stdout)
			}
		})
	}
}

// TestRetries: what came to nothing is asked again and counted; what was
// answered wrongly is not.
func TestRetries(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault                  modeltest.Fault
		code, requests, flakes int
		atLeast                time.Duration
		retries                int
	}{
		"closed once":            {onlySecond(modeltest.Reset()), 0, 3, 1, 0, 2},
		"busy once, for a while": {onlySecond(modeltest.Busy(1)), 0, 3, 1, time.Second, 2},
		"always busy":            {modeltest.From(2, modeltest.Busy(0)), 1, 4, 2, 0, 2},
		"busy, no retries":       {modeltest.From(2, modeltest.Busy(0)), 1, 2, 0, 0, 0},
		"wrong once":             {onlySecond(modeltest.Text(200, "application/json", `{"data":{"ndarray":[[4]]}}`)), 1, 2, 0, 0, 2},
		"half of the JSON once":  {onlySecond(modeltest.Text(200, "application/json", `{"data":`)), 1, 2, 0, 0, 2},
		"an error once":          {onlySecond(modeltest.Text(500, "text/plain", "oops")), 1, 2, 0, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Fault: tc.fault})
			start := time.Now()
			o := run(t, one, nil, "--endpoint", s.URL, "--retries", strconv.Itoa(tc.retries))
			if o.code != tc.code || s.Requests() != tc.requests || o.report.Flakes != tc.flakes {
				t.Errorf("exit code %d after %d requests, %d flakes, want %d, %d, %d: %s%s", o.code, s.Requests(), o.report.Flakes, tc.code, tc.requests, tc.flakes, o.stdout, o.stderr)
			}
			if took := time.Since(start); took < tc.atLeast {
				t.Errorf("asked again after %s, the server asked for %s", took, tc.atLeast)
			}
			if (tc.flakes > 0) != strings.Contains(o.stdout, "repeated after: ") {
				t.Errorf("flakes are not shown as they are: %s", o.stdout)
			}
		})
	}
}

// onlySecond lets the first request, which asks whether the model is there, pass.
func onlySecond(f modeltest.Fault) modeltest.Fault {
	return func(n int, w http.ResponseWriter, r *http.Request) bool { return n == 2 && f(n, w, r) }
}

// TestReady: a model that comes up late is waited for, one that never does is not ready.
func TestReady(t *testing.T) {
	t.Parallel()
	late := modeltest.New(t, modeltest.Options{Fault: modeltest.First(3, modeltest.Text(503, "text/plain", "no healthy upstream"))})
	if o := run(t, one, nil, "--endpoint", late.URL, "--ready-timeout", "10s"); o.code != 0 || o.report.Flakes != 0 {
		t.Errorf("late: exit code %d, %d flakes: %s%s", o.code, o.report.Flakes, o.stdout, o.stderr)
	}
	never := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(503, "text/plain", "no healthy upstream")})
	if o := run(t, one, nil, "--endpoint", never.URL, "--ready-timeout", "2s"); o.code != 3 || o.results["outcome"] != "not-ready" || !strings.Contains(o.stdout, "no healthy upstream") {
		t.Errorf("never: exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if o := run(t, one, nil, "--endpoint", "http://"+listener.Addr().String(), "--ready-timeout", "2s"); o.code != 3 || o.results["outcome"] != "not-ready" {
		t.Errorf("nobody: exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
}

// TestSameChecksOverEveryProtocol asks one file of checks over each.
func TestSameChecksOverEveryProtocol(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Model: modeltest.Sign})
	checks := `defaults: {model: model, classes: [below, above]}
checks:
- {name: above, request: {data: {ndarray: [[1, 2]]}}, expect: {class: [above]}}
- {name: below, request: {data: {tensor: {shape: [2, 2], values: [1, -2, 3, -4]}}}, expect: {class: [below, 0]}}
- {name: quality, dataset: {file: points.csv, inputs: [a, b], label: class, batch: 2}, expect: {accuracy: {min: 1}, f1: {each: {min: 1}}}}
`
	files := map[string]string{"points.csv": "a,b,class\n1,1,above\n-1,-2,below\n3,-1,1\n-3,1,0\n1,2,above\n"}
	for _, how := range []string{"seldon rest", "seldon grpc", "v2 rest", "v2 grpc", "tensorflow rest"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			protocol, transport, _ := strings.Cut(how, " ")
			o := run(t, checks, files, "--endpoint", s.URL, "--grpc-endpoint", s.GRPC, "--protocol", protocol, "--transport", transport)
			if o.code != 0 || o.results["accuracy"] != "1" || o.results["passed"] != "3" {
				t.Errorf("exit code %d, results %v: %s%s", o.code, o.results, o.stdout, o.stderr)
			}
		})
	}
}

// TestGRPCErrors: a status is judged as one of HTTP, and repeated as one.
func TestGRPCErrors(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{GRPCFault: func(n int, _ string) error {
		switch n {
		case 2:
			return status.Error(codes.Unavailable, "upstream is gone")
		case 3:
			return status.Error(codes.InvalidArgument, "two columns are needed")
		}
		return nil
	}})
	o := run(t, one, nil, "--grpc-endpoint", s.GRPC, "--endpoint", s.URL, "--transport", "grpc")
	c := o.check(t, "one")
	if o.code != 1 || c.Outcome != report.HTTP || len(c.Flakes) != 1 || !strings.Contains(c.Findings[0].Message, "gRPC status InvalidArgument (HTTP 400): InvalidArgument, two columns are needed") {
		t.Errorf("exit code %d, %+v", o.code, c)
	}
	if !strings.HasPrefix(c.Replay, "grpcurl -plaintext -import-path steps/seldonclient/proto -proto prediction.proto -d '{") {
		t.Errorf("replay %s", c.Replay)
	}
}

// TestReplay runs the command that a failed check prints: it asks the same.
func TestReplay(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	dir := write(t, map[string]string{"token": "a-secret-token\n"})
	o := run(t, "checks:\n- name: one\n  request: {strData: \"it's \\\"quoted\\\" $HOME `id`\", headers: {X-Say: it's}}\n  expect: {strData: other}\n", nil,
		"--endpoint", s.URL, "--bearer-token-file", dir+"/token", "--header", "X-Other: a-secret-token")
	c := o.check(t, "one")
	_, want := s.Last()
	if strings.Contains(o.stdout+o.stderr+c.Replay, "a-secret-token") {
		t.Fatalf("the token is shown: %s", c.Replay)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", c.Replay)
	cmd.Env = []string{"TOKEN=a-secret-token", "PATH=/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", c.Replay, err, out)
	}
	r, got := s.Last()
	if string(got) != string(want) || r.Header.Get("Authorization") != "Bearer a-secret-token" || r.Header.Get("X-Say") != "it's" {
		t.Errorf("replayed %s as %s with %v", want, got, r.Header)
	}
}

// TestTerminalIsNotSteered by what a model answers or logs.
func TestTerminalIsNotSteered(t *testing.T) {
	t.Parallel()
	cluster, kubeconfig := cluster(t, promoted)
	cluster.Log("models", "news-main-1", "classifier", "\x1b[2Jgone\x07\nMemoryError")
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.From(2, modeltest.Text(500, "text/plain", "\x1b]0;title\x07 oops \x9b31m \u202egnp.exe\u2066"))})
	o := run(t, one, nil, "--endpoint", s.URL, "--gateway", "none", "--deployment", "news", "--kubeconfig", kubeconfig)
	if strings.ContainsAny(o.stdout+o.stderr, "\x1b\x07\u009b\u202e\u2066") || !strings.Contains(o.stdout, "oops") || !strings.Contains(o.stdout, "MemoryError") {
		t.Errorf("printed %q", o.stdout)
	}
}
