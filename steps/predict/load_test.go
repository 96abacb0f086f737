package predict_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
	"github.com/model-delivery/model-delivery/steps/step"
)

const load = "checks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}, expect: {data: {ndarray: [[3]]}}}\n- name: load\n  load: {check: one, %s}\n  expect: {%s}\n"

func TestLoad(t *testing.T) {
	t.Parallel()
	every := func(n int, f modeltest.Fault) modeltest.Fault {
		return func(i int, w http.ResponseWriter, r *http.Request) bool { return i > 2 && i%n == 0 && f(i, w, r) }
	}
	wrong := modeltest.Text(200, "application/json", `{"data":{"ndarray":[[4]]}}`)
	for name, tc := range map[string]struct {
		fault        modeltest.Fault
		load, expect string
		stage        report.Stage
		says         string
	}{
		"all is well":             {nil, "requests: 200, concurrency: 4", "p99: 10s, rate: {min: 1/s}, errors: {max: 0}", report.Passed, "200 requests"},
		"too slow":                {modeltest.From(2, modeltest.Slow(20*time.Millisecond)), "requests: 20, concurrency: 4", "p50: 10ms", report.SLO, "p50 is "},
		"one in ten is wrong":     {every(10, wrong), "requests: 100, concurrency: 4", "errors: 5%", report.Value, "10 of 100 requests failed, expected at most 5%: 10 × value: expected 3"},
		"one in ten is allowed":   {every(10, wrong), "requests: 100, concurrency: 4", "errors: 10%", report.Passed, "10 errors"},
		"no errors unless told":   {every(50, modeltest.Reset()), "requests: 100, concurrency: 4", "p50: 1s", report.Transport, "2 of 100 requests failed"},
		"a rate not reached":      {modeltest.From(2, modeltest.Slow(20*time.Millisecond)), "requests: 20", "rate: {min: 1000/s}", report.SLO, "the rate is "},
		"nothing but errors stop": {modeltest.From(3, modeltest.Text(500, "text/plain", "oops")), "duration: 1m, concurrency: 4", "errors: 50%", report.HTTP, "stopped: the first "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Fault: tc.fault})
			start := time.Now()
			o := run(t, fmt.Sprintf(load, tc.load, tc.expect), nil, "--endpoint", s.URL)
			if c := o.check(t, "load"); c.Outcome != tc.stage || !strings.Contains(o.stdout, tc.says) || c.Load == nil {
				t.Errorf("outcome %s, want %s with %q: %s", c.Outcome, tc.stage, tc.says, o.stdout)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestLoadKeepsItsRate: requests are sent when they are due, and what a slow
// answer holds up counts as waiting.
func TestLoadKeepsItsRate(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	o := run(t, fmt.Sprintf(load, "rate: 100/s, duration: 1s, concurrency: 2, warmUp: 100ms", "errors: 0"), nil, "--endpoint", s.URL)
	if c := o.check(t, "load"); o.code != 0 || c.Load.Requests != 100 || c.Load.Seconds < 0.9 {
		t.Errorf("exit code %d, %+v: %s", o.code, c.Load, o.stdout)
	}
	var once atomic.Bool
	stall := modeltest.New(t, modeltest.Options{Fault: func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 5 && once.CompareAndSwap(false, true) {
			time.Sleep(400 * time.Millisecond)
		}
		return false
	}})
	o = run(t, fmt.Sprintf(load, "rate: 100/s, duration: 1s, concurrency: 1", "errors: 0"), nil, "--endpoint", stall.URL)
	// One answer was slow, but some forty requests waited for it.
	if c := o.check(t, "load"); c.Latency.P90 < 100 || c.Load.Service.P90 > c.Latency.P90/2 {
		t.Errorf("waiting %+v, service %+v", c.Latency, c.Load.Service)
	}
}

// TestTimeoutAndSignal: everything has an end, and says which checks were not run.
func TestTimeoutAndSignal(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	checks := fmt.Sprintf(load, "duration: 1m", "errors: 0") + "- {name: after, dataset: {file: points.csv, inputs: [a, b]}}\n"
	start := time.Now()
	o := run(t, checks, map[string]string{"points.csv": points}, "--endpoint", s.URL, "--timeout", "2s")
	if took := time.Since(start); took > 10*time.Second || o.code == 0 || o.check(t, "after").Outcome != report.NotReady {
		t.Errorf("exit code %d after %s: %s", o.code, took, o.stdout)
	}
	if o.check(t, "one").Outcome != report.Passed {
		t.Error("what was run before is not reported")
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(500*time.Millisecond, cancel)
	dir := write(t, map[string]string{"p.yaml": head + fmt.Sprintf(load, "duration: 1m", "errors: 0")})
	var out bytes.Buffer
	start = time.Now()
	code := step.Execute(ctx, predict.Command(), []string{"--checks", dir + "/p.yaml", "--endpoint", s.URL, "--results-dir", dir + "/none"}, func(string) string { return "" }, &out, &out)
	if took := time.Since(start); took > 10*time.Second || code == 0 {
		t.Errorf("exit code %d after %s: %s", code, took, out.String())
	}
}
