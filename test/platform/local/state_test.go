package local

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDefaultStateDir(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		"/a":                             {"MODEL_DELIVERY_STATE": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"},
		"/b/model-delivery":              {"XDG_STATE_HOME": "/b", "HOME": "/c"},
		"/c/.local/state/model-delivery": {"HOME": "/c"},
	} {
		got, err := DefaultStateDir(func(key string) string { return env[key] })
		if err != nil || got != want {
			t.Errorf("DefaultStateDir() = %q, %v; want %q", got, err, want)
		}
	}
	if got, err := DefaultStateDir(func(string) string { return "" }); err == nil {
		t.Errorf("DefaultStateDir() without an environment = %q, want an error", got)
	}
}

func TestStateIsKeptWhole(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if _, err := Load(dir); !errors.Is(err, ErrNotUp) {
		t.Errorf("Load() of nothing = %v, want %v", err, ErrNotUp)
	}
	state := &State{
		Source: FromSource, StateDir: dir, DockerHost: "unix:///a", DockerPath: "/b", EngineStarted: true, EngineMTU: 1400,
		Images: map[string]string{"git": "r/git@sha256:1"}, Values: map[string]map[string]string{"forge": {"url": "http://x"}},
	}
	if err := state.save(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, stateFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state may be read by others: %v, %v", info.Mode(), err)
	}
	got, err := Load(dir)
	if err != nil || got.DockerHost != state.DockerHost || !got.EngineStarted || got.EngineMTU != 1400 ||
		got.Images["git"] != "r/git@sha256:1" || got.Value("forge", "url") != "http://x" || got.Value("argocd", "url") != "" {
		t.Errorf("Load() = %+v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(`{"source": `), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || errors.Is(err, ErrNotUp) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Load() of a damaged state = %v, want an error that names it", err)
	}
}

func TestEnviron(t *testing.T) {
	t.Parallel()
	if got := (&State{}).Environ(); len(got) != 0 {
		t.Errorf("an empty state gives %q", got)
	}
	state := &State{DockerHost: "unix:///a", DockerPath: "/b", Kubeconfig: "/c"}
	want := []string{"DOCKER_HOST=unix:///a", "PATH=/b:" + os.Getenv("PATH"), "KUBECONFIG=/c"}
	if got := state.Environ(); !slices.Equal(got, want) {
		t.Errorf("Environ() = %q, want %q", got, want)
	}
}
