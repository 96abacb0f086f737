package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	endPatience = 5 * time.Second
	endPoll     = 50 * time.Millisecond
)

// End asks whoever runs the daemon beside this step, a Task's sidecar, to end
// it: stopFile is made, and exitFile waited for, a few seconds at most. A pod
// whose sidecar ended by itself is done, where one that is ended from outside
// counts as failed. Where logFile is not there nobody runs a daemon here, and
// nothing is waited for.
func End(ctx context.Context, stopFile, exitFile, logFile string) error {
	if stopFile == "" {
		return nil
	}
	if _, err := os.Stat(logFile); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := os.WriteFile(stopFile, nil, 0o644); err != nil {
		return fmt.Errorf("ask for the daemon's end: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	for {
		if _, err := os.Stat(exitFile); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the daemon's end: %s is not there after %s", exitFile, endPatience)
		case <-time.After(endPoll):
		}
	}
}
