package kind

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// runOnly runs a command as Run does once its cluster is there.
func runOnly(ctx context.Context, t *testing.T, o RunOptions) (RunResult, string, error) {
	t.Helper()
	var out bytes.Buffer
	o.Options.Target = o.Options.Target.withDefaults()
	o.Kubeconfig, o.Stdout, o.Stderr = "/the/kubeconfig", &out, &out
	result := RunResult{ExitCode: -1}
	err := o.command(ctx, &result)
	return result, out.String(), err
}

func TestRunCommand(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, script string
		want         int
		out          string
	}{
		{"success", "echo $KUBECONFIG", 0, "/the/kubeconfig\n"},
		{"failure", "echo no; exit 7", 7, "no\n"},
		{"signal", "kill -9 $$", 137, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			result, out, err := runOnly(t.Context(), t, RunOptions{Command: []string{"sh", "-c", tc.script}})
			if result.ExitCode != tc.want || step.ExitCode(err) != tc.want || out != tc.out {
				t.Errorf("exit code %d (%d of the error), output %q, %v", result.ExitCode, step.ExitCode(err), out, err)
			}
		})
	}
}

// A command that is told to stop gets a chance; what it started ends with it.
func TestRunCommandStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { cancel(errors.New("told to")) })
	start := time.Now()
	_, out, err := runOnly(ctx, t, RunOptions{Command: []string{"sh", "-c", "trap 'echo bye; exit 0' TERM; sleep 60 & wait"}})
	if took := time.Since(start); took > 30*time.Second || err == nil || !strings.Contains(err.Error(), "told to") || out != "bye\n" {
		t.Errorf("got %v after %s, output %q", err, took, out)
	}
}

func TestRunCommandTimesOut(t *testing.T) {
	t.Parallel()
	_, _, err := runOnly(t.Context(), t, RunOptions{Command: []string{"sleep", "60"}, CommandTimeout: 200 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "timeout of 200ms") || step.ExitCode(err) != step.ExitFailed {
		t.Errorf("got %v", err)
	}
}

// A signal ends the keeping of logs, and the cluster is removed all the same.
func TestRunCleansUpWhenStopped(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		stop string // when
	}{{"before", "command"}, {"while logs are kept", "keep"}, {"while the cluster is removed", "remove"}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			at := func(moment string) {
				if tc.stop == moment {
					cancel()
				}
			}
			at("command")
			kept, removed := false, false
			o := RunOptions{Options: Options{Target: Target{}.withDefaults()}}
			err := o.cleanUp(ctx, func(ctx context.Context) error {
				kept = true
				at("keep")
				if tc.stop == "keep" {
					select {
					case <-ctx.Done():
					case <-time.After(10 * time.Second):
						t.Error("the logs were not stopped")
					}
				}
				return ctx.Err()
			}, func(ctx context.Context) error {
				at("remove")
				deadline, ok := ctx.Deadline()
				if left := time.Until(deadline); !ok || left > DeleteTimeout || tc.stop != "remove" && left > removeTimeout {
					t.Errorf("there are %s to remove it", left)
				}
				removed = ctx.Err() == nil
				return nil
			})
			if err != nil || !removed || kept != (tc.stop != "command") {
				t.Errorf("kept %v, removed %v, %v", kept, removed, err)
			}
		})
	}
}

func TestCommandRefusesBadInput(t *testing.T) {
	t.Parallel()
	getenv := func(string) string { return "" }
	for _, args := range [][]string{
		{"create", "--name", "Not-A-Name"},
		{"create", "--timeout", "0s"},
		{"create", "--retries", "-1"},
		{"create", "--config", "/no/such/file"},
		{"create", "--source", "somewhere"},
		{"create", "--registry-mirror", "a b"},
		{"create", "--registry-mirror", "docker.io=http://192.0.2.1:1", "--registry-mirror", "docker.io=http://192.0.2.1:2"},
		{"create", "--kubeconfig", "run_test.go"},
		{"create", "--outer-subnets", "10.0.0.0/40"},
		{"create", "--archive", "/no/such/file"},
		{"create", "--archive", "."},
		{"load"},
		{"load", "--image", "x", "--source", "somewhere"},
		{"logs"},
		{"run"},
		{"run", "--", "no-such-command-here"},
		{"delete", "--name", ".."},
		{"frobnicate"},
	} {
		var stderr bytes.Buffer
		if code := step.Execute(t.Context(), Command(), append(args, "--results-dir", t.TempDir()), getenv, io.Discard, &stderr); code != step.ExitInvalid {
			t.Errorf("%v: exit code %d: %s", args, code, stderr.String())
		}
	}
}
