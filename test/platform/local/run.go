package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// commandGrace is how long a command that was told to end may take.
	commandGrace = 30 * time.Second
	// downTimeout bounds the removal after the command, signal or not.
	downTimeout = 5 * time.Minute
)

// Run brings the platform up, runs a command beside it and returns the
// command's exit code. A platform of which nothing ran before is taken down
// again, whatever became of the command; one that ran stays.
func (p *Platform) Run(ctx context.Context, command []string, stdout, stderr io.Writer) (code int, err error) {
	ran, err := p.anyRunning(ctx)
	if err != nil {
		return 1, err
	}
	if !ran {
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), downTimeout)
			defer cancel()
			if downErr := p.Down(ctx); downErr != nil {
				code, err = max(code, 1), errors.Join(err, downErr)
			}
		}()
	}
	if err := p.Up(ctx); err != nil {
		return 1, err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = append(os.Environ(), "MODEL_DELIVERY_STATE="+p.options.StateDir, "MODEL_DELIVERY_CACHE="+p.options.CacheDir)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = commandGrace
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() > 0 {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, fmt.Errorf("run %s: %w", command[0], err)
	}
	return 0, nil
}

// anyRunning says whether a component of the platform runs. What a machine
// that was switched off left in the state directory does not count.
func (p *Platform) anyRunning(ctx context.Context) (bool, error) {
	running := false
	err := p.each(ctx, func(_ Component, status Status) { running = running || status.Condition == Running })
	if errors.Is(err, ErrNotUp) {
		return false, nil
	}
	return running, err
}
