package predict_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// TestTensorFlowColumns: outputs are judged by name, or as the only one alone.
func TestTensorFlowColumns(t *testing.T) {
	t.Parallel()
	const (
		two    = `{"outputs":{"scores":[[0.25,0.75]],"label":["up"]}}`
		single = `{"outputs":[[0.25,0.75]]}`
		named  = `{"outputs":{"scores":[[0.25,0.75]]}}`
	)
	for name, tc := range map[string]struct {
		body, expect string
		stage        report.Stage
		says         string
	}{
		"by name":                {two, "{outputs: {label: [up], scores: [[0.25, 0.750001]]}, tolerance: {absolute: 1e-3}}", report.Passed, ""},
		"another value":          {two, "{outputs: {label: [up], scores: [[0.25, 0.5]]}}", report.Value, "expected 0.5 at outputs.scores[0][1], got 0.75"},
		"another label":          {two, "{outputs: {label: [down], scores: [[0.25, 0.75]]}}", report.Value, `expected "down" at outputs.label[0]`},
		"an output that is none": {two, "{outputs: {klass: [up], scores: [[0.25, 0.75]]}}", report.Schema, "outputs.klass"},
		"some of them":           {two, "{outputs: {$contains: {label: [up]}}}", report.Passed, ""},
		"as V2 writes them":      {two, "{outputs: [{name: scores, shape: [1, 2], data: [0.25, 0.75]}]}", report.Passed, ""},
		"alone":                  {single, "{outputs: [[0.25, 0.75]]}", report.Passed, ""},
		"alone, another value":   {single, "{outputs: [[0.25, 0.5]]}", report.Value, "expected 0.5 at outputs[0][1], got 0.75"},
		"class of the only one":  {single, "{class: [1], shape: [1, 2], rowSum: 1, finite: true}", report.Passed, ""},
		"class of one by name":   {named, "{class: [1], shape: [1, 2]}", report.Passed, ""},
		"another class":          {named, "{class: [0]}", report.Value, "is class 1, expected 0"},
		"one by name, alone":     {named, "{outputs: [[0.25, 0.75]]}", report.Passed, ""},
		"class of two":           {two, "{class: [1]}", report.Schema, `class is expected of one output, the answer has 2`},
		"shape of two":           {two, "{shape: [1, 2]}", report.Schema, "shape is expected of one output, the answer has 2"},
		"numbers of two":         {`{"outputs":{"a":[1],"b":[[7]]}}`, "{range: {max: 5}}", report.Value, "value 1 is 7"},
		"not an array":           {`{"outputs":7}`, "{outputs: [7]}", report.Schema, "an array of 1"},
		"bytes alone":            {`{"outputs":{"b64":"aGk="}}`, "{outputs: {b64: aGk=}}", report.Passed, ""},
		"nothing":                {`{"outputs":{}}`, "{class: [1]}", report.Schema, "the answer has none"},
		"rows of two lengths":    {`{"outputs":{"a":[[1],[2,3]]}}`, "{outputs: {a: [[1], [2, 3]]}}", report.Passed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", tc.body)})
			o := run(t, "defaults: {protocol: tensorflow, model: model}\nchecks:\n- name: one\n  request: {inputs: {x: [[1, 2]]}}\n  expect: "+tc.expect+"\n", nil, "--endpoint", s.URL)
			c := o.check(t, "one")
			if c.Outcome != tc.stage || !strings.Contains(o.stdout, tc.says) {
				t.Errorf("outcome %s, want %s with %q: %s%s", c.Outcome, tc.stage, tc.says, o.stdout, o.stderr)
			}
		})
	}
}

// TestTensorFlowDataset is judged by the output that the check names.
func TestTensorFlowDataset(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", `{"outputs":{"scores":[[0.25,0.75]],"other":[1]}}`)})
	for output, want := range map[string]report.Stage{", output: scores": report.Passed, ", output: none": report.Schema, "": report.Schema} {
		o := run(t, "defaults: {protocol: tensorflow, model: model}\nchecks:\n- {name: set, dataset: {file: set.csv, inputs: [a], label: class"+output+"}, expect: {accuracy: {min: 1}}}\n",
			map[string]string{"set.csv": "a,class\n1,1\n2,1\n"}, "--endpoint", s.URL)
		if c := o.check(t, "set"); c.Outcome != want {
			t.Errorf("%s: outcome %s: %s", output, c.Outcome, o.stdout)
		}
	}
}

// TestRecordLiterally: what looks like a matcher in an answer, at any depth and in
// any kind of payload, is recorded as what it is, and holds for nothing else.
func TestRecordLiterally(t *testing.T) {
	t.Parallel()
	const (
		seldon     = "checks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}}\n"
		tensorflow = "defaults: {protocol: tensorflow, model: model}\nchecks:\n- {name: one, request: {inputs: {x: [[1, 2]]}}}\n"
	)
	for name, tc := range map[string]struct{ checks, answer, other string }{
		"a matcher in an array":   {seldon, `{"jsonData":[{"$any":1}]}`, `{"jsonData":[7]}`},
		"no matcher":              {seldon, `{"jsonData":{"a":{"$ref":"x"}}}`, `{"jsonData":{"a":{"$ref":"y"}}}`},
		"a literal":               {seldon, `{"jsonData":{"$literal":{"$any":true}}}`, `{"jsonData":{"$any":true}}`},
		"beside other keys":       {seldon, `{"jsonData":{"a":1,"$any":2}}`, `{"jsonData":{"a":1,"$any":3}}`},
		"in an ndarray":           {seldon, `{"data":{"ndarray":[[{"$any":1}]]}}`, `{"data":{"ndarray":[[5]]}}`},
		"in predictions":          {tensorflow, `{"predictions":[{"$matches":"."}]}`, `{"predictions":["x"]}`},
		"outputs by name":         {tensorflow, `{"outputs":{"a":[0.5],"b":["x"]}}`, `{"outputs":{"a":[0.5],"b":["y"]}}`},
		"the only output":         {tensorflow, `{"outputs":[[1,2]]}`, `{"outputs":[[1,3]]}`},
		"a matcher in an output":  {tensorflow, `{"outputs":{"a":[{"$any":1}],"$b":[2]}}`, `{"outputs":{"a":[1],"$b":[2]}}`},
		"an output that is bytes": {tensorflow, `{"outputs":{"b64":"aGk="}}`, `{"outputs":{"b64":"aGkh"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", tc.answer)})
			other := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", tc.other)})
			dir := write(t, map[string]string{"p.yaml": head + tc.checks})
			path := filepath.Join(dir, "p.yaml")
			if o := execute(t, dir, "record", "--checks", path, "--endpoint", s.URL, "--output", path); o.code != 0 {
				t.Fatalf("exit code %d: %s", o.code, o.stderr)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if o := execute(t, dir, "--checks", path, "--endpoint", s.URL); o.code != 0 {
				t.Errorf("what was recorded does not hold: %s%s\n%s", o.stdout, o.stderr, data)
			}
			if o := execute(t, dir, "--checks", path, "--endpoint", other.URL); o.code != 1 {
				t.Errorf("what was recorded holds for another answer: %s\n%s", o.stdout, data)
			}
		})
	}
}
