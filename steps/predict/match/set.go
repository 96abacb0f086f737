package match

import (
	"fmt"

	"github.com/model-delivery/model-delivery/steps/seldonclient/value"
)

// compareSet pairs expected and given elements, as many as can be.
func (c *comparer) compareSet(want set, got any) {
	items, ok := got.([]any)
	c.total += max(len(want.items), len(items), 1)
	if !ok {
		c.differ(true, "a set of "+list(want.items), value.Kind(got))
		return
	}
	if len(items) > 2*maxSet {
		c.differ(true, fmt.Sprintf("a set of %d", len(want.items)), fmt.Sprintf("an array of %d", len(items)))
		return
	}
	pairing := c.pair(want.items, items)
	missing, expected := 0, ""
	for i, j := range pairing.given {
		if j < 0 {
			if missing++; missing == 1 {
				expected = value.String(want.items[i].raw, showLimit) + " in the set"
			}
		}
	}
	surplus := 0
	for j, item := range items {
		if pairing.expected[j] >= 0 {
			continue
		}
		if surplus++; missing == 0 && surplus == 1 {
			expected = "a set without " + value.String(item, 60)
		}
	}
	if n := max(missing, surplus); n > 0 {
		c.differ(false, expected, value.String(got, showLimit))
		c.count += n - 1
	}
}

// pairing pairs expected elements with those that are given, each at most once.
type pairing struct {
	given    []int // of each expected element; -1: none
	expected []int // of each given element; -1: none
	fits     func(expected int) []int
	visited  []bool // given elements that a search has been at
}

// pair pairs elements as they come, which is all there is to do where each fits
// one other at most. Where that leaves some out, others move to another element
// that they fit too.
func (c *comparer) pair(want []Pattern, items []any) *pairing {
	p := &pairing{given: fill(len(want)), expected: fill(len(items)), visited: make([]bool, len(items))}
	var left []int
	for i, w := range want {
		for j, item := range items {
			if p.expected[j] < 0 && w.Compare(item, c.tolerance) == nil {
				p.given[i], p.expected[j] = j, i
				break
			}
		}
		if p.given[i] < 0 {
			left = append(left, i)
		}
	}
	known := make([][]int, len(want))
	p.fits = func(i int) []int {
		if known[i] == nil {
			known[i] = []int{}
			for j, item := range items {
				if want[i].Compare(item, c.tolerance) == nil {
					known[i] = append(known[i], j)
				}
			}
		}
		return known[i]
	}
	// A round visits every given element once at most. One that has helped
	// nobody in a round is worth another look only when something has moved.
	for moved := len(left) > 0; moved; {
		moved = false
		clear(p.visited)
		for _, i := range left {
			if p.given[i] < 0 && p.place(i) {
				moved = true
			}
		}
	}
	return p
}

// place finds an expected element a given one, if others have to move for it.
func (p *pairing) place(i int) bool {
	for _, j := range p.fits(i) {
		if p.expected[j] < 0 {
			p.given[i], p.expected[j] = j, i
			return true
		}
	}
	for _, j := range p.fits(i) {
		if p.visited[j] {
			continue
		}
		p.visited[j] = true
		if p.place(p.expected[j]) {
			p.given[i], p.expected[j] = j, i
			return true
		}
	}
	return false
}

// fill returns n times -1.
func fill(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = -1
	}
	return out
}
