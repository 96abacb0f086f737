package contract

import (
	"fmt"
	"math"
	"slices"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// Check holds an answer against the targets: one row for each row sent, one
// column for each target, of the right type and within its range or values.
// columns are the answer's names, where it has any: those of the targets say
// which column is which. Names that have nothing to do with the contract, as
// servers make them up, say nothing.
func (c *Contract) Check(answer any, columns []string, rows int) error {
	if len(c.Targets) == 0 {
		return nil
	}
	list, ok := answer.([]any)
	if !ok {
		return fmt.Errorf("the answer is %s, not an array of rows", value.Kind(answer))
	}
	if len(list) != rows {
		return fmt.Errorf("the answer has %d rows, %d were sent", len(list), rows)
	}
	names := Names(c.Targets)
	place, err := places(names, columns)
	if err != nil {
		return err
	}
	for i, item := range list {
		row, ok := item.([]any)
		if !ok {
			row = []any{item}
		}
		for len(row) == 1 && len(names) > 1 {
			inner, ok := row[0].([]any)
			if !ok {
				break
			}
			row = inner
		}
		if len(row) != len(names) {
			return fmt.Errorf("row %d has %d columns, the contract has %d targets", i, len(row), len(names))
		}
		at := 0
		for _, v := range c.Targets {
			for range v.Width {
				if err := v.check(row[place[at]]); err != nil {
					return fmt.Errorf("row %d, target %s: %w", i, names[at], err)
				}
				at++
			}
		}
	}
	return nil
}

func (v Variable) check(got any) error {
	if v.Categorical {
		for _, allowed := range v.Values {
			if same(allowed, got) {
				return nil
			}
		}
		return fmt.Errorf("%s is none of %s", value.String(got, 60), value.String(v.Values, 200))
	}
	f, ok := value.Float(got)
	switch {
	case !ok:
		return fmt.Errorf("%s is not a number", value.String(got, 60))
	case !value.IsFinite(f):
		return fmt.Errorf("%s is not finite", value.String(got, 60))
	case f < v.Low || f > v.High:
		return fmt.Errorf("%v is not from %v to %v", f, v.Low, v.High)
	case v.Integer && f != math.Trunc(f):
		return fmt.Errorf("%v is not a whole number", f)
	}
	return nil
}

// places are where an answer has each target's column.
func places(targets, columns []string) ([]int, error) {
	inOrder, byName := make([]int, len(targets)), map[string]int{}
	for i, name := range columns {
		byName[name] = i
	}
	for i := range inOrder {
		inOrder[i] = i
	}
	if slices.Equal(targets, columns) {
		return inOrder, nil
	}
	out, known, seen := make([]int, len(targets)), 0, map[string]bool{}
	for i, name := range targets {
		if at, ok := byName[name]; ok && !seen[name] {
			out[i] = at
			known++
		}
		seen[name] = true
	}
	switch {
	case known == 0:
		return inOrder, nil
	case known < len(targets) || len(columns) != len(targets):
		return nil, fmt.Errorf("the answer's columns are %s, the contract's targets are %s", show(columns), show(targets))
	}
	return out, nil
}

func show(names []string) string {
	text := fmt.Sprintf("%q", names[:min(len(names), 20)])
	if len(names) > 20 {
		text += fmt.Sprintf(" and %d more", len(names)-20)
	}
	return text
}

// same tells whether an answer is one of the values that a contract may hold.
func same(allowed, got any) bool {
	switch a := allowed.(type) {
	case nil:
		return got == nil
	case string:
		g, ok := got.(string)
		return ok && a == g
	case bool:
		g, ok := got.(bool)
		return ok && a == g
	}
	return value.Equal(allowed, got)
}
