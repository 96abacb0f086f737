package local

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

func TestExecute(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own := []string{"--state-dir=" + dir + "/state", "--cache-dir=" + dir + "/cache", "--source=source"}
	notes := &notes{}
	// In this order: each goes on from what the one before left.
	for _, test := range []struct {
		args   string
		fail   string // step
		code   int
		stdout string
		stderr string
	}{
		{args: "", code: 2, stderr: "Usage: go run ./test/platform up | down | status"},
		{args: "up down", code: 2, stderr: "Usage:"},
		{args: "--help", code: 0, stderr: "--components"},
		{args: "sideways", code: 2, stderr: `"sideways" is not a command`},
		{args: "up --nonsense", code: 2, stderr: "nonsense"},
		{args: "up --source=elsewhere", code: 2, stderr: "--source=elsewhere: want auto, release or source"},
		{args: "up --components=nothing", code: 2, stderr: `no component is named "nothing"; there are engine, cluster`},
		{args: "status", code: 1, stdout: "not up"},
		{args: "up", fail: "start cluster", code: 1, stderr: "platform up: start cluster: it broke"},
		{args: "up", code: 0, stderr: "[4/4 "},
		{args: "up --components=engine", code: 0, stderr: "[2/2 "},
		{args: "status", code: 0, stdout: "cluster        running"},
		{args: "status", fail: "status engine", code: 1, stdout: "engine         broken   it broke"},
		{args: "down", fail: "stop engine", code: 1, stderr: "platform down: stop engine: it broke"},
		{args: "down", code: 0, stderr: "[2/2 "},
	} {
		notes.fail = map[string]error{test.fail: errors.New("it broke")}
		var stdout, stderr bytes.Buffer
		code := Execute(t.Context(), fakes(notes, "engine", "cluster: engine"), nil, nil,
			func(context.Context) Source { t.Error("the source was given"); return Release },
			append(own[:len(own):len(own)], strings.Fields(test.args)...), &stdout, &stderr)
		if code != test.code {
			t.Errorf("%q: exit code %d, want %d\n%s", test.args, code, test.code, stderr.String())
		}
		if !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
			t.Errorf("%q: it printed %q and %q; want %q and %q", test.args, stdout.String(), stderr.String(), test.stdout, test.stderr)
		}
	}
}

// TestDirectoriesComeFromTheEnvironment: without flags, those of the variables.
func TestDirectoriesComeFromTheEnvironment(t *testing.T) {
	state, store := t.TempDir(), t.TempDir()
	t.Setenv("MODEL_DELIVERY_STATE", state)
	t.Setenv("MODEL_DELIVERY_CACHE", store)
	var got *State
	notes := &notes{during: func(_ string, env *Env) { got = env.State }}
	var stderr bytes.Buffer
	if code := Execute(t.Context(), fakes(notes, "engine"), nil, nil, nil, []string{"up", "--source=source"}, &stderr, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if got.StateDir != state || got.CacheDir != store {
		t.Errorf("state in %s, cache in %s; want %s and %s", got.StateDir, got.CacheDir, state, store)
	}
}
