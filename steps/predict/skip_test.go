package predict_test

import (
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// TestFlagsAndWhatChecksSay: flags stand in for the file's defaults, a check that
// says its own keeps it, and what cannot be asked so is skipped with the reason.
func TestFlagsAndWhatChecksSay(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	for name, tc := range map[string]struct {
		check string
		args  []string
		stage report.Stage
		says  string
	}{
		"raw over gRPC":            {"{name: it, request: {raw: not json}, expect: {status: {min: 400}}}", []string{"--transport", "grpc"}, report.Skipped, "a raw body can be sent over REST only; a check that says transport: rest by itself is asked so"},
		"raw that says rest":       {"{name: it, transport: rest, request: {raw: not json}, expect: {status: {min: 400}}}", []string{"--transport", "grpc"}, report.Passed, ""},
		"load of what is raw":      {"{name: it, load: {requests: 1, request: {raw: not json}}, expect: {errors: 100%}}", []string{"--transport", "grpc"}, report.Skipped, "REST only"},
		"a method that is missing": {"{name: it, method: feedback, request: {reward: 1}}", []string{"--protocol", "v2"}, report.Skipped, "protocol v2 has no method feedback over REST"},
		"explain over gRPC":        {"{name: it, method: explain, request: {data: {ndarray: [[1]]}}}", []string{"--transport", "grpc"}, report.Skipped, "no method explain over gRPC"},
		"text of Seldon's":         {"{name: it, request: {strData: abc}}", []string{"--protocol", "v2"}, report.Skipped, "strData is not of protocol v2"},
		"text that says seldon":    {"{name: it, protocol: seldon, request: {strData: abc}}", []string{"--protocol", "v2"}, report.Passed, ""},
		"inputs of V2":             {"{name: it, protocol: v2, request: {inputs: [{name: i, datatype: FP64, shape: [1, 1], data: [1]}]}}", []string{"--protocol", "seldon"}, report.Passed, ""},
		"values of two types":      {"{name: it, request: {data: {ndarray: [[1, x]]}}}", []string{"--protocol", "v2"}, report.Skipped, "has INT64 and BYTES in it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := run(t, "defaults: {model: model}\n"+one+"- "+tc.check+"\n", nil, append(tc.args, "--endpoint", s.URL, "--grpc-endpoint", s.GRPC)...)
			c := o.check(t, "it")
			if o.code != 0 || c.Outcome != tc.stage || !strings.Contains(c.Summary, tc.says) || o.check(t, "one").Outcome != report.Passed {
				t.Errorf("exit code %d, %+v: %s%s", o.code, c, o.stdout, o.stderr)
			}
			if tc.stage == report.Skipped && !strings.Contains(o.stdout, "skip it: ") {
				t.Errorf("it is not shown: %s", o.stdout)
			}
		})
	}
	// Nothing left to ask, and what the file itself says wrongly, are wrong input.
	if o := run(t, "checks:\n- {name: it, request: {raw: not json}}\n", nil, "--transport", "grpc", "--endpoint", s.URL, "--grpc-endpoint", s.GRPC); o.code != 2 || !strings.Contains(o.stderr, "REST only") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	if o := run(t, "defaults: {protocol: v2, model: model}\nchecks:\n- {name: it, request: {data: {ndarray: [[1, x]]}}}\n", nil, "--endpoint", s.URL); o.code != 2 || !strings.Contains(o.stderr, "has INT64 and BYTES in it") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}

// TestDatatypes: Seldon's data goes to a model of V2 as what it is, or as what the
// file says.
func TestDatatypes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ defaults, data, want string }{
		"whole numbers": {"", "{ndarray: [[1, 2]]}", `"data":[1,2],"datatype":"INT64","name":"input-0","shape":[1,2]`},
		"numbers":       {"", "{ndarray: [[1, 2.5]]}", `"datatype":"FP64"`},
		"text":          {"", "{ndarray: [a, b]}", `"data":["a","b"],"datatype":"BYTES","name":"input-0","shape":[2]`},
		"booleans":      {"", "{ndarray: [[true, false]]}", `"datatype":"BOOL"`},
		"as is said":    {", datatype: FP32, input: x", "{tensor: {shape: [1, 2], values: [1, 2]}}", `"datatype":"FP32","name":"x"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Model: modeltest.Echo})
			o := run(t, "defaults: {model: model"+tc.defaults+"}\nchecks:\n- {name: it, request: {data: "+tc.data+"}}\n", nil, "--endpoint", s.URL, "--protocol", "v2")
			if _, body := s.Last(); o.code != 0 || !strings.Contains(string(body), tc.want) {
				t.Errorf("exit code %d, sent %s, want %s: %s", o.code, body, tc.want, o.stdout)
			}
		})
	}
	s := modeltest.New(t, modeltest.Options{})
	o := run(t, "defaults: {model: model, protocol: v2, datatype: INT64}\nchecks:\n- {name: it, request: {data: {ndarray: [[1.5]]}}}\n", nil, "--endpoint", s.URL)
	if o.code != 2 || !strings.Contains(o.stderr, "FP64 cannot be sent as INT64") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}

// TestOneDatatypeForAFile: whole numbers in one batch are sent as the file's
// other numbers are.
func TestOneDatatypeForAFile(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"floats.csv": "a,b\n1,2\n1.5,2\n3,4\n", "mixed.csv": "a,b\n1,x\n",
		"contract.json": `{"features":[{"name":"x","range":[0,1],"repeat":2}]}`,
	}
	for name, check := range map[string]string{"dataset": "dataset: {file: floats.csv}", "contract": "contract: {file: contract.json, requests: 2}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{})
			o := run(t, "defaults: {model: model}\nchecks:\n- name: it\n  "+check+"\n", files, "--endpoint", s.URL, "--protocol", "v2")
			if _, body := s.Last(); o.code != 0 || !strings.Contains(string(body), `"datatype":"FP64"`) {
				t.Errorf("exit code %d, sent %s: %s%s", o.code, body, o.stdout, o.stderr)
			}
		})
	}
	s := modeltest.New(t, modeltest.Options{})
	o := run(t, "defaults: {model: model}\n"+one+"- {name: it, dataset: {file: mixed.csv}}\n", files, "--endpoint", s.URL, "--protocol", "v2")
	if c := o.check(t, "it"); o.code != 0 || c.Outcome != report.Skipped || !strings.Contains(c.Summary, "mixed.csv: line 2: the data has INT64 and BYTES in it") {
		t.Errorf("exit code %d, %+v: %s", o.code, c, o.stderr)
	}
}
