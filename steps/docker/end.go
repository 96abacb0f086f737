package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	endPatience = 5 * time.Second
	endPoll     = 50 * time.Millisecond
)

// End asks whoever runs the daemon beside this step, a Task's sidecar, to end
// it: stopFile, a named pipe or a file that is made, is written, and exitFile
// waited for, a few seconds at most. A pod whose sidecar ended by itself is
// done, where one that is ended from outside counts as failed. Where logFile is
// not there nobody runs a daemon here, and nothing is waited for.
func End(ctx context.Context, stopFile, exitFile, logFile string) error {
	if stopFile == "" {
		return nil
	}
	if _, err := os.Stat(logFile); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	for asked := false; ; {
		if _, err := os.Stat(exitFile); err == nil {
			return nil
		}
		if !asked {
			err := ask(stopFile)
			if err != nil && !errors.Is(err, syscall.ENXIO) { // nobody reads the pipe at the moment
				return fmt.Errorf("ask for the daemon's end: %w", err)
			}
			asked = err == nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the daemon's end: %s is not there after %s", exitFile, endPatience)
		case <-time.After(endPoll):
		}
	}
}

func ask(stopFile string) error {
	file, err := os.OpenFile(stopFile, os.O_WRONLY|os.O_CREATE|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString("\n")
	return errors.Join(err, file.Close())
}
