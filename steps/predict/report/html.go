package report

import (
	"embed"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"

	"github.com/model-delivery/model-delivery/steps/predict/report/plot"
)

//go:embed report.html.tmpl report.css
var page embed.FS

// HTML is the report as one page that needs nothing else: its styles and plots
// are in it, and it runs no script.
func (r *Report) HTML() (string, error) {
	style, err := page.ReadFile("report.css")
	if err != nil {
		return "", fmt.Errorf("read the page's styles: %w", err)
	}
	tmpl, err := template.New("report.html.tmpl").Funcs(template.FuncMap{
		"class": stageClass, "number": number, "bad": func(c Check) bool { return c.bad() },
		"latency": latencyPlot, "confusion": confusionPlot, "points": pointsPlot, "moved": movedPlot, "sides": sidesPlot,
	}).ParseFS(page, "report.html.tmpl")
	if err != nil {
		return "", fmt.Errorf("read the page's template: %w", err)
	}
	var out strings.Builder
	data := struct {
		Report *Report
		Shown  []Check
		Style  template.CSS
	}{r, r.shown(), template.CSS(style)}
	if err := tmpl.Execute(&out, data); err != nil {
		return "", fmt.Errorf("write the page: %w", err)
	}
	return out.String(), nil
}

// maxShown is how many checks a page holds; report.json has all of them.
const maxShown = 1000

// shown are the checks on the page: the first, but failed ones before others.
func (r *Report) shown() []Check {
	left := maxShown
	for i := range r.Checks {
		if r.Checks[i].bad() {
			left--
		}
	}
	var out []Check
	for i := range r.Checks {
		bad := r.Checks[i].bad()
		if !bad {
			left--
		}
		if (bad || left >= 0) && len(out) < maxShown {
			out = append(out, r.Checks[i])
		}
	}
	return out
}

func stageClass(s Stage) string {
	switch s {
	case Passed:
		return "passed"
	case Skipped:
		return "skipped"
	}
	return "failed"
}

// number writes a float64, or one that a pointer leads to.
func number(v any) string {
	f, ok := v.(float64)
	if p, isPointer := v.(*float64); isPointer && p != nil {
		f, ok = *p, true
	}
	if !ok {
		return ""
	}
	return Digits(f)
}

// Digits writes a number in four digits, or in all that stand before the point.
func Digits(f float64) string {
	if math.Abs(f) >= 1000 && math.Abs(f) < 1e12 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 4, 64)
}

// marksOf are the percentiles that are pointed out.
func marksOf(l *Latency) []plot.Mark {
	return []plot.Mark{{Name: "p50", Milliseconds: l.P50}, {Name: "p90", Milliseconds: l.P90}, {Name: "p95", Milliseconds: l.P95}, {Name: "p99", Milliseconds: l.P99}}
}

// minPlotted is how many answers a distribution is drawn of.
const minPlotted = 5

func latencyPlot(c Check) template.HTML {
	if c.Latency == nil || c.Latency.Count < minPlotted {
		return ""
	}
	return template.HTML(plot.Latency(c.Latency.Histogram, marksOf(c.Latency)))
}

func confusionPlot(c Check) template.HTML {
	if c.Dataset == nil || c.Dataset.Confusion == nil {
		return ""
	}
	return template.HTML(plot.Confusion(c.Dataset.Confusion.Names, c.Dataset.Confusion.Counts))
}

func pointsPlot(c Check) template.HTML {
	if c.Dataset == nil {
		return ""
	}
	return template.HTML(plot.Points(c.Dataset.Points, "expected", "predicted"))
}

func movedPlot(c Check) template.HTML {
	if c.Compare == nil {
		return ""
	}
	return template.HTML(plot.Points(c.Compare.Points, "baseline", "candidate"))
}

func sidesPlot(c Check) template.HTML {
	if c.Compare == nil || c.Compare.Baseline == nil || c.Compare.Candidate == nil {
		return ""
	}
	return template.HTML(plot.Sides(plot.Side{Name: "baseline", Marks: marksOf(c.Compare.Baseline)}, plot.Side{Name: "candidate", Marks: marksOf(c.Compare.Candidate)}))
}
