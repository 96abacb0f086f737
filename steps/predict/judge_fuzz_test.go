package predict

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/contract"
	"github.com/model-delivery/model-delivery/steps/predict/match"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// What is expected, one bit each.
const (
	expectPayload = 1 << iota
	expectClass
	expectRange
	expectFinite
	expectRowSum
	expectMatches
	expectShape
	expectNames
	expectSchema
	expectOutputs
	knownClasses
	tolerant
	severalOutputs
	regression
	classification
	wholePage // which takes most of the time
	allExpected
)

// expected makes a check of what a fuzzer chose; false where lint would refuse it.
func expected(kinds uint16, wanted any) (*checks.Check, bool) {
	c := &checks.Check{Name: "fuzz", Method: seldonclient.Predict}
	has := func(bit uint16) bool { return kinds&bit != 0 }
	pattern, err := match.Compile(wanted)
	if err != nil {
		return nil, false
	}
	zero, one := 0.0, 1.0
	names := []string{"a", "b"}
	if has(knownClasses) {
		c.Classes = names
	}
	if has(tolerant) {
		c.Tolerance = match.Tolerance{Absolute: 0.1, Relative: 0.1}
	}
	e := &c.Expect
	if has(expectPayload) {
		e.Payload = &checks.Payload{Kind: "ndarray", Pattern: pattern}
		if has(expectNames) {
			e.Payload.Names = names
		}
	}
	if has(expectClass) {
		e.Class = &pattern
	}
	if has(expectRange) {
		e.Range = &checks.Range{Min: &zero, Max: &one}
	}
	e.Finite = has(expectFinite)
	if has(expectRowSum) {
		e.RowSum = &one
	}
	if has(expectMatches) {
		found, err := match.Compile(map[string]any{"$matches": "^a"})
		if err != nil {
			return nil, false
		}
		e.Matches = &found
	}
	if has(expectShape) {
		e.Shape = []int{-1, 2}
	}
	if has(expectNames) {
		e.Names = names
	}
	if has(expectOutputs) {
		e.Outputs = []checks.Output{{Name: "output-0", Datatype: "FP64", Shape: []int{-1, 2}, Data: &pattern}}
	}
	return c, true
}

// schemas are checks of an answer's schema, which only a file of checks can have.
func schemas(t testing.TB) *checks.Schema {
	t.Helper()
	text := "apiVersion: model-delivery.dev/v1\nkind: PredictionChecks\nchecks:\n- name: one\n  request: {strData: x}\n" +
		"  expect: {schema: {type: object, properties: {data: {properties: {ndarray: {type: array, items: {type: number}}}}}}}\n"
	file, problems := checks.Parse("p.yaml", t.TempDir(), []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return file.Checks[0].Expect.Schema
}

// several is an answer of V2 with an output for each row.
func several(m *seldonclient.Message) *seldonclient.Message {
	rows, ok := m.Value.([]any)
	if !ok {
		return m
	}
	out := &seldonclient.Message{Kind: "outputs", Tree: m.Tree}
	for i, row := range rows {
		shape, err := seldonclient.ShapeOf(row)
		if err != nil {
			shape = nil
		}
		out.Outputs = append(out.Outputs, seldonclient.Tensor{Name: fmt.Sprintf("output-%d", i), Datatype: "FP32", Shape: shape, Value: row})
	}
	if len(rows) == 1 {
		out.Value = rows[0]
	}
	return out
}

// score scores an answer as that to rows with the labels that a dataset may have.
func score(c *checks.Check, kinds uint16, m *seldonclient.Message, out *report.Check) {
	zero := 0.0
	atMost := &checks.Metric{Range: checks.Range{Max: &zero}, Average: "macro", Classes: map[string]*checks.Range{"a": {Min: &zero}}}
	set := &checks.Check{Name: c.Name, Classes: c.Classes, Tolerance: c.Tolerance, Dataset: &checks.Dataset{Label: "label"}}
	set.Expect.Metrics = map[string]*checks.Metric{"mismatches": {Range: checks.Range{Max: &zero}}}
	if kinds&regression != 0 {
		set.Expect.Metrics["mae"], set.Expect.Metrics["r2"] = atMost, atMost
	}
	if kinds&classification != 0 {
		set.Expect.Metrics["accuracy"], set.Expect.Metrics["f1"] = atMost, atMost
	}
	s := newScorer(set)
	rows := 1
	if list, ok := m.Value.([]any); ok {
		rows = max(len(list), 1)
	}
	b := batch{}
	labels := []any{1.0, "a", true, "True", 0.5, -1.0, "1"}
	for i := range rows {
		b.rows, b.lines = append(b.rows, []any{1.0}), append(b.lines, i+2)
		b.labels = append(b.labels, labels[i%len(labels)])
	}
	if f := s.add(b, m); f != nil {
		s.fail(*f, b)
	}
	s.finish(out)
}

// FuzzJudge: whatever is answered, it is judged, scored and compared without a
// panic, and the report of that can be written.
func FuzzJudge(f *testing.F) {
	const all = allExpected - 1
	for _, seed := range []struct {
		body, other, wanted string
		kinds               uint16
	}{
		{`{"data":{"names":["a","b"],"ndarray":[[0.25,0.75]]}}`, `{"data":{"names":["b","a"],"ndarray":[[0.25,0.75]]}}`, `[[0.25,0.75]]`, all},
		{`{"data":{"ndarray":["medicine"]}}`, `{"data":{"ndarray":[[NaN,1]]}}`, `["a"]`, expectFinite | expectClass},
		{`{"data":{"ndarray":[1e300,Infinity,-1,0.5]}}`, `{"data":{"ndarray":[NaN,1,2,3]}}`, `[1e300,0,0,1]`, expectClass | knownClasses | regression},
		{`{"data":{"tensor":{"shape":[2,2],"values":[1,NaN,3,Infinity]}}}`, `{"data":{"tensor":{"shape":[2,2],"values":[1,2,3,4]}}}`, `[0,1]`, all &^ severalOutputs},
		{`{"data":{"ndarray":[]}}`, `{"data":{"ndarray":[[]]}}`, `[]`, all},
		{`{"data":{"names":["a","a"],"ndarray":[[true,null],[{"a":1},"x"]]}}`, `{"strData":"a"}`, `[{"$set":[1,2]}]`, classification | expectNames | expectPayload},
		{`{"jsonData":{"a":[1,2]}}`, `{"jsonData":null}`, `{"$set":[{"$any":true},1]}`, expectPayload | expectSchema | tolerant},
		{`{"binData":"AAH/"}`, `{"meta":{}}`, `"AAH/"`, expectPayload | expectRowSum},
		{`{"data":{"ndarray":[1e400,[[[]]]]}}`, `<html>`, `{"a":1}`, all},
	} {
		f.Add([]byte(seed.body), []byte(seed.other), []byte(seed.wanted), seed.kinds)
	}
	schema := schemas(f)
	terms, err := contract.Parse([]byte(`{"features":[{"name":"x"}],"targets":[{"name":"a","ftype":"categorical","values":["a",1,null,true]},{"name":"b","dtype":"INT","range":[0,1]}]}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body, other, wanted []byte, kinds uint16) {
		want, err := value.Decode(wanted)
		if err != nil {
			return
		}
		c, ok := expected(kinds, want)
		if !ok {
			return
		}
		if kinds&expectSchema != 0 {
			c.Expect.Schema = schema
		}
		answer := &seldonclient.Answer{Status: http.StatusOK, Header: http.Header{}, Body: body, Latency: time.Millisecond}
		one := report.Check{Name: "one", Kind: "request", Findings: judge(c, answer)}
		set, compared := report.Check{Name: "set", Kind: "dataset"}, report.Check{Name: "compared", Kind: "compare"}
		m, err := answer.Message()
		if err == nil && m.Kind != "" {
			if kinds&severalOutputs != 0 {
				m = several(m)
				j := &judgement{check: c, answer: answer}
				j.message(m)
				one.Findings = append(one.Findings, j.findings...)
			}
			score(c, kinds, m, &set)
			if err := terms.Check(m.Value, m.Names, 1); err != nil {
				one.Findings = append(one.Findings, report.Finding{Stage: report.Schema, Message: err.Error()})
			}
			if before, err := (&seldonclient.Answer{Status: http.StatusOK, Body: other}).Message(); err == nil {
				cmp := &comparison{tolerance: c.Tolerance}
				cmp.answers(subject{check: c, inputs: []any{"input"}}, before, m, &compared)
				cmp.finish(c, &compared)
				compareWithItself(t, c, m)
			}
		}
		r := &report.Report{Checks: []report.Check{one, set, compared}}
		for i := range r.Checks {
			r.Checks[i].Settle()
		}
		r.Close()
		if err := written(r, kinds&wholePage != 0); err != nil {
			t.Errorf("the report of %s: %v", body, err)
		}
	})
}

// compareWithItself: an answer agrees with itself.
func compareWithItself(t *testing.T, c *checks.Check, m *seldonclient.Message) {
	t.Helper()
	same := &comparison{tolerance: c.Tolerance}
	out := report.Check{}
	if same.answers(subject{check: c, inputs: []any{"input"}}, m, m, &out); same.alike != same.rows || same.largest != 0 || len(out.Findings) > 0 {
		t.Errorf("%s does not agree with itself: %d of %d rows, by %v, %+v", value.String(m.Value, 0), same.alike, same.rows, same.largest, out.Findings)
	}
}

// written tells whether a report can be written in every form.
func written(r *report.Report, whole bool) error {
	if _, err := r.JSON(); err != nil {
		return err
	}
	if len(r.JUnit()) == 0 || r.Markdown() == "" {
		return errors.New("is empty")
	}
	if !whole {
		return nil
	}
	page, err := r.HTML()
	for _, wrong := range []string{`="NaN`, `="+Inf`, `="-Inf`} {
		if strings.Contains(page, wrong) {
			err = errors.New("a plot has coordinates that are no numbers")
		}
	}
	return err
}
