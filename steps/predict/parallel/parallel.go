// Package parallel spreads work on many items over the CPUs.
package parallel

import (
	"runtime"
	"sync"
)

// Ranges divides 0 to n-1 into as many ranges as there are CPUs and calls do for
// each at the same time. No range is empty; to is not in it.
func Ranges(n int, do func(from, to int)) {
	parts := min(runtime.GOMAXPROCS(0), n)
	var group sync.WaitGroup
	for part := range parts {
		group.Go(func() { do(part*n/parts, (part+1)*n/parts) })
	}
	group.Wait()
}
