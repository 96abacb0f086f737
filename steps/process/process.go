// Package process runs commands of the user's: in a process group of their
// own, stopped in time when the step is, with their exit code kept.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// grace is how long a command has, after SIGTERM, before it is killed.
const grace = 8 * time.Second

// Command is what to run.
type Command struct {
	Name   string
	Args   []string
	Shown  []string // what errors show of Args, where some are secret; nil: all
	Dir    string   // empty: the current directory
	Env    []string // NAME=value, on top of the step's own environment
	Stdout io.Writer
	Stderr io.Writer // may be Stdout: what is written keeps its order then
}

// Run runs the command to its end. When ctx ends first, the command and what
// it started get SIGTERM, and SIGKILL eight seconds later. A command that
// fails is a [step.Failed] error that unwraps to [exec.ExitError].
func Run(ctx context.Context, c Command) error {
	path, err := exec.LookPath(c.Name)
	if err != nil {
		return step.WithHint(step.Invalidf("run %s: %w", c.Name, err), "use an image that has it on its PATH")
	}
	cmd := exec.CommandContext(ctx, path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = c.Stdout, c.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var kill *time.Timer
	cmd.Cancel = func() error {
		group := -cmd.Process.Pid
		kill = time.AfterFunc(grace, func() { syscall.Kill(group, syscall.SIGKILL) })
		return syscall.Kill(group, syscall.SIGTERM)
	}
	cmd.WaitDelay = grace + time.Second
	err = cmd.Run()
	if kill != nil {
		kill.Stop()
	}
	if cmd.Process != nil {
		// What the command left running in its group would outlive the step.
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	shown := c.Args
	if c.Shown != nil {
		shown = c.Shown
	}
	line := strings.Join(append([]string{c.Name}, shown...), " ")
	if ctx.Err() != nil {
		return fmt.Errorf("run `%s`: %w", line, context.Cause(ctx))
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return step.Failedf("run `%s`: %w", line, exit)
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return step.Infraf("run `%s`: %w", line, err)
	}
	return nil
}

// ExitCode is the exit code of the command that err tells of: as a shell has it,
// 128 and the signal for a command that one ended. ok is false when err is not
// about a command that ended by itself.
func ExitCode(err error) (code int, ok bool) {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0, false
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), true
	}
	return exit.ExitCode(), true
}
