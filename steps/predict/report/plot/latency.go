package plot

import (
	"fmt"

	"github.com/model-delivery/model-delivery/steps/predict/metrics"
)

// Mark is a duration that is pointed out, in milliseconds.
type Mark struct {
	Name         string
	Milliseconds float64
}

const (
	width      = 640.0
	leftEdge   = 52.0
	rightEdge  = width - 16
	plotTop    = 34.0
	plotBottom = 190.0
)

// Latency draws how the durations of answers are distributed, over a scale of
// their logarithm. Empty when there are none.
func Latency(bins []metrics.Bin, marks []Mark) string {
	if len(bins) == 0 {
		return ""
	}
	most := 0
	for _, b := range bins {
		most = max(most, b.Count)
	}
	if most == 0 {
		return ""
	}
	x := scale{low: max(float64(bins[0].From), 1), high: max(float64(bins[len(bins)-1].To), 2), from: leftEdge, to: rightEdge, log: true}
	y := scale{low: 0, high: float64(most), from: plotBottom, to: plotTop}
	c := open(width, plotBottom+40, "distribution of how long answers took")
	for _, v := range y.ticks(4) {
		c.line("grid", leftEdge, y.at(v), rightEdge, y.at(v))
		c.text("tick", "end", leftEdge-6, y.at(v)+4, number(v))
	}
	for _, b := range bins {
		if b.Count == 0 {
			continue
		}
		from, to := x.at(float64(b.From)), x.at(float64(b.To))
		title := fmt.Sprintf("%s to %s: %d answers", duration(float64(b.From)), duration(float64(b.To)), b.Count)
		c.rect("bar", from+0.5, y.at(float64(b.Count)), max(to-from-1, 1), plotBottom-y.at(float64(b.Count)), 1, title)
	}
	c.line("axis", leftEdge, plotBottom, rightEdge, plotBottom)
	for _, v := range x.ticks(8) {
		c.line("axis", x.at(v), plotBottom, x.at(v), plotBottom+4)
		c.text("tick", "middle", x.at(v), plotBottom+18, duration(v))
	}
	c.marks(x, marks)
	c.text("label", "middle", (leftEdge+rightEdge)/2, plotBottom+34, "latency of an answer")
	c.text("label", "start", 4, 12, "answers")
	return c.close()
}

// marks points durations out; names that would overlap are left to the pointer.
func (c *canvas) marks(x scale, marks []Mark) {
	last := -100.0
	for _, m := range marks {
		at := x.at(m.Milliseconds * 1e6)
		title := m.Name + " " + duration(m.Milliseconds*1e6)
		c.line("mark", at, plotTop-6, at, plotBottom)
		if at-last > 28 {
			c.text("markname", "middle", min(at, rightEdge-10), plotTop-10, m.Name)
			last = at
		}
		c.rect("hover", at-4, plotTop-20, 8, plotBottom-plotTop+20, 1, title)
	}
}

// Side is one of two deployments: how long it took at each mark.
type Side struct {
	Name  string
	Marks []Mark
}

// Sides draws the same percentiles of two deployments side by side. Empty when
// they have none in common.
func Sides(a, b Side) string {
	n := min(len(a.Marks), len(b.Marks))
	if n == 0 {
		return ""
	}
	low, high := a.Marks[0].Milliseconds, a.Marks[0].Milliseconds
	for i := range n {
		low = min(low, a.Marks[i].Milliseconds, b.Marks[i].Milliseconds)
		high = max(high, a.Marks[i].Milliseconds, b.Marks[i].Milliseconds)
	}
	low, high = max(low*0.9, 1e-6), max(high*1.1, 1e-5)
	bottom := 40 + 30*float64(n)
	x := scale{low: low * 1e6, high: high * 1e6, from: leftEdge, to: rightEdge, log: true}
	c := open(width, bottom+40, "latency of "+a.Name+" and "+b.Name)
	for _, v := range x.ticks(8) {
		c.line("grid", x.at(v), 30, x.at(v), bottom)
		c.text("tick", "middle", x.at(v), bottom+18, duration(v))
	}
	for i := range n {
		y := 46 + 30*float64(i)
		before, after := x.at(a.Marks[i].Milliseconds*1e6), x.at(b.Marks[i].Milliseconds*1e6)
		c.text("tick", "end", leftEdge-8, y+4, a.Marks[i].Name)
		c.line("between", before, y, after, y)
		c.circle("one", before, y, 6, a.Name+" "+a.Marks[i].Name+" "+duration(a.Marks[i].Milliseconds*1e6))
		c.circle("two", after, y, 6, b.Name+" "+b.Marks[i].Name+" "+duration(b.Marks[i].Milliseconds*1e6))
	}
	c.circle("one", leftEdge+6, 14, 6, "")
	c.text("label", "start", leftEdge+18, 18, a.Name)
	c.circle("two", leftEdge+116, 14, 6, "")
	c.text("label", "start", leftEdge+128, 18, b.Name)
	c.text("label", "middle", (leftEdge+rightEdge)/2, bottom+36, "latency of an answer")
	return c.close()
}
