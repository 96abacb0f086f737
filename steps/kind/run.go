package kind

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/model-delivery/model-delivery/steps/process"
	"github.com/model-delivery/model-delivery/steps/step"
)

// RunOptions say what to run in a cluster of its own.
type RunOptions struct {
	Options
	Command        []string // the program and its arguments
	Dir            string   // working directory; this process's when empty
	Env            []string // NAME=value, on top of this process's; KUBECONFIG is added
	Stdout, Stderr io.Writer
	// CommandTimeout bounds the command; zero: only ctx does.
	CommandTimeout time.Duration
}

// RunResult is how a run went.
type RunResult struct {
	Result
	ExitCode int           // of the command; -1 when it did not run to its end
	Command  time.Duration // how long the command took
	Cleanup  error         // why the cluster could not be removed, or nil
}

// cleanup says in a word what became of the cluster.
func (r RunResult) cleanup() string {
	switch {
	case r.Cleanup != nil || r.Left != nil:
		return "failed"
	case r.Attempts == 0:
		return "none"
	}
	return "done"
}

// Run makes a cluster, runs a command with KUBECONFIG set, keeps the logs
// when LogsDir is set, and removes the cluster whatever happened. An error
// that carries the command's exit code says that the command failed; a
// failure to clean up is only reported.
func Run(ctx context.Context, o RunOptions) (RunResult, error) {
	result := RunResult{ExitCode: -1}
	o.Options.Target = o.Options.Target.withDefaults()
	if len(o.Command) == 0 {
		return result, step.Invalidf("no command to run in the cluster")
	}
	if _, err := exec.LookPath(o.Command[0]); err != nil {
		return result, step.Invalidf("the command to run: %w", err)
	}
	if o.Kubeconfig == "" {
		dir, err := os.MkdirTemp("", "kubeconfig-")
		if err != nil {
			return result, step.Infraf("make a directory for the kubeconfig: %w", err)
		}
		defer os.RemoveAll(dir)
		o.Kubeconfig = dir + "/config"
	}
	created, err := Create(ctx, o.Options)
	result.Result = created
	if err != nil {
		return result, err
	}
	err = o.command(ctx, &result)
	// The command's outcome stands.
	keep := func(ctx context.Context) error { return Logs(ctx, o.Target, o.LogsDir, o.MaxLogBytes) }
	if o.LogsDir == "" {
		keep = nil
	}
	result.Cleanup = o.cleanUp(ctx, keep, func(ctx context.Context) error { return Delete(ctx, o.Target, o.Kubeconfig) })
	return result, err
}

// cleanUp keeps the logs, if keep is not nil, for as long as ctx goes on, and
// removes the cluster also when it has ended.
func (o *RunOptions) cleanUp(ctx context.Context, keep, remove func(ctx context.Context) error) error {
	if keep != nil && ctx.Err() == nil {
		if err := keep(ctx); err != nil {
			o.Log("warning: %v", err)
		}
	}
	limit := DeleteTimeout
	if ctx.Err() != nil {
		limit = removeTimeout // told to stop
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	err := remove(ctx)
	if err != nil {
		o.Log("warning: %v", err)
	}
	return err
}

// command runs the command in a process group of its own, so that what it
// started ends with it.
func (o *RunOptions) command(ctx context.Context, result *RunResult) error {
	if o.CommandTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.CommandTimeout, fmt.Errorf("the command's timeout of %s passed", o.CommandTimeout))
		defer cancel()
	}
	start := time.Now()
	o.Log("running %s", o.Command[0])
	err := process.Run(ctx, process.Command{
		Name: o.Command[0], Args: o.Command[1:], Dir: o.Dir, Env: append(o.Env, "KUBECONFIG="+o.Kubeconfig), Stdout: o.Stdout, Stderr: o.Stderr,
	})
	result.Command = time.Since(start)
	code, ended := process.ExitCode(err)
	switch {
	case err == nil:
		result.ExitCode = 0
		o.Log("%s succeeded in %s", o.Command[0], since(start))
		return nil
	case ctx.Err() != nil:
		return step.Failedf("%s was stopped after %s: %w", o.Command[0], since(start), context.Cause(ctx))
	case !ended:
		return err
	}
	result.ExitCode = code
	return step.WithExitCode(fmt.Errorf("%s failed after %s: %w", o.Command[0], since(start), err), code)
}
