package predict

import (
	"cmp"
	"slices"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// maxMovers is how many inputs are shown that the two answer differently.
const maxMovers = 10

// subject is what both are asked at once: the rows of a batch, or one check.
type subject struct {
	check  *checks.Check
	whole  *checks.Request
	inputs []any
	lines  []int // of a dataset's file
	// part is the request for one input alone.
	part func(i int) *checks.Request
}

// mover is an input that the two answer differently, and how it is asked.
type mover struct {
	report.Mover
	by    float64 // how far apart the answers are; infinite where no number says it
	check *checks.Check
	part  func() *checks.Request
}

// mover keeps the inputs that move most.
func (c *comparison) mover(asked subject, i int, before, after any, by float64) {
	i = min(i, len(asked.inputs)-1)
	m := mover{
		Mover: report.Mover{Input: value.String(asked.inputs[i], 200), Baseline: value.String(before, 200), Candidate: value.String(after, 200)},
		by:    by, check: asked.check, part: func() *checks.Request { return asked.part(i) },
	}
	if asked.lines != nil {
		m.Line = asked.lines[i]
	}
	if f := finite(by); f != nil {
		m.By = *f
	}
	c.movers = append(c.movers, m)
	slices.SortStableFunc(c.movers, func(a, b mover) int { return cmp.Compare(b.by, a.by) })
	c.movers = c.movers[:min(len(c.movers), maxMovers)]
}
