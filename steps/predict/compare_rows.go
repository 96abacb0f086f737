package predict

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/steps/predict/match"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// answers compares what the two answer to the same inputs, row by row.
func (c *comparison) answers(asked subject, baseline, candidate *seldonclient.Message, out *report.Check) {
	before, after := rowsOrWhole(baseline), rowsOrWhole(candidate)
	if one, other := columnsOf(baseline), columnsOf(candidate); len(one) > 0 && len(other) > 0 {
		if from, same := order(other, one); same {
			after, _ = permute(after, from).([]any)
		} else if !c.otherNames {
			c.otherNames = true
			f := report.Finding{Stage: report.Schema, Expected: quoted(one), Got: quoted(other)}
			f.Message = fmt.Sprintf("the candidate answers with other columns: names are %s, the baseline's are %s", f.Got, f.Expected)
			out.Findings = append(out.Findings, f)
		}
	}
	classes := areScores(before) && areScores(after)
	for i := range max(len(before), len(after)) {
		c.rows++
		if i >= len(before) || i >= len(after) {
			c.largest = math.Inf(1)
			c.mover(asked, i, at(before, i), at(after, i), math.Inf(1))
			continue
		}
		c.row(asked, i, before[i], after[i], classes)
	}
}

func at(rows []any, i int) any {
	if i < len(rows) {
		return rows[i]
	}
	return nil
}

// columnsOf are the names that an answer has for its columns: those of its
// outputs, by which [rowsOrWhole] sorts them, where it has several.
func columnsOf(m *seldonclient.Message) []string {
	if m.Kind != "outputs" || len(m.Outputs) == 1 {
		return m.Names
	}
	var names []string
	for _, t := range m.Outputs {
		names = append(names, t.Name)
	}
	return sorted(names)
}

// rowsOrWhole are the rows of an answer, else its outputs by their names, else
// all of it.
func rowsOrWhole(m *seldonclient.Message) []any {
	if rows, err := rowsOf(m, ""); err == nil {
		return rows
	}
	if m.Kind == "outputs" {
		outputs := slices.Clone(m.Outputs)
		slices.SortStableFunc(outputs, func(a, b seldonclient.Tensor) int { return strings.Compare(a.Name, b.Name) })
		var all []any
		for _, t := range outputs {
			all = append(all, t.Value)
		}
		return all
	}
	return []any{m.Value}
}

// scoreSlack is how far the scores of a row may be from 1 in sum: as float32
// and rounding leave them.
const scoreSlack = 1e-3

// areScores tells whether rows look like those of a classifier: several numbers,
// none below 0, that sum to 1. A row that is not finite says nothing of that.
func areScores(rows []any) bool {
	seen := false
	for _, row := range rows {
		x := numbersOf(row)
		if x != nil && !allFinite(x) {
			continue
		}
		sum := 0.0
		for _, f := range x {
			if f < 0 {
				return false
			}
			sum += f
		}
		if len(x) < 2 || math.Abs(sum-1) > scoreSlack {
			return false
		}
		seen = true
	}
	return seen
}

func allFinite(x []float64) bool {
	return !slices.ContainsFunc(x, func(f float64) bool { return !value.IsFinite(f) })
}

// row compares two answers to the same row: rows of scores agree when the same
// class leads, anything else when it is equal within the tolerance.
func (c *comparison) row(asked subject, i int, before, after any, classes bool) {
	x, y := numbersOf(before), numbersOf(after)
	usable := allFinite(x) && allFinite(y)
	if !usable {
		c.notFinite++
	}
	alike, by := false, 0.0
	switch {
	case len(x) != len(y):
		by = math.Inf(1)
	case classes && usable:
		lead := slices.Index(x, slices.Max(x))
		alike = lead == slices.Index(y, slices.Max(y))
		c.sample.Add(x[lead], y[lead])
	default:
		alike = c.equal(before, after)
		for j := range x {
			c.sample.Add(x[j], y[j])
		}
	}
	for j := range min(len(x), len(y)) {
		by = max(by, apart(x[j], y[j]))
	}
	c.largest = max(c.largest, by)
	if alike {
		c.alike++
	}
	if !alike || by > c.tolerance.Absolute {
		c.mover(asked, i, before, after, by)
	}
}

// apart is how far two numbers are from one another: infinitely where one of
// them is no number.
func apart(x, y float64) float64 {
	if x == y || (math.IsNaN(x) && math.IsNaN(y)) {
		return 0
	}
	if by := math.Abs(x - y); !math.IsNaN(by) {
		return by
	}
	return math.Inf(1)
}

func (c *comparison) equal(before, after any) bool {
	p, err := match.Compile(map[string]any{"$literal": before})
	return err == nil && p.Compare(after, c.tolerance) == nil
}

// numbersOf are the numbers of a row; nil when it has anything else.
func numbersOf(row any) []float64 {
	var out []float64
	for _, v := range seldonclient.Flatten(row) {
		f, ok := value.Float(v)
		if !ok {
			return nil
		}
		out = append(out, f)
	}
	return out
}
