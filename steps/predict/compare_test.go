package predict_test

import (
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// flipped answers as [modeltest.Sign] does, except for rows whose sum is between 0 and 1.
func flipped(rows []any) ([]any, error) {
	out, err := modeltest.Sign(rows)
	for i, row := range rows {
		if sum := row.([]any)[0].(float64) + row.([]any)[1].(float64); err == nil && sum > 0 && sum < 1 {
			out[i] = []any{0.5625, 0.4375}
		}
	}
	return out, err
}

const points = `a,b
1,1
-1,-1
0.25,0.25
2,-3
3,4
`

func TestCompareWithABaseline(t *testing.T) {
	t.Parallel()
	base := modeltest.New(t, modeltest.Options{Model: modeltest.Sign})
	tests := map[string]struct {
		model     modeltest.Model
		expect    string
		code      int
		outcome   report.Stage
		agreement float64
		movers    int
	}{
		"the same model":           {modeltest.Sign, "{agreement: {min: 1}, difference: {max: 0}}", 0, report.Passed, 1, 0},
		"one of five moves":        {flipped, "{agreement: {min: 0.9}}", 1, report.Value, 0.8, 1},
		"one of five is allowed":   {flipped, "{agreement: {min: 0.8}}", 0, report.Passed, 0.8, 1},
		"too large a difference":   {flipped, "{difference: {max: 0.25}}", 1, report.Value, 0.8, 1},
		"answers of another shape": {modeltest.Sum, "{agreement: {min: 0.5}}", 1, report.Value, 0, 5},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Model: tc.model})
			o := run(t, "checks:\n- name: canary\n  compare: {dataset: {file: points.csv, batch: 2}}\n  expect: "+tc.expect+"\n",
				map[string]string{"points.csv": points}, "--endpoint", s.URL, "--baseline", base.URL)
			c := o.check(t, "canary")
			if o.code != tc.code || c.Outcome != tc.outcome {
				t.Fatalf("exit code %d, outcome %s, want %d, %s: %s%s", o.code, c.Outcome, tc.code, tc.outcome, o.stdout, o.stderr)
			}
			if c.Compare.Agreement != tc.agreement || c.Compare.Rows != 5 || len(c.Compare.Movers) != tc.movers {
				t.Errorf("agreement %v of %d rows, movers %v", c.Compare.Agreement, c.Compare.Rows, c.Compare.Movers)
			}
			if tc.movers == 1 && !strings.Contains(c.Compare.Movers[0].Input, "0.25") {
				t.Errorf("the mover is %+v", c.Compare.Movers[0])
			}
			if c.Compare.Baseline == nil || c.Compare.Candidate == nil || c.Compare.Baseline.Count != 3 {
				t.Error("the latencies of both are not there")
			}
		})
	}
}

func TestCompareIsSlower(t *testing.T) {
	t.Parallel()
	base := modeltest.New(t, modeltest.Options{})
	slow := modeltest.New(t, modeltest.Options{Fault: modeltest.Slow(300 * time.Millisecond)})
	o := run(t, `checks:
- {name: one, request: {data: {ndarray: [[1, 2]]}}}
- {name: two, request: {data: {ndarray: [[3, 4]]}}}
`, nil, "--endpoint", slow.URL, "--baseline", base.URL, "--baseline-agreement", "1", "--baseline-slowdown", "3")
	c := o.check(t, "compared with the baseline")
	if o.code != 1 || c.Outcome != report.SLO || c.Compare.Agreement != 1 || c.Compare.Slowdown < 3 {
		t.Errorf("exit code %d, %+v: %s", o.code, c, o.stderr)
	}
}

func TestCompareWithoutABaseline(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	o := run(t, "checks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}}\n- {name: canary, compare: all}\n", nil, "--endpoint", s.URL)
	if o.code != 0 || o.check(t, "canary").Outcome != report.Skipped || o.report.Skipped != 1 {
		t.Errorf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
}

func TestBaselineThatFails(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	broken := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(500, "text/plain", "out of memory")})
	o := run(t, "checks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}}\n", nil, "--endpoint", s.URL, "--baseline", broken.URL)
	c := o.check(t, "compared with the baseline")
	if o.code != 1 || c.Outcome != report.HTTP || !strings.Contains(c.Findings[0].Message, "the baseline: HTTP status 500: out of memory") {
		t.Errorf("exit code %d, %+v", o.code, c)
	}
}

// TestBaselineGetsNoCredentials: another host is not told the first one's token.
func TestBaselineGetsNoCredentials(t *testing.T) {
	t.Parallel()
	s, base := modeltest.New(t, modeltest.Options{}), modeltest.New(t, modeltest.Options{})
	dir := write(t, map[string]string{"token": "a-secret-token\n"})
	o := run(t, "checks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}}\n", nil,
		"--endpoint", s.URL, "--baseline", base.URL, "--bearer-token-file", dir+"/token")
	if o.code != 0 {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	if r, _ := s.Last(); r.Header.Get("Authorization") != "Bearer a-secret-token" {
		t.Errorf("the model got %q", r.Header.Get("Authorization"))
	}
	if r, _ := base.Last(); r.Header.Get("Authorization") != "" {
		t.Errorf("the baseline got %q", r.Header.Get("Authorization"))
	}
	if strings.Contains(o.stdout+o.stderr, "a-secret-token") {
		t.Error("the token is shown")
	}
}

// TestCompareWithoutAThreshold passes, and says that nothing could have failed.
func TestCompareWithoutAThreshold(t *testing.T) {
	t.Parallel()
	base := modeltest.New(t, modeltest.Options{Model: modeltest.Sign})
	s := modeltest.New(t, modeltest.Options{Model: flipped})
	checks := "checks:\n- {name: it, request: {data: {ndarray: [[0.25, 0.25]]}}}\n"
	o := run(t, checks, nil, "--endpoint", s.URL, "--baseline", base.URL)
	if c := o.check(t, "compared with the baseline"); o.code != 0 || !strings.Contains(o.stdout, "no threshold was set") || !strings.Contains(c.Summary, "no threshold was set") {
		t.Errorf("exit code %d, %s: %s", o.code, c.Summary, o.stdout)
	}
	o = run(t, checks, nil, "--endpoint", s.URL, "--baseline", base.URL, "--baseline-agreement", "0.5")
	if o.code != 1 || strings.Contains(o.stdout, "no threshold was set") {
		t.Errorf("exit code %d: %s", o.code, o.stdout)
	}
}
