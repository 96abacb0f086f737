package report

import "fmt"

// maxExamples is how many rows that are wrong are shown beside a finding.
const maxExamples = 3

// Examples are the first rows of a failed check that were answered wrongly, or that
// a baseline answers otherwise, each in a line.
func (c *Check) Examples() []string {
	var out []string
	if !c.bad() {
		return nil
	}
	if d := c.Dataset; d != nil {
		for _, w := range d.Wrong[:min(len(d.Wrong), maxExamples)] {
			out = append(out, fmt.Sprintf("row of line %d: expected %s, got %s, for %s", w.Line, w.Expected, w.Got, w.Input))
		}
	}
	if d := c.Compare; d != nil {
		for _, m := range d.Movers[:min(len(d.Movers), maxExamples)] {
			of := ""
			if m.Line > 0 {
				of = fmt.Sprintf("row of line %d: ", m.Line)
			}
			out = append(out, fmt.Sprintf("%sthe baseline answers %s, the candidate %s, for %s", of, m.Baseline, m.Candidate, m.Input))
		}
	}
	return out
}
