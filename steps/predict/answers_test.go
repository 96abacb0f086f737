package predict_test

import (
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// TestOwnStatus: what Seldon's gateways answer under HTTP 200 when a model refuses
// is judged by the status within, where a check expects one.
func TestOwnStatus(t *testing.T) {
	t.Parallel()
	const refused = `{"status":{"status":1,"code":400,"info":"bad"}}`
	for name, tc := range map[string]struct {
		answer, expect string
		code           int
		says           string
	}{
		"as is wanted":       {refused, "{status: {min: 400, max: 599}}", 0, ""},
		"with its content":   {refused, "{status: {min: 400}, schema: {required: [status]}}", 0, ""},
		"in words":           {`{"status":{"status":"FAILURE","code":500}}`, "{status: 500}", 0, ""},
		"another code":       {refused, "{status: 422}", 1, "the answer's own status.code 400, under HTTP status 200: bad, code 400"},
		"success is wanted":  {refused, "{status: 200, schema: {}}", 1, "the answer's own status.code 400"},
		"nothing is said":    {refused, "{schema: {}}", 1, "FAILURE under HTTP status 200"},
		"it has no code":     {`{"status":{"status":1,"info":"bad"}}`, "{status: {min: 400}}", 1, "HTTP status 200: bad"},
		"a code of its own":  {`{"status":{"status":1,"code":-1}}`, "{status: {max: 299}}", 1, "FAILURE under HTTP status 200"},
		"a code without end": {`{"status":{"status":1,"code":1e300}}`, "{status: {min: 400}}", 1, "HTTP status 200"},
		"it did not fail":    {`{"status":{"status":0,"code":400},"data":{"ndarray":[[3]]}}`, "{status: {min: 400}}", 1, "HTTP status 200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", tc.answer)})
			o := run(t, "checks:\n- name: one\n  request: {data: {ndarray: [[1, 2]]}}\n  expect: "+tc.expect+"\n", nil, "--endpoint", s.URL)
			if o.code != tc.code || !strings.Contains(o.stdout, tc.says) {
				t.Errorf("exit code %d, want %d with %q: %s%s", o.code, tc.code, tc.says, o.stdout, o.stderr)
			}
		})
	}
}

// TestManyValues: an answer may be small as bytes and large as values.
func TestManyValues(t *testing.T) {
	t.Parallel()
	for name, unit := range map[string]string{"numbers": "0,", "arrays": "[],", "objects": `{"a":0},`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"data":{"ndarray":[` + strings.Repeat(unit, 15<<20/len(unit)) + `0]}}`
			s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", body)})
			if o := run(t, one, nil, "--endpoint", s.URL); o.code != 1 || !strings.Contains(o.stdout, "the answer is too much to hold") {
				t.Errorf("exit code %d: %.2000s", o.code, o.stdout)
			}
		})
	}
}

// TestLargeAnswers: 16 MiB of numbers are read, also side by side.
func TestLargeAnswers(t *testing.T) {
	t.Parallel()
	body := `{"data":{"ndarray":[` + strings.Repeat("0.25,", 15<<20/5) + `0.5]}}`
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", body)})
	checks := "defaults: {timeout: 1m}\nchecks:\n"
	for _, name := range []string{"a", "b", "c"} {
		checks += "- {name: " + name + ", request: {data: {ndarray: [[1, 2]]}}, expect: {range: {min: 0, max: 1}}}\n"
	}
	if o := run(t, checks, nil, "--endpoint", s.URL); o.code != 0 || o.results["passed"] != "3" {
		t.Errorf("exit code %d: %.2000s", o.code, o.stdout)
	}
}
