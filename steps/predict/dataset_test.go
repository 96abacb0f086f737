package predict_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// oneOfThousand are a thousand rows of which row 617 has the wrong label.
func oneOfThousand() string {
	var b strings.Builder
	b.WriteString("a,b,class\n")
	for i := range 1000 {
		label := i % 2
		if i == 617 {
			label = 1 - label
		}
		fmt.Fprintf(&b, "%d,0,%d\n", i%2*2-1, label)
	}
	return b.String()
}

func TestDataset(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		options modeltest.Options
		dataset string
		expect  string
		stage   report.Stage
		says    string
	}{
		"one of a thousand, allowed":     {modeltest.Options{}, "batch: 16", "accuracy: {min: 0.999}", report.Passed, "accuracy 0.999 (999 of 1000)"},
		"one of a thousand, refused":     {modeltest.Options{}, "batch: 16", "accuracy: {min: 0.9995}", report.Value, "accuracy is 0.999, expected at least 0.9995"},
		"none may differ":                {modeltest.Options{}, "batch: 7, concurrency: 4", "mismatches: {max: 0}", report.Value, "mismatches is 1"},
		"a class that is worse":          {modeltest.Options{}, "batch: 100", "recall: {classes: {0: {min: 1}}}", report.Value, "recall of class 0 is 0.998"},
		"each class by itself":           {modeltest.Options{}, "batch: 100", "precision: {each: {min: 0.99}}", report.Passed, ""},
		"a class that is not there":      {modeltest.Options{}, "batch: 100", "f1: {classes: {7: {min: 0.1}}}", report.Value, "class 7 does not occur"},
		"as a tensor":                    {modeltest.Options{}, "batch: 100, payload: tensor", "accuracy: {min: 0.999}", report.Passed, ""},
		"a few rows":                     {modeltest.Options{}, "batch: 16, limit: 20", "accuracy: {min: 1}", report.Passed, "(20 of 20)"},
		"rows are missing":               {modeltest.Options{Model: func(rows []any) ([]any, error) { out, err := modeltest.Sign(rows); return out[1:], err }}, "batch: 16", "accuracy: {min: 0}", report.Schema, "16 rows were sent, the answer has 15"},
		"errors are not asked on and on": {modeltest.Options{Fault: modeltest.From(3, modeltest.Text(500, "text/plain", "oops"))}, "batch: 1", "accuracy: {min: 0}", report.HTTP, "given up after 10 requests"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.options.Model == nil {
				tc.options.Model = modeltest.Sign
			}
			s := modeltest.New(t, tc.options)
			o := run(t, "checks:\n- name: set\n  dataset: {file: set.csv, inputs: [a, b], label: class, "+tc.dataset+"}\n  expect: {"+tc.expect+"}\n",
				map[string]string{"set.csv": oneOfThousand()}, "--endpoint", s.URL)
			if c := o.check(t, "set"); c.Outcome != tc.stage || !strings.Contains(o.stdout, tc.says) {
				t.Errorf("outcome %s, want %s with %q: %s", c.Outcome, tc.stage, tc.says, o.stdout)
			}
		})
	}
}

// TestWrongRowsAreShown with their line in the file.
func TestWrongRowsAreShown(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Model: modeltest.Sign})
	o := run(t, "checks:\n- {name: set, dataset: {file: set.csv, inputs: [a, b], label: class, batch: 16}, expect: {accuracy: {min: 1}}}\n",
		map[string]string{"set.csv": oneOfThousand()}, "--endpoint", s.URL)
	wrong := o.check(t, "set").Dataset.Wrong
	if len(wrong) != 1 || wrong[0].Line != 619 || wrong[0].Input != "[1,0]" || wrong[0].Expected != "0" || wrong[0].Got != "1" {
		t.Errorf("wrong rows are %+v", wrong)
	}
	if o.results["accuracy"] != "0.999" {
		t.Errorf("results are %v", o.results)
	}
}

func TestRegression(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	for expect, want := range map[string]report.Stage{"mae: {max: 0.5}, rmse: {max: 0.71}, r2: {min: 0.5}": report.Passed, "mae: {max: 0.4}": report.Value, "rmse: {max: 0.7}": report.Value} {
		o := run(t, "checks:\n- {name: set, dataset: {file: set.csv, inputs: [a, b], label: sum}, expect: {"+expect+"}}\n",
			map[string]string{"set.csv": "a,b,sum\n1,2,3\n2,2,5\n"}, "--endpoint", s.URL)
		if c := o.check(t, "set"); c.Outcome != want || *c.Dataset.MAE != 0.5 || len(c.Dataset.Points) != 2 {
			t.Errorf("%s: outcome %s, %+v: %s", expect, c.Outcome, c.Dataset, o.stdout)
		}
	}
}

// TestRegressionWithoutNumbers: what JSON has no number for is counted, in a
// report that is whole.
func TestRegressionWithoutNumbers(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"NaN", "Infinity", "-Infinity", "1e400"} {
		for _, metric := range []string{"mae: {max: 0.1}", "rmse: {max: 0.1}", "r2: {min: -1}", "mismatches: {max: 0}, mae: {max: 1}"} {
			s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", `{"data":{"ndarray":[`+answer+`]}}`)})
			o := run(t, "checks:\n- {name: set, dataset: {file: set.csv, inputs: [a, b], label: sum}, expect: {"+metric+"}}\n",
				map[string]string{"set.csv": "a,b,sum\n1,2,3\n2,2,3\n"}, "--endpoint", s.URL)
			c := o.check(t, "set")
			if o.code != 1 || c.Outcome != report.Value || c.Dataset.NotFinite != 2 || len(c.Dataset.Points) != 0 || !strings.Contains(c.Summary, "2 with NaN or infinity") {
				t.Errorf("%s, %s: exit code %d, outcome %s, %+v: %s%s", answer, metric, o.code, c.Outcome, c.Dataset, o.stdout, o.stderr)
			}
		}
	}
}

// TestMismatches counts rows that are not answered as their label says: numbers
// within the tolerance, booleans however they are written.
func TestMismatches(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		labels, answer, more string
		mismatches           string
	}{
		"within the tolerance":     {"1.0 2", "1.05, 2", "tolerance: {absolute: 0.1}", "0"},
		"within a relative one":    {"100 2", "[101], [2]", "tolerance: {relative: 0.02}", "0"},
		"beyond it":                {"1.0 2", "1.2, NaN", "tolerance: {absolute: 0.1}", "2"},
		"without one":              {"1.0 2", "1.05, 2", "", "1"},
		"beside mae":               {"1.0 2", "1.05, 2", "tolerance: {absolute: 0.1}, mae: {max: 1}", "0"},
		"booleans":                 {"true false", "true, false", "", "0"},
		"booleans as numbers":      {"true false", "1, 0", "", "0"},
		"booleans as text":         {"True False", "'True', 'False'", "", "0"},
		"booleans as other text":   {"true false", "'True', 'False'", "", "0"},
		"numbers as booleans":      {"1 0", "true, false", "", "0"},
		"the other boolean":        {"True False", "0, 1", "", "2"},
		"booleans by score":        {"true false", "[0.1, 0.9], [0.9, 0.1]", "", "0"},
		"booleans that have names": {"true false", "1, 0", "recall: {classes: {'True': {min: 1}, 'False': {min: 1}}}", "0"},
		"text that is no boolean":  {"truth lie", "1, 0", "", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var set strings.Builder
			set.WriteString("a,label\n")
			for _, label := range strings.Fields(tc.labels) {
				set.WriteString("1," + label + "\n")
			}
			head := ""
			if strings.Contains(tc.more, "classes") {
				head = "classes: ['False', 'True'], "
			}
			s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", `{"data":{"ndarray":[`+strings.ReplaceAll(tc.answer, "'", `"`)+`]}}`)})
			o := run(t, "checks:\n- {name: set, "+head+"dataset: {file: set.csv, inputs: [a], label: label, batch: 2}, expect: {"+strings.Join(strings.Fields("mismatches: {max: -1}, "+tc.more), " ")+"}}\n",
				map[string]string{"set.csv": set.String()}, "--endpoint", s.URL)
			if c := o.check(t, "set"); len(c.Findings) != 1 || !strings.Contains(c.Findings[0].Message, "mismatches is "+tc.mismatches+",") {
				t.Errorf("want %s mismatches: %+v: %s", tc.mismatches, c.Findings, o.stdout)
			}
		})
	}
}

// TestContract makes requests from a contract file and holds the answers
// against its targets, in the same way each time.
func TestContract(t *testing.T) {
	t.Parallel()
	contract := func(high int) map[string]string {
		return map[string]string{"contract.json": fmt.Sprintf(`{"features":[{"name":"x","dtype":"INT","ftype":"continuous","range":[0,10],"repeat":2}],
			"targets":[{"name":"sum","dtype":"FLOAT","ftype":"continuous","range":[0,%d]}]}`, high)}
	}
	const checks = "checks:\n- {name: terms, contract: {file: contract.json, seed: 7, requests: 20, batch: 3}, expect: {shape: [3, 1], finite: true}}\n"
	var bodies [2]string
	for i := range bodies {
		s := modeltest.New(t, modeltest.Options{})
		if o := run(t, checks, contract(20), "--endpoint", s.URL); o.code != 0 || s.Requests() != 20 && s.Requests() != 21 {
			t.Fatalf("exit code %d after %d requests: %s%s", o.code, s.Requests(), o.stdout, o.stderr)
		}
		_, body := s.Last()
		bodies[i] = string(body)
	}
	if bodies[0] != bodies[1] || !strings.Contains(bodies[0], `"names":["x1","x2"]`) {
		t.Errorf("the same seed made %s and %s", bodies[0], bodies[1])
	}
	s := modeltest.New(t, modeltest.Options{})
	o := run(t, checks, contract(15), "--endpoint", s.URL)
	// The second row is at the edges: 10 and 10.
	if c := o.check(t, "terms"); c.Outcome != report.Schema || !strings.Contains(o.stdout, "request 1 of seed 7: row 1, target sum: 20 is not from 0 to 15") || c.Replay == "" {
		t.Errorf("outcome %s: %s", c.Outcome, o.stdout)
	}
}

// TestFeedbackAndExplain are asked where Seldon has them.
func TestFeedbackAndExplain(t *testing.T) {
	t.Parallel()
	var paths []string
	s := modeltest.New(t, modeltest.Options{Fault: func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		paths = append(paths, r.URL.Path)
		return false
	}})
	o := run(t, `checks:
- name: feedback
  method: feedback
  request: {request: {data: {ndarray: [[1]]}}, response: {data: {ndarray: [[1]]}}, reward: 1.0, truth: {data: {ndarray: [[1]]}}}
- {name: explain, method: explain, request: {data: {ndarray: [[1]]}}, expect: {jsonData: {$contains: {precision: {$between: [0.9, 1]}}}}}
- {name: live, method: live}
`, nil, "--endpoint", s.URL, "--gateway", "istio", "--namespace", "models", "--deployment", "news", "--concurrency", "1")
	if o.code != 0 {
		t.Fatalf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
	for _, want := range []string{"/seldon/models/news/api/v1.0/feedback", "/seldon/models/news-explainer/default/api/v1.0/explain", "/seldon/models/news/health/ping"} {
		if !strings.Contains(strings.Join(paths, " "), want) {
			t.Errorf("%s was not asked, but %v", want, paths)
		}
	}
}

// TestFeedbackIsGivenOnce: neither to see whether the model is there, nor again
// when the connection breaks.
func TestFeedbackIsGivenOnce(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.Reset()})
	o := run(t, "checks:\n- {name: feedback, method: feedback, request: {reward: 1.0, request: {data: {ndarray: [[1]]}}}}\n", nil, "--endpoint", s.URL)
	if o.code != 3 || s.Requests() != 1 || o.report.Flakes != 0 {
		t.Errorf("exit code %d after %d requests: %s", o.code, s.Requests(), o.stdout)
	}
}
