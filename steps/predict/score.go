package predict

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/match"
	"github.com/model-delivery/model-delivery/steps/predict/metrics"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// maxConfusion is how many classes a confusion matrix is drawn of.
const maxConfusion = 50

// maxScores is how many classes are listed one by one.
const maxScores = 200

// finish writes down what was measured and holds it against the expectations.
func (s *scorer) finish(out *report.Check) {
	out.Findings = append(out.Findings, s.findings...)
	out.Flakes = s.flakes
	out.Latency = report.NewLatency(&s.latencies)
	d := &report.Dataset{Rows: s.rows}
	// Batches that travel side by side are answered in any order.
	slices.SortStableFunc(s.wrong, func(a, b wrongRow) int { return cmp.Compare(a.Line, b.Line) })
	for _, w := range s.wrong {
		d.Wrong = append(d.Wrong, w.WrongRow)
	}
	out.Dataset = d
	var parts []string
	if s.classes.Total() > 0 {
		accuracy := s.classes.Accuracy()
		d.Accuracy = &accuracy
		d.Macro = map[string]float64{}
		for _, name := range []string{"precision", "recall", "f1"} {
			d.Macro[name] = s.classes.Average(name, "macro")
		}
		d.Classes = s.classes.Scores()
		if len(d.Classes) > maxScores {
			d.Classes = d.Classes[:maxScores]
		}
		if names, counts := s.classes.Confusion(maxConfusion); names != nil {
			d.Confusion = &report.Confusion{Names: names, Counts: counts}
		}
		parts = append(parts, fmt.Sprintf("accuracy %.4g (%d of %d)", accuracy, s.classes.Total()-s.classes.Wrong(), s.classes.Total()))
	}
	if s.regression.Total() > 0 {
		mae, rmse, r2 := s.regression.MAE(), s.regression.RMSE(), s.regression.R2()
		d.MAE, d.RMSE, d.R2, d.Points = finite(mae), finite(rmse), finite(r2), s.regression.Points
		d.NotFinite = s.regression.NotFinite()
		parts = append(parts, fmt.Sprintf("mae %.4g, rmse %.4g, r2 %.4g over %d rows", mae, rmse, r2, s.regression.Total()))
		if d.NotFinite > 0 {
			parts = append(parts, fmt.Sprintf("%d with NaN or infinity", d.NotFinite))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("%d rows", s.rows))
	}
	if out.Latency != nil {
		parts = append(parts, fmt.Sprintf("p95 %.4g ms", out.Latency.P95))
	}
	out.Summary = strings.Join(parts, ", ")
	if s.rows == 0 && len(s.findings) == 0 {
		out.Findings = append(out.Findings, report.Finding{Stage: report.Value, Message: "the dataset has no rows"})
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.check.Expect.Metrics)) {
		s.hold(name, s.check.Expect.Metrics[name], out)
	}
	holdLatencies(s.check, &s.latencies, out)
}

// wrongRow is a row that was answered wrongly, and what was sent of it.
type wrongRow struct {
	report.WrongRow
	inputs []any
}

// example are rows that show what is wrong: those of the first request without a
// usable answer, or the first row that was answered wrongly; nil: none was.
func (s *scorer) example() [][]any {
	switch {
	case s.broken > 0:
		return s.unusable.rows
	case len(s.wrong) > 0:
		return [][]any{s.wrong[0].inputs}
	}
	return nil
}

// finite is f for a report; nil for what JSON has no number for.
func finite(f float64) *float64 {
	if !value.IsFinite(f) {
		return nil
	}
	return &f
}

// measured is the value of a metric.
func (s *scorer) measured(name, average string) float64 {
	switch name {
	case "accuracy":
		return s.classes.Accuracy()
	case "mae":
		return s.regression.MAE()
	case "rmse":
		return s.regression.RMSE()
	case "r2":
		return s.regression.R2()
	case "mismatches":
		return float64(s.mismatches)
	}
	return s.classes.Average(name, average)
}

// hold holds one metric against its bounds, over all and by class.
func (s *scorer) hold(name string, m *checks.Metric, out *report.Check) {
	if m == nil {
		return
	}
	fail := func(what string, got float64, bounds *checks.Range) {
		out.Findings = append(out.Findings, report.Finding{
			Stage: report.Value, Where: what, Expected: rangeText(bounds), Got: fmt.Sprintf("%.6g", got),
			Message: fmt.Sprintf("%s is %.6g, expected %s", what, got, rangeText(bounds)),
		})
	}
	if m.Min != nil || m.Max != nil {
		if got := s.measured(name, m.Average); !m.Holds(got) {
			fail(name, got, &m.Range)
		}
	}
	if m.Each == nil && m.Classes == nil {
		return
	}
	scores := map[string]metrics.ClassScore{}
	failed := 0
	for _, score := range s.classes.Scores() {
		scores[score.Class] = score
		if m.Each != nil && score.Support > 0 && !m.Each.Holds(score.Get(name)) {
			if failed++; failed <= 10 {
				fail(fmt.Sprintf("%s of class %s", name, score.Class), score.Get(name), m.Each)
			}
		}
	}
	if failed > 10 {
		out.Findings = append(out.Findings, report.Finding{Stage: report.Value, Message: fmt.Sprintf("%s is out of bounds for %d more classes", name, failed-10)})
	}
	for _, class := range slices.Sorted(maps.Keys(m.Classes)) {
		score, there := scores[class]
		switch bounds := m.Classes[class]; {
		case !there:
			out.Findings = append(out.Findings, report.Finding{Stage: report.Value, Message: fmt.Sprintf("class %s does not occur in the dataset", class)})
		case bounds != nil && !bounds.Holds(score.Get(name)):
			fail(fmt.Sprintf("%s of class %s", name, class), score.Get(name), bounds)
		}
	}
}

// holdLatencies holds durations against their bounds.
func holdLatencies(c *checks.Check, l *metrics.Latencies, out *report.Check) {
	if l.Count() == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.Expect.Latencies)) {
		got := map[string]time.Duration{
			"p50": l.Percentile(50), "p90": l.Percentile(90), "p95": l.Percentile(95), "p99": l.Percentile(99), "mean": l.Mean(), "max": l.Max(),
		}[name]
		if bound := c.Expect.Latencies[name]; bound > 0 && got > bound {
			out.Findings = append(out.Findings, report.Finding{
				Stage: report.SLO, Where: name, Expected: "at most " + bound.String(), Got: got.Round(time.Microsecond).String(),
				Message: fmt.Sprintf("%s is %s, expected at most %s", name, got.Round(time.Microsecond), bound),
			})
		}
	}
}

// single takes the arrays of one element around a value away.
func single(v any) any {
	for {
		list, ok := v.([]any)
		if !ok || len(list) != 1 {
			return v
		}
		v = list[0]
	}
}

// near tells whether a number is right within the tolerance.
func (s *scorer) near(expected, predicted float64) bool {
	t := s.check.Tolerance
	delta := math.Abs(expected - predicted)
	return delta == 0 || (!math.IsInf(delta, 0) && (delta <= t.Absolute || delta <= t.Relative*math.Abs(expected)))
}

// nearNumbers is near for values that may be no numbers; without a tolerance no
// two are near that are not the same.
func (s *scorer) nearNumbers(expected, predicted any) bool {
	x, ok := value.Float(expected)
	y, both := value.Float(predicted)
	return ok && both && s.check.Tolerance != (match.Tolerance{}) && s.near(x, y)
}

// plainText shows a label: text as it is.
func plainText(label any) string {
	if text, ok := label.(string); ok {
		return shorten(text, 60)
	}
	return value.String(label, 60)
}
