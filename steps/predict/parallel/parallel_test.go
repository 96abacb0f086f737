package parallel_test

import (
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/parallel"
)

// TestRanges: every item comes once, whatever their number.
func TestRanges(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 3, 100, 1001} {
		seen := make([]int, n)
		parallel.Ranges(n, func(from, to int) {
			if from >= to {
				t.Errorf("%d items: a range from %d to %d", n, from, to)
			}
			for i := from; i < to; i++ {
				seen[i]++
			}
		})
		for i, times := range seen {
			if times != 1 {
				t.Errorf("%d items: %d came %d times", n, i, times)
			}
		}
	}
}
