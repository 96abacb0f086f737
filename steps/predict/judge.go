package predict

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/match"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// success is the range of status that is expected when nothing is said.
func success() *checks.Range {
	low, high := 200.0, 299.0
	return &checks.Range{Min: &low, Max: &high}
}

// expectsFailure tells whether an answer with an error is what is wanted.
func expectsFailure(e *checks.Expect) bool {
	return e.Status != nil && e.Status.Min != nil && *e.Status.Min >= 400
}

// judge holds one answer against what a check expects. None: all is well.
func judge(c *checks.Check, a *seldonclient.Answer) []report.Finding {
	j := &judgement{check: c, answer: a}
	j.status()
	e := &c.Expect
	if len(j.findings) == 0 && !(expectsFailure(e) && !expectsContent(e)) {
		j.content()
	}
	if e.Latency > 0 && a.Latency > e.Latency {
		j.add(report.Finding{Stage: report.SLO, Message: "the answer took too long", Expected: "at most " + e.Latency.String(), Got: a.Latency.Round(time.Microsecond).String()})
	}
	return j.findings
}

// expectsContent tells whether anything is said of what the answer holds.
func expectsContent(e *checks.Expect) bool {
	return e.Payload != nil || e.Outputs != nil || e.Names != nil || e.Shape != nil || e.Finite || e.Range != nil || e.RowSum != nil ||
		e.Class != nil || e.Matches != nil || e.Schema != nil || e.Meta != nil || e.Version != ""
}

type judgement struct {
	check    *checks.Check
	answer   *seldonclient.Answer
	findings []report.Finding
}

func (j *judgement) add(f report.Finding) { j.findings = append(j.findings, f) }

func (j *judgement) schema(format string, args ...any) {
	j.add(report.Finding{Stage: report.Schema, Message: fmt.Sprintf(format, args...)})
}

// status looks at the HTTP status.
func (j *judgement) status() {
	wanted := j.check.Expect.Status
	if wanted == nil {
		wanted = success()
	}
	if wanted.Holds(float64(j.answer.Status)) {
		return
	}
	message := fmt.Sprintf("HTTP status %d", j.answer.Status)
	if j.answer.Code != 0 {
		message = fmt.Sprintf("gRPC status %s (HTTP %d)", j.answer.Code, j.answer.Status)
	}
	if m, err := j.answer.Message(); err == nil && m.Failure != nil {
		message += ": " + m.Failure.String()
	} else if len(j.answer.Body) > 0 {
		message += ": " + shorten(string(j.answer.Body), 300)
	} else if location := j.answer.Header.Get("Location"); location != "" {
		message += ", redirected to " + shorten(location, 200)
	}
	j.add(report.Finding{Stage: report.HTTP, Message: message, Expected: "status " + rangeText(wanted), Got: fmt.Sprint(j.answer.Status)})
}

func rangeText(r *checks.Range) string {
	switch {
	case r.Min != nil && r.Max != nil && *r.Min == *r.Max:
		return fmt.Sprint(*r.Min)
	case r.Min != nil && r.Max != nil:
		return fmt.Sprintf("%v to %v", *r.Min, *r.Max)
	case r.Min != nil:
		return fmt.Sprintf("at least %v", *r.Min)
	case r.Max != nil:
		return fmt.Sprintf("at most %v", *r.Max)
	}
	return "any"
}

// content looks at what the answer holds.
func (j *judgement) content() {
	e := &j.check.Expect
	m, err := j.answer.Message()
	if err != nil {
		if !expectsContent(e) && expectsFailure(e) {
			return
		}
		j.add(report.Finding{Stage: report.Schema, Message: err.Error(), Got: shorten(string(j.answer.Body), 300)})
		return
	}
	if m.Failure != nil && !expectsFailure(e) {
		j.add(report.Finding{Stage: report.HTTP, Message: fmt.Sprintf("the answer says FAILURE under HTTP status %d: %s", j.answer.Status, m.Failure)})
		return
	}
	method := j.check.Method
	if m.Kind == "" && m.Failure == nil && (method == seldonclient.Predict || method == seldonclient.Explain) && !expectsFailure(e) {
		j.schema("the answer has no payload: none of data, strData, binData, jsonData and customData")
		return
	}
	if e.Payload != nil {
		j.payload(m, e.Payload)
	}
	for _, o := range e.Outputs {
		j.output(m, o)
	}
	if e.Names != nil && !slices.Equal(sorted(e.Names), sorted(m.Names)) {
		j.schema("names are %q, expected %q", m.Names, e.Names)
	}
	if e.Version != "" && m.Version != e.Version {
		j.add(report.Finding{Stage: report.Value, Message: "another version of the model answers", Where: "model_version", Expected: e.Version, Got: m.Version})
	}
	if e.Meta != nil {
		j.compare(*e.Meta, anyMap(m.Meta), "meta")
	}
	if e.Schema != nil {
		if problem := e.Schema.Problem(m.Tree); problem != "" {
			j.schema("JSON Schema: %s", shorten(problem, 1000))
		}
	}
	j.shapeAndRange(m)
}

func anyMap(m map[string]any) any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

// payload compares the payload, with columns in any order where both sides
// name them.
func (j *judgement) payload(m *seldonclient.Message, want *checks.Payload) {
	got := m.Value
	if m.Kind == "outputs" && len(m.Outputs) != 1 {
		j.schema("the answer has %d outputs; expect them by name, under outputs", len(m.Outputs))
		return
	}
	if want.Names != nil {
		var err error
		if got, err = reorder(got, m.Names, want.Names); err != nil {
			j.add(report.Finding{Stage: report.Schema, Message: err.Error(), Where: "data.names", Expected: fmt.Sprintf("%q", want.Names), Got: fmt.Sprintf("%q", m.Names)})
			return
		}
	}
	j.compare(want.Pattern, got, payloadPath(m.Kind))
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

// reorder puts an answer's columns into the order in which they were expected.
func reorder(v any, names, wanted []string) (any, error) {
	if slices.Equal(names, wanted) {
		return v, nil
	}
	if !slices.Equal(sorted(names), sorted(wanted)) {
		return nil, fmt.Errorf("the answer's names are not those expected")
	}
	from := make([]int, len(wanted))
	for i, name := range wanted {
		from[i] = slices.Index(names, name)
	}
	return permute(v, from), nil
}

// permute reorders the innermost arrays of that many elements.
func permute(v any, from []int) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	if len(list) > 0 {
		if _, nested := list[0].([]any); nested {
			out := make([]any, len(list))
			for i, item := range list {
				out[i] = permute(item, from)
			}
			return out
		}
	}
	if len(list) != len(from) {
		return v
	}
	out := make([]any, len(list))
	for i, at := range from {
		out[i] = list[at]
	}
	return out
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

// output compares one output of V2, whose data may be expected flat or nested.
func (j *judgement) output(m *seldonclient.Message, o checks.Output) {
	i := slices.IndexFunc(m.Outputs, func(t seldonclient.Tensor) bool { return t.Name == o.Name })
	if i < 0 {
		j.schema("there is no output %q", o.Name)
		return
	}
	t := m.Outputs[i]
	where := fmt.Sprintf("outputs[%q]", o.Name)
	if o.Datatype != "" && t.Datatype != o.Datatype {
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
	if e.Shape != nil {
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
	if e.RowSum != nil {
		j.rowSums(m, *e.RowSum)
	}
	if e.Class != nil {
		j.classes(m, *e.Class)
	}
	if e.Matches != nil {
		for i, v := range payloadValues(m) {
			if d := e.Matches.Compare(v, j.check.Tolerance); d != nil {
				j.add(report.Finding{Stage: report.Value, Message: fmt.Sprintf("expected %s, got %s (value %d)", d.Expected, d.Got, i), Expected: d.Expected, Got: d.Got})
				return
			}
		}
	}
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

func (j *judgement) numbers(m *seldonclient.Message, e *checks.Expect) {
	values := payloadValues(m)
	for _, rule := range []struct {
		what  string
		holds func(float64) bool
	}{
		{"a finite number", func(f float64) bool { return !e.Finite || !(math.IsNaN(f) || math.IsInf(f, 0)) }},
		{"in range", func(f float64) bool { return e.Range.Holds(f) }},
	} {
		what := rule.what
		count, first := 0, -1
		for i, v := range values {
			f, ok := value.Float(v)
			if !ok || !rule.holds(f) {
				if count++; first < 0 {
					first = i
				}
			}
		}
		if count == 0 {
			continue
		}
		if what == "in range" {
			what = rangeText(e.Range)
		}
		j.add(report.Finding{
			Stage: report.Value, Message: fmt.Sprintf("value %d is %s, expected %s; %d of %d differ", first, value.String(values[first], 60), what, count, len(values)),
			Expected: what, Got: value.String(values[first], 60), Count: count, Total: len(values),
		})
	}
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
	if len(rows) > 0 && !isArray(rows[0]) {
		rows = []any{rows}
	}
	slack := max(j.check.Tolerance.Absolute, j.check.Tolerance.Relative*math.Abs(want), sumSlack)
	for i, row := range rows {
		sum := 0.0
		for _, v := range seldonclient.Flatten(row) {
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

// classes compares the classes that the rows stand for, by name or index.
func (j *judgement) classes(m *seldonclient.Message, want match.Pattern) {
	if text, ok := m.Value.(string); ok {
		m = &seldonclient.Message{Kind: m.Kind, Value: []any{text}, Names: m.Names}
	}
	rows, err := rowsOf(m, "")
	if err != nil {
		j.schema("%v", err)
		return
	}
	names := classNames(j.check.Classes, m, rows)
	wanted, isList := want.Value().([]any)
	if !isList {
		wanted = []any{want.Value()}
		// One row of scores may come without the array around it.
		if len(rows) > 1 && !isArray(rows[0]) {
			rows = []any{rows}
		}
	}
	if names == nil && len(rows) > 0 {
		if list, ok := rows[0].([]any); ok && len(list) == len(m.Names) {
			names = m.Names
		}
	}
	if len(rows) != len(wanted) {
		j.schema("the answer has %d rows, %d classes are expected", len(rows), len(wanted))
		return
	}
	wrong, first := 0, report.Finding{}
	for i, row := range rows {
		got, err := classOf(row, names)
		if err != nil {
			j.schema("row %d: %v", i, err)
			return
		}
		expected, err := labelOf(wanted[i], names)
		if err != nil {
			j.schema("expected class %d: %v", i, err)
			return
		}
		if got != expected {
			if wrong++; wrong == 1 {
				first = report.Finding{Stage: report.Value, Where: fmt.Sprintf("row %d", i), Expected: expected, Got: got}
			}
		}
	}
	if wrong > 0 {
		first.Count, first.Total = wrong, len(rows)
		first.Message = fmt.Sprintf("%s is class %s, expected %s", first.Where, first.Got, first.Expected)
		if len(rows) > 1 {
			first.Message += fmt.Sprintf("; %d of %d differ", wrong, len(rows))
		}
		j.add(first)
	}
}

// shorten puts text on one line of at most n bytes.
func shorten(text string, n int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\ufffd")), " ")
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xc0 == 0x80 {
		n--
	}
	return text[:n] + "…"
}
