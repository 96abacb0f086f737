package gitops

import (
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		attempt    int
		took, want time.Duration
	}{
		{1, 300 * time.Millisecond, 600 * time.Millisecond},
		{2, 300 * time.Millisecond, 1200 * time.Millisecond},
		{4, 300 * time.Millisecond, 4800 * time.Millisecond},
		{100, 300 * time.Millisecond, 4800 * time.Millisecond},
		{1, 0, 50 * time.Millisecond},
		{4, time.Hour, 30 * time.Second},
	} {
		if got := spread(tc.attempt, tc.took); got != tc.want {
			t.Errorf("spread(%d, %s) = %s, want %s", tc.attempt, tc.took, got, tc.want)
		}
	}
}
