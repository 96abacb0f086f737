package predict_test

import (
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// TestCompareAnswers holds one answer of the candidate against the baseline's.
func TestCompareAnswers(t *testing.T) {
	t.Parallel()
	text := func(body string) modeltest.Options {
		return modeltest.Options{Fault: modeltest.Text(200, "application/json", body)}
	}
	const strict = "agreement: {min: 1}"
	for name, tc := range map[string]struct {
		before, after, expect string
		stage                 report.Stage
		says                  string
		notFinite             int
	}{
		"NaN in a row":                   {`{"data":{"ndarray":[[NaN,1],[0,1]]}}`, `{"data":{"ndarray":[[NaN,1],[0,1]]}}`, strict + ", difference: {max: 0}", report.Passed, "100 % of 2 answers agree", 1},
		"NaN instead of a score":         {`{"data":{"ndarray":[[0.5,0.5]]}}`, `{"data":{"ndarray":[[NaN,NaN]]}}`, "difference: {max: 0.1}", report.Value, "difference is +Inf, expected at most 0.1", 1},
		"infinity instead of a number":   {`{"data":{"ndarray":[1]}}`, `{"data":{"ndarray":[Infinity]}}`, strict, report.Value, "agreement is 0", 1},
		"all are infinite":               {`{"data":{"ndarray":[-Infinity]}}`, `{"data":{"ndarray":[-Infinity]}}`, strict + ", difference: {max: 0}", report.Passed, "", 1},
		"another shape":                  {`{"data":{"ndarray":[[1,2]]}}`, `{"data":{"ndarray":[[1]]}}`, "difference: {max: 1}", report.Value, "difference is +Inf", 0},
		"the same class leads":           {`{"data":{"ndarray":[[0.2,0.8]]}}`, `{"data":{"ndarray":[[0.4,0.6]]}}`, strict, report.Passed, "", 0},
		"a regression of two columns":    {`{"data":{"ndarray":[[100,1]]}}`, `{"data":{"ndarray":[[5,1]]}}`, strict, report.Value, "agreement is 0", 0},
		"one within the tolerance":       {`{"data":{"ndarray":[[100,1]]}}`, `{"data":{"ndarray":[[100.5,1]]}}`, strict + ", tolerance: {absolute: 0.5}", report.Passed, "", 0},
		"scores beside a regression":     {`{"data":{"ndarray":[[0.2,0.8],[5,1]]}}`, `{"data":{"ndarray":[[0.4,0.6],[5,1]]}}`, strict, report.Value, "agreement is 0.5", 0},
		"scores beside NaN":              {`{"data":{"ndarray":[[0.2,0.8],[0.5,0.5]]}}`, `{"data":{"ndarray":[[0.4,0.6],[NaN,NaN]]}}`, strict, report.Value, "agreement is 0.5", 1},
		"columns in another order":       {`{"data":{"names":["a","b"],"ndarray":[[0.9,0.1]]}}`, `{"data":{"names":["b","a"],"ndarray":[[0.1,0.9]]}}`, strict + ", difference: {max: 0}", report.Passed, "", 0},
		"another order, another leader":  {`{"data":{"names":["a","b"],"ndarray":[[0.9,0.1]]}}`, `{"data":{"names":["b","a"],"ndarray":[[0.9,0.1]]}}`, strict, report.Value, "agreement is 0", 0},
		"a tensor in another order":      {`{"data":{"names":["a","b"],"ndarray":[[9,1]]}}`, `{"data":{"names":["b","a"],"tensor":{"shape":[1,2],"values":[1,9]}}}`, strict, report.Passed, "", 0},
		"other names":                    {`{"data":{"names":["a","b"],"ndarray":[[0.9,0.1]]}}`, `{"data":{"names":["a","c"],"ndarray":[[0.9,0.1]]}}`, "agreement: {min: 0}", report.Schema, "other columns", 0},
		"repeated names in another turn": {`{"data":{"names":["a","a","b"],"ndarray":[[1,1,2]]}}`, `{"data":{"names":["a","b","a"],"ndarray":[[1,2,9]]}}`, "agreement: {min: 0}", report.Schema, "other columns", 0},
		"one names nothing":              {`{"data":{"names":["a","b"],"ndarray":[[0.9,0.1]]}}`, `{"data":{"ndarray":[[0.9,0.1]]}}`, strict, report.Passed, "", 0},
		"text":                           {`{"data":{"ndarray":["x"]}}`, `{"data":{"ndarray":["y"]}}`, strict, report.Value, "agreement is 0", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, candidate := modeltest.New(t, text(tc.before)), modeltest.New(t, text(tc.after))
			o := run(t, "checks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}}\n- {name: canary, compare: all, expect: {"+tc.expect+"}}\n", nil,
				"--endpoint", candidate.URL, "--baseline", base.URL)
			c := o.check(t, "canary")
			if c.Outcome != tc.stage || !strings.Contains(o.stdout, tc.says) || c.Compare == nil || c.Compare.NotFinite != tc.notFinite {
				t.Errorf("outcome %s, want %s with %q: %+v; %s%s", c.Outcome, tc.stage, tc.says, c.Compare, o.stdout, o.stderr)
			}
		})
	}
}

// TestCompareOutputs compares the outputs of V2 by their names.
func TestCompareOutputs(t *testing.T) {
	t.Parallel()
	outputs := func(names ...string) modeltest.Options {
		var list []string
		for _, name := range names {
			list = append(list, `{"name":"`+name+`","datatype":"BYTES","shape":[1],"data":["of `+name+`"]}`)
		}
		return modeltest.Options{Fault: modeltest.Text(200, "application/json", `{"model_name":"m","outputs":[`+strings.Join(list, ",")+`]}`)}
	}
	base := modeltest.New(t, outputs("p", "q"))
	for name, tc := range map[string]struct {
		candidate modeltest.Options
		stage     report.Stage
	}{
		"in order": {outputs("p", "q"), report.Passed}, "another order": {outputs("q", "p"), report.Passed}, "another output": {outputs("p", "r"), report.Schema},
	} {
		candidate := modeltest.New(t, tc.candidate)
		o := run(t, "defaults: {protocol: v2, model: m}\nchecks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}}\n- {name: canary, compare: all, expect: {agreement: {min: 0.5}}}\n", nil,
			"--endpoint", candidate.URL, "--baseline", base.URL)
		if c := o.check(t, "canary"); c.Outcome != tc.stage {
			t.Errorf("%s: outcome %s, want %s: %s%s", name, c.Outcome, tc.stage, o.stdout, o.stderr)
		}
	}
}
