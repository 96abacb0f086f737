package execute_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/test/platform/execute"
)

// shell is a command of the shell.
func shell(text string) execute.Cmd {
	return execute.Cmd{Name: "sh", Args: []string{"-c", text}}
}

// TestErrorQuotesTheEnd: a failure says which command it was and what it wrote
// last, and no more than that.
func TestErrorQuotesTheEnd(t *testing.T) {
	t.Parallel()
	runner := &execute.Runner{}
	err := runner.Run(t.Context(), shell(`i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done; echo "no such host" >&2; exit 3`))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("Run() = %v, want exit code 3", err)
	}
	text := err.Error()
	for _, want := range []string{"run sh -c", "exit status 3", "no such host", "line 2999"} {
		if !strings.Contains(text, want) {
			t.Errorf("the error says nothing of %q", want)
		}
	}
	if strings.Contains(text, "line 100\n") || len(text) > 6000 {
		t.Errorf("the error has %d bytes", len(text))
	}
}

func TestLogHasCommandsAndOutput(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	runner := &execute.Runner{Log: &log}
	if err := runner.Run(t.Context(), shell("echo out; echo err >&2")); err != nil {
		t.Fatal(err)
	}
	if want := "$ sh -c echo out; echo err >&2\nout\nerr\n"; log.String() != want {
		t.Errorf("the log is %q, want %q", log.String(), want)
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	runner := &execute.Runner{Environ: func() []string { return []string{"A=common", "B=common"} }}
	cmd := shell(`read line; echo "$line $A $B $(pwd)"; echo noise >&2`)
	cmd.Stdin, cmd.Dir, cmd.Env = strings.NewReader("in\n"), dir, []string{"B=own"}
	out, err := runner.Output(t.Context(), cmd)
	if want := "in common own " + dir + "\n"; err != nil || string(out) != want {
		t.Errorf("Output() = %q, %v; want %q", out, err, want)
	}
}

// TestProgramsAreFoundOnTheirOwnPath: PATH is what the program gets, not what
// this process has.
func TestProgramsAreFoundOnTheirOwnPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "platform-test-program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho found\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH")
	runner := &execute.Runner{Environ: func() []string { return []string{path} }}
	out, err := runner.Output(t.Context(), execute.Cmd{Name: filepath.Base(program)})
	if err != nil || string(out) != "found\n" {
		t.Errorf("Output() = %q, %v", out, err)
	}
	err = (&execute.Runner{}).Run(t.Context(), execute.Cmd{Name: filepath.Base(program)})
	if !execute.NotFound(err) {
		t.Errorf("without that PATH: %v, want that it is not found", err)
	}
	if err := os.Chmod(program, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := runner.Run(t.Context(), execute.Cmd{Name: filepath.Base(program)}); !execute.NotFound(err) {
		t.Errorf("a file that is not executable: %v, want that it is not found", err)
	}
}

// TestEndOfTheContextEndsTheProgram: it is asked to end, so that it can clean
// up, and the error says why.
func TestEndOfTheContextEndsTheProgram(t *testing.T) {
	t.Parallel()
	cleaned := filepath.Join(t.TempDir(), "cleaned")
	stopped := errors.New("the user has had enough")
	ctx, stop := context.WithCancelCause(t.Context())
	go func() {
		time.Sleep(200 * time.Millisecond)
		stop(stopped)
	}()
	began := time.Now()
	cmd := shell(`trap 'touch "$FILE"; exit 0' TERM; while :; do sleep 0.05; done`)
	cmd.Env = []string{"FILE=" + cleaned}
	if err := (&execute.Runner{}).Run(ctx, cmd); !errors.Is(err, stopped) {
		t.Errorf("Run() = %v, want the cause of the end", err)
	}
	if _, err := os.Stat(cleaned); err != nil {
		t.Errorf("the program could not clean up: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to end", took)
	}
}
