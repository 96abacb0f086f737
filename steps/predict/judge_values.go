package predict

import (
	"fmt"
	"math"
	"slices"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/match"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// payload compares the payload, with columns in any order where both sides
// name them.
func (j *judgement) payload(m *seldonclient.Message, want *checks.Payload) {
	got := m.Value
	if m.Kind == "outputs" && want.Kind == "outputs" {
		j.compare(want.Pattern, columns(m, isArray(want.Pattern.Value())), "outputs")
		return
	}
	if !j.oneOutput(m, "a payload") {
		return
	}
	if want.Names != nil {
		from, same := order(m.Names, want.Names)
		if !same {
			j.add(report.Finding{Stage: report.Schema, Message: "the answer's names are not those expected", Where: "data.names", Expected: quoted(want.Names), Got: quoted(m.Names)})
			return
		}
		got = permute(got, from)
	}
	j.compare(want.Pattern, got, payloadPath(m.Kind))
}

// columns are the outputs of an answer as TensorFlow writes them: by name, or the
// only one alone where it has no name or an array of values is expected.
func columns(m *seldonclient.Message, array bool) any {
	if len(m.Outputs) == 1 && (m.Outputs[0].Name == "" || array) {
		return m.Outputs[0].Value
	}
	out := map[string]any{}
	for _, t := range m.Outputs {
		out[t.Name] = t.Value
	}
	return out
}

func payloadPath(kind string) string {
	switch kind {
	case "ndarray", "tensor", "tftensor":
		return "data." + kind
	case "outputs":
		return "outputs[0].data"
	}
	return kind
}

// compare compares and adds a finding that says where and how many differ.
func (j *judgement) compare(p match.Pattern, got any, path string) {
	d := p.Compare(got, j.check.Tolerance)
	if d == nil {
		return
	}
	f := report.Finding{Stage: report.Value, Where: path + d.Path, Expected: d.Expected, Got: d.Got, Count: d.Count, Total: d.Total}
	if d.Structural {
		f.Stage = report.Schema
	}
	f.Message = fmt.Sprintf("expected %s at %s, got %s", d.Expected, f.Where, d.Got)
	if d.Total > 1 {
		f.Message += fmt.Sprintf("; %d of %d differ", d.Count, d.Total)
	}
	if d.Largest > 0 {
		f.Message += fmt.Sprintf(", by at most %.3g", d.Largest)
	}
	j.add(f)
}

// output compares one output, expected as V2 writes it, whose data may be expected flat or nested.
func (j *judgement) output(m *seldonclient.Message, o checks.Output) {
	i := slices.IndexFunc(m.Outputs, func(t seldonclient.Tensor) bool { return t.Name == o.Name })
	if i < 0 {
		j.schema("there is no output %q", o.Name)
		return
	}
	t := m.Outputs[i]
	where := fmt.Sprintf("outputs[%q]", o.Name)
	if o.Datatype != "" && t.Datatype != "" && t.Datatype != o.Datatype {
		j.add(report.Finding{Stage: report.Schema, Message: "another datatype", Where: where + ".datatype", Expected: o.Datatype, Got: t.Datatype})
	}
	if o.Shape != nil && !shapeFits(o.Shape, t.Shape) {
		j.add(report.Finding{Stage: report.Schema, Message: fmt.Sprintf("%s has shape %v, expected %v", where, t.Shape, o.Shape), Where: where + ".shape", Expected: fmt.Sprint(o.Shape), Got: fmt.Sprint(t.Shape)})
	}
	if o.Data == nil {
		return
	}
	got := t.Value
	if list, ok := o.Data.Value().([]any); ok && len(t.Shape) > 1 && (len(list) == 0 || !isArray(list[0])) {
		got = seldonclient.Flatten(got)
	}
	j.compare(*o.Data, got, where+".data")
}

func isArray(v any) bool {
	_, ok := v.([]any)
	return ok
}

func shapeFits(want, got []int) bool {
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] >= 0 && want[i] != got[i] {
			return false
		}
	}
	return true
}

// shapeAndRange looks at shape, finiteness, range, sums, classes and texts.
func (j *judgement) shapeAndRange(m *seldonclient.Message) {
	e := &j.check.Expect
	if e.Shape != nil && j.oneOutput(m, "shape") {
		shape, err := seldonclient.ShapeOf(m.Value)
		if err != nil {
			j.schema("the answer has no shape: %v", err)
		} else if !shapeFits(e.Shape, shape) {
			j.add(report.Finding{Stage: report.Schema, Message: fmt.Sprintf("the answer has shape %v, expected %v", shape, e.Shape), Expected: fmt.Sprint(e.Shape), Got: fmt.Sprint(shape)})
		}
	}
	if e.Finite || e.Range != nil {
		j.numbers(m, e)
	}
	if e.RowSum != nil && j.oneOutput(m, "rowSum") {
		j.rowSums(m, *e.RowSum)
	}
	if e.Class != nil && j.oneOutput(m, "class") {
		j.classes(m, *e.Class)
	}
	if e.Matches != nil {
		values := payloadValues(m)
		if len(values) == 0 {
			j.nothing("matches")
		}
		for i, v := range values {
			if d := e.Matches.Compare(v, j.check.Tolerance); d != nil {
				j.add(report.Finding{Stage: report.Value, Message: fmt.Sprintf("expected %s, got %s (value %d)", d.Expected, d.Got, i), Expected: d.Expected, Got: d.Got})
				return
			}
		}
	}
}

// oneOutput tells whether an answer has one output, so that it is plain what an
// expectation is of, and says so where it has not.
func (j *judgement) oneOutput(m *seldonclient.Message, field string) bool {
	if m.Kind != "outputs" || len(m.Outputs) == 1 {
		return true
	}
	if len(m.Outputs) == 0 {
		j.schema("%s is expected of one output, the answer has none", field)
		return false
	}
	j.schema("%s is expected of one output, the answer has %s; expect each by its name, under outputs", field, outputsText(m))
	return false
}

// payloadValues are all values of the answer's payload.
func payloadValues(m *seldonclient.Message) []any {
	if m.Kind != "outputs" {
		return seldonclient.Flatten(m.Value)
	}
	var out []any
	for _, t := range m.Outputs {
		out = append(out, seldonclient.Flatten(t.Value)...)
	}
	return out
}

// numbers holds every value against what is expected of numbers.
func (j *judgement) numbers(m *seldonclient.Message, e *checks.Expect) {
	values := payloadValues(m)
	if e.Finite {
		j.each(values, "finite", "a finite number", value.IsFinite)
	}
	if e.Range != nil {
		j.each(values, "range", rangeText(e.Range), e.Range.Holds)
	}
}

// each adds a finding unless there are values and all are numbers that a rule
// holds of.
func (j *judgement) each(values []any, field, wanted string, holds func(float64) bool) {
	if len(values) == 0 {
		j.nothing(field)
		return
	}
	count, first := 0, -1
	for i, v := range values {
		if f, ok := value.Float(v); !ok || !holds(f) {
			if count++; first < 0 {
				first = i
			}
		}
	}
	if count == 0 {
		return
	}
	got := value.String(values[first], 60)
	j.add(report.Finding{
		Stage: report.Value, Message: fmt.Sprintf("value %d is %s, expected %s; %d of %d differ", first, got, wanted, count, len(values)),
		Expected: wanted, Got: got, Count: count, Total: len(values),
	})
}

// nothing says that an answer has no values: what is expected of every one
// would hold, but tells nothing.
func (j *judgement) nothing(field string) {
	j.schema("the answer is empty, so there is nothing that %s could hold of", field)
}

// sumSlack is how far rounding may bring a sum of probabilities from 1 when no
// tolerance is given.
const sumSlack = 1e-6

func (j *judgement) rowSums(m *seldonclient.Message, want float64) {
	rows, err := rowsOf(m, "")
	if err != nil {
		j.schema("%v", err)
		return
	}
	if len(rows) == 0 {
		j.nothing("rowSum")
		return
	}
	if !isArray(rows[0]) {
		rows = []any{rows}
	}
	slack := max(j.check.Tolerance.Absolute, j.check.Tolerance.Relative*math.Abs(want), sumSlack)
	for i, row := range rows {
		sum, values := 0.0, seldonclient.Flatten(row)
		if len(values) == 0 {
			j.schema("row %d is empty, so there is nothing to sum", i)
			return
		}
		for _, v := range values {
			f, ok := value.Float(v)
			if !ok {
				f = math.NaN()
			}
			sum += f
		}
		if !(math.Abs(sum-want) <= slack) {
			j.add(report.Finding{Stage: report.Value, Message: fmt.Sprintf("row %d sums to %v, expected %v", i, sum, want), Expected: fmt.Sprint(want), Got: fmt.Sprint(sum)})
			return
		}
	}
}
