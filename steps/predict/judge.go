package predict

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
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

// statusOf is the status that an answer is judged by. Seldon's gateways say that
// a model failed under HTTP status 200 too: then the code within the answer, where
// it is one of HTTP, is the status, and own tells so.
func statusOf(a *seldonclient.Answer) (status int, own bool) {
	if a.Status >= 300 || a.Code != 0 {
		return a.Status, false
	}
	m, err := a.Message()
	if err == nil && m.Failure != nil && m.Failure.Code >= 100 && m.Failure.Code <= 599 {
		return m.Failure.Code, true
	}
	return a.Status, false
}

// status looks at the HTTP status, or at the answer's own where one is expected.
func (j *judgement) status() {
	wanted := j.check.Expect.Status
	status, own := j.answer.Status, false
	if wanted == nil {
		wanted = success()
	} else {
		status, own = statusOf(j.answer)
	}
	if wanted.Holds(float64(status)) {
		return
	}
	message := fmt.Sprintf("HTTP status %d", status)
	switch {
	case own:
		message = fmt.Sprintf("the answer's own status.code %d, under HTTP status %d", status, j.answer.Status)
	case j.answer.Code != 0:
		message = fmt.Sprintf("gRPC status %s (HTTP %d)", j.answer.Code, status)
	}
	if m, err := j.answer.Message(); err == nil && m.Failure != nil {
		message += ": " + m.Failure.String()
	} else if len(j.answer.Body) > 0 {
		message += ": " + shorten(string(j.answer.Body), 300)
	} else if location := j.answer.Header.Get("Location"); location != "" {
		message += ", redirected to " + shorten(location, 200)
	}
	j.add(report.Finding{Stage: report.HTTP, Message: message, Expected: "status " + rangeText(wanted), Got: fmt.Sprint(status)})
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
	j.message(m)
}

// message looks at an answer that could be read.
func (j *judgement) message(m *seldonclient.Message) {
	e, method := &j.check.Expect, j.check.Method
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
	if e.Names != nil {
		if _, same := order(m.Names, e.Names); !same {
			j.schema("names are %s, expected %s", quoted(m.Names), quoted(e.Names))
		}
	}
	if e.Version != "" && m.Version != e.Version {
		j.add(report.Finding{Stage: report.Value, Message: "another version of the model answers", Where: "model_version", Expected: e.Version, Got: cmp.Or(m.Version, "no version")})
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

// shorten puts text on one line of at most n bytes.
func shorten(text string, n int) string {
	more := len(text) > 8*n // of a long text only the beginning is looked at
	if more {
		text = text[:8*n]
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\ufffd")), " ")
	if len(text) <= n && !more {
		return text
	}
	n = min(n, len(text))
	for n > 0 && n < len(text) && text[n]&0xc0 == 0x80 {
		n--
	}
	return text[:n] + "…"
}
