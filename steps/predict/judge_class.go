package predict

import (
	"fmt"

	"github.com/model-delivery/model-delivery/steps/predict/match"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

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
	wanted, isList := want.Value().([]any)
	if !isList {
		wanted = []any{want.Value()}
		// One row of scores may come without the array around it.
		if len(rows) > 1 && !isArray(rows[0]) {
			rows = []any{rows}
		}
	}
	names := labelsOf(j.check.Classes, m, rows)
	if len(rows) != len(wanted) {
		j.schema("the answer has %d rows, %d classes are expected", len(rows), len(wanted))
		return
	}
	wrong, first := 0, report.Finding{}
	for i, row := range rows {
		got, err := names.of(row)
		if err != nil {
			j.schema("row %d: %v", i, err)
			return
		}
		expected, err := names.label(wanted[i])
		if err != nil {
			j.schema("expected class %d: %v", i, err)
			return
		}
		if got = spelled(got, expected); got != expected {
			if wrong++; wrong == 1 {
				first = report.Finding{Stage: report.Value, Where: fmt.Sprintf("row %d", i), Expected: shorten(expected, 100), Got: shorten(got, 100)}
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
