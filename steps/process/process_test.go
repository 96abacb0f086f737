package process_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/process"
	"github.com/model-delivery/model-delivery/steps/step"
)

func TestRun(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, script string
		code         int // exit code that the error stands for
		own          int // exit code of the command itself
		output       string
	}{
		{"success", `echo "$GREETING"; echo two >&2`, 0, 0, "hello\ntwo\n"},
		{"failure", "echo no; exit 7", step.ExitFailed, 7, "no\n"},
		{"killed by a signal", "kill -9 $$", step.ExitFailed, 137, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := process.Run(t.Context(), process.Command{Name: "sh", Args: []string{"-c", tc.script}, Env: []string{"GREETING=hello"}, Stdout: &out, Stderr: &out})
			own, _ := process.ExitCode(err)
			if step.ExitCode(err) != tc.code || own != tc.own || out.String() != tc.output {
				t.Errorf("%v (%d, own %d), output %q", err, step.ExitCode(err), own, out.String())
			}
		})
	}
}

func TestMissingCommandIsInvalidInput(t *testing.T) {
	t.Parallel()
	err := process.Run(t.Context(), process.Command{Name: "no-such-command-here"})
	if step.ExitCode(err) != step.ExitInvalid || step.Hint(err) == "" {
		t.Errorf("%v, want invalid input with a hint", err)
	}
}

func TestCancelEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "alive")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	started := time.Now()
	go func() {
		// The child of the shell would write the file for ever.
		done <- process.Run(ctx, process.Command{Name: "sh", Args: []string{"-c", `(while :; do date >"$1"; sleep 0.05; done) & wait`, "sh", file}})
	}()
	for {
		if _, err := os.Stat(file); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("%v, want a cancellation", err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("took %s to stop", took)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if _, err := os.Stat(file); err == nil {
		t.Error("a process of the group is still running")
	}
}
