package gitops

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

const (
	minAttempt = 25 * time.Millisecond // what an attempt is taken to last at least
	maxSpread  = 30 * time.Second
	// doublings is how often the spread doubles. Who lost five times has some
	// fifteen others beside it; with a pause of eight attempts on average, one or
	// two of them are at it at any time, and one in three or four attempts lands.
	doublings = 4
)

// pause waits a random time before the next attempt of a push that another one
// overtook, so that those who began together do not go on together. The spread
// is measured in attempts, took being how long the last one lasted: of many
// writers that all try without a pause only one lands at a time, all others have
// worked in vain, and who is slowest never lands.
func pause(ctx context.Context, attempt int, took time.Duration) error {
	timer := time.NewTimer(rand.N(spread(attempt, took)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return step.Infraf("waiting to push again: %w", context.Cause(ctx))
	}
}

// spread is the longest pause after an attempt, counted from 1.
func spread(attempt int, took time.Duration) time.Duration {
	return min(max(took, minAttempt)<<min(attempt, doublings), maxSpread)
}
