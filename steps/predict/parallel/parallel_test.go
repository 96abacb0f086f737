package parallel_test

import (
	"sync/atomic"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/parallel"
)

// TestRanges: every item comes once, whatever their number.
func TestRanges(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 3, 100, 1001} {
		for _, atLeast := range []int{0, 1000} {
			seen := make([]int, n)
			var ranges atomic.Int32
			parallel.Ranges(n, atLeast, func(from, to int) {
				ranges.Add(1)
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
			if n > 0 && n < atLeast && ranges.Load() != 1 {
				t.Errorf("%d items, fewer than %d, in %d ranges", n, atLeast, ranges.Load())
			}
		}
	}
}
