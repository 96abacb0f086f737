package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/model-delivery/model-delivery/test/platform/progress"
)

// lamp is a component that is on while a file is there.
type lamp struct {
	file  string
	fails error
}

func (lamp) Name() string                      { return "lamp" }
func (lamp) Needs() []string                   { return nil }
func (lamp) Build(context.Context, *Env) error { return nil }

func (l lamp) Start(context.Context, *Env) error {
	return errors.Join(os.WriteFile(l.file, nil, 0o600), l.fails)
}

func (l lamp) Status(context.Context, *Env) (Status, error) {
	if _, err := os.Stat(l.file); err != nil {
		return Status{Condition: Absent}, nil
	}
	return Status{Condition: Running}, nil
}

func (l lamp) Stop(context.Context, *Env) error {
	if err := os.Remove(l.file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// A command runs beside the platform, and what did not run before it does not
// run after it, whatever became of the command.
func TestRunLeavesThePlatformAsItFoundIt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		before  bool // up before
		stale   bool // the state says up, but nothing runs
		fails   error
		command []string
		code    int
		after   bool
	}{
		{name: "started for the command", command: []string{"true"}},
		{name: "the command's exit code", command: []string{"sh", "-c", "exit 7"}, code: 7},
		{name: "no such command", command: []string{"/no/such/command"}, code: 1},
		{name: "up before", before: true, command: []string{"true"}, after: true},
		{name: "up before, and the command fails", before: true, command: []string{"false"}, code: 1, after: true},
		{name: "a state of which nothing runs", before: true, stale: true, command: []string{"true"}},
		{name: "does not come up", fails: errors.New("no power"), command: []string{"true"}, code: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := lamp{file: filepath.Join(dir, "on"), fails: tc.fails}
			platform, err := New([]Component{l}, Options{
				Source: FromSource, StateDir: filepath.Join(dir, "state"), CacheDir: filepath.Join(dir, "cache"),
				Progress: progress.New(io.Discard, false),
			})
			if err != nil {
				t.Fatal(err)
			}
			if tc.before {
				if err := platform.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if tc.stale {
				if err := os.Remove(l.file); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			code, err := platform.Run(t.Context(), tc.command, &out, &out)
			if code != tc.code {
				t.Errorf("exit code %d, want %d (%v)", code, tc.code, err)
			}
			if _, err := os.Stat(l.file); (err == nil) != tc.after {
				t.Errorf("runs afterwards: %v, want %v", err == nil, tc.after)
			}
		})
	}
}
