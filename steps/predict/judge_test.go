package predict_test

import (
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// answered holds a model's answer, as it is written, against what is expected.
func answered(t *testing.T, fields, body string) outcome {
	t.Helper()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", body)})
	return run(t, "defaults: {model: m}\nchecks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}, "+fields+"}\n", nil, "--endpoint", s.URL)
}

// judged is a table of answers and of what is said of them.
type judged map[string]judgedAnswer

type judgedAnswer struct {
	fields, body string
	stage        report.Stage
	says         string // part of what is printed
	findings     int
}

func (table judged) test(t *testing.T) {
	t.Helper()
	for name, tc := range table {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := answered(t, tc.fields, tc.body)
			if c := o.check(t, "one"); c.Outcome != tc.stage || len(c.Findings) != tc.findings || !strings.Contains(o.stdout, tc.says) {
				t.Errorf("outcome %s, %d findings, want %s, %d with %q: %s%s", c.Outcome, len(c.Findings), tc.stage, tc.findings, tc.says, o.stdout, o.stderr)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	judged{
		"text is not finite":     {"expect: {finite: true}", `{"data":{"ndarray":["medicine"]}}`, report.Value, `value 0 is "medicine", expected a finite number`, 1},
		"text is in no range":    {"expect: {range: {min: 0, max: 1}}", `{"data":{"ndarray":["medicine"]}}`, report.Value, `expected 0 to 1`, 1},
		"infinity is in a range": {"expect: {range: {min: 0}}", `{"data":{"ndarray":[Infinity]}}`, report.Passed, "", 0},
		"NaN is in no range":     {"expect: {range: {min: 0}}", `{"data":{"ndarray":[[1, NaN]]}}`, report.Value, "value 1 is NaN, expected at least 0; 1 of 2 differ", 1},
		"neither":                {"expect: {finite: true, range: {max: 1}}", `{"data":{"ndarray":[NaN, 2]}}`, report.Value, "expected a finite number", 2},
		"both":                   {"expect: {finite: true, range: {max: 1}}", `{"data":{"ndarray":[0, 1]}}`, report.Passed, "", 0},
	}.test(t)
}

// TestNothingToJudge: what is expected of every value or row does not hold of none.
func TestNothingToJudge(t *testing.T) {
	t.Parallel()
	table := judged{}
	for name, field := range map[string]string{"finite": "finite: true", "range": "range: {min: 0}", "rowSum": "rowSum: 1", "matches": "matches: x"} {
		for _, body := range []string{`{"data":{"ndarray":[]}}`, `{"data":{"tensor":{"shape":[0],"values":[]}}}`} {
			table[name+" of "+body] = judgedAnswer{"expect: {" + field + "}", body, report.Schema, "the answer is empty, so there is nothing that " + name + " could hold of", 1}
		}
	}
	table["rowSum of an empty row"] = judgedAnswer{"expect: {rowSum: 0}", `{"data":{"ndarray":[[0],[]]}}`, report.Schema, "row 1 is empty", 1}
	table.test(t)
}

// TestAnswersOfV2: several outputs have to be expected by name.
func TestAnswersOfV2(t *testing.T) {
	t.Parallel()
	const body = `{"model_name":"m","model_version":"7","outputs":[{"name":"p","datatype":"FP64","shape":[1,2],"data":[0.25,0.75]},{"name":"q","datatype":"FP64","shape":[1],"data":[3]}]}`
	table := judged{
		"another datatype": {"protocol: v2, expect: {outputs: [{name: p, datatype: FP32}]}", body, report.Schema, `another datatype (at outputs["p"].datatype, expected FP32, got FP64)`, 1},
		"another version":  {"protocol: v2, expect: {version: '8'}", body, report.Value, "another version of the model answers (at model_version, expected 8, got 7)", 1},
		"too slow":         {"protocol: v2, expect: {latency: 1ns}", body, report.SLO, "the answer took too long (expected at most 1ns, got ", 1},
		"by name":          {"protocol: v2, expect: {outputs: [{name: p, shape: [1, 2]}, {name: q, data: [3]}], finite: true}", body, report.Passed, "", 0},
	}
	for name, field := range map[string]string{"class": "class: [1]", "rowSum": "rowSum: 1", "shape": "shape: [1, 2]"} {
		table[name] = judgedAnswer{"protocol: v2, expect: {" + field + "}", body, report.Schema,
			name + ` is expected of one output, the answer has 2: "p", "q"; expect each by its name, under outputs`, 1}
	}
	table.test(t)
}
