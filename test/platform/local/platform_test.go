package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/test/platform/progress"
)

// platform returns a platform of components in directories of the test's own.
func platform(t *testing.T, components []Component, change func(*Options)) *Platform {
	t.Helper()
	dir := t.TempDir()
	options := Options{
		Source: FromSource, StateDir: filepath.Join(dir, "state"), CacheDir: filepath.Join(dir, "cache"),
		Progress: progress.New(io.Discard, false),
	}
	if change != nil {
		change(&options)
	}
	p, err := New(components, options)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestUpAndDown(t *testing.T) {
	t.Parallel()
	notes := &notes{}
	p := platform(t, fakes(notes, "app: cluster", "cluster"), nil)
	if err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"build cluster", "start cluster", "build app", "start app"}
	if !slices.Equal(notes.done, want) {
		t.Errorf("up did %q, want %q", notes.done, want)
	}
	if _, err := Load(p.options.StateDir); err != nil {
		t.Errorf("after up: %v", err)
	}
	notes.done = nil
	if err := p.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"stop app", "stop cluster"}; !slices.Equal(notes.done, want) {
		t.Errorf("down did %q, want %q", notes.done, want)
	}
	if _, err := os.Stat(p.options.StateDir); !os.IsNotExist(err) {
		t.Errorf("after down the state directory is there: %v", err)
	}
	if _, err := os.Stat(p.options.CacheDir); err != nil {
		t.Errorf("down removed the cache: %v", err)
	}
}

// TestUpStopsAtTheFirstFailure: and says at what, with the state kept for down.
func TestUpStopsAtTheFirstFailure(t *testing.T) {
	t.Parallel()
	broken := errors.New("no room")
	notes := &notes{fail: map[string]error{"start cluster": broken}}
	p := platform(t, fakes(notes, "cluster", "app: cluster"), nil)
	err := p.Up(t.Context())
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "start cluster") {
		t.Errorf("Up() = %v", err)
	}
	if want := []string{"build cluster", "start cluster"}; !slices.Equal(notes.done, want) {
		t.Errorf("up did %q, want %q", notes.done, want)
	}
	if _, err := Load(p.options.StateDir); err != nil {
		t.Errorf("down cannot know what there is: %v", err)
	}
}

// TestCheckComesFirst: when the machine is not fit, nothing is changed.
func TestCheckComesFirst(t *testing.T) {
	t.Parallel()
	unfit := errors.New("not enough memory")
	notes := &notes{}
	p := platform(t, fakes(notes, "cluster"), func(o *Options) {
		o.Check = func(context.Context, *Env) error { return unfit }
	})
	if err := p.Up(t.Context()); !errors.Is(err, unfit) {
		t.Errorf("Up() = %v, want %v", err, unfit)
	}
	if len(notes.done) > 0 {
		t.Errorf("up did %q all the same", notes.done)
	}
	if _, err := Load(p.options.StateDir); !errors.Is(err, ErrNotUp) {
		t.Errorf("there is a state: %v", err)
	}
}

// TestDownGoesOn: a component that fails to stop keeps no other from stopping,
// and a second down can finish.
func TestDownGoesOn(t *testing.T) {
	t.Parallel()
	notes := &notes{}
	p := platform(t, fakes(notes, "engine", "registry: engine", "cluster: engine"), nil)
	if err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	notes.done, notes.fail = nil, map[string]error{"stop cluster": errors.New("a"), "stop registry": errors.New("b")}
	err := p.Down(t.Context())
	if err == nil || !strings.Contains(err.Error(), "stop cluster: a") || !strings.Contains(err.Error(), "stop registry: b") {
		t.Errorf("Down() = %v", err)
	}
	if want := []string{"stop cluster", "stop registry", "stop engine"}; !slices.Equal(notes.done, want) {
		t.Errorf("down did %q, want %q", notes.done, want)
	}
	if _, err := Load(p.options.StateDir); err != nil {
		t.Errorf("after a failed down: %v", err)
	}
	notes.fail = nil
	if err := p.Down(t.Context()); err != nil {
		t.Errorf("a second down: %v", err)
	}
}

// TestDownWithoutUp: there is nothing to do, and that is no error.
func TestDownWithoutUp(t *testing.T) {
	t.Parallel()
	p := platform(t, fakes(&notes{}, "engine"), nil)
	if err := p.Down(t.Context()); err != nil {
		t.Errorf("Down() = %v", err)
	}
}

// TestEndOfTheContextEndsUp: between two steps too.
func TestEndOfTheContextEndsUp(t *testing.T) {
	t.Parallel()
	stopped := errors.New("interrupted")
	ctx, stop := context.WithCancelCause(t.Context())
	notes := &notes{during: func(step string, _ *Env) { stop(stopped) }}
	p := platform(t, fakes(notes, "cluster", "app"), nil)
	if err := p.Up(ctx); !errors.Is(err, stopped) {
		t.Errorf("Up() = %v, want %v", err, stopped)
	}
	if len(notes.done) != 1 {
		t.Errorf("up did %q", notes.done)
	}
}

// TestStateIsWrittenAtOnce: what a component says of itself is on the disk
// before it goes on, and the next up finds it.
func TestStateIsWrittenAtOnce(t *testing.T) {
	t.Parallel()
	notes := &notes{}
	p := platform(t, fakes(notes, "cluster"), nil)
	notes.during = func(step string, env *Env) {
		switch step {
		case "build cluster":
			if err := env.Publish("cluster", "address", "10.0.0.1"); err != nil {
				t.Error(err)
			}
			state, err := Load(p.options.StateDir)
			if err != nil || state.Value("cluster", "address") != "10.0.0.1" {
				t.Errorf("the state has %v, %v", state, err)
			}
		case "stop cluster":
			if env.State.Value("cluster", "address") != "10.0.0.1" {
				t.Error("down does not know what up has published")
			}
		}
	}
	if err := errors.Join(p.Up(t.Context()), p.Down(t.Context())); err != nil {
		t.Error(err)
	}
}

// TestSource: what was chosen once stays, until another is asked for; Auto is
// found out once.
func TestSource(t *testing.T) {
	t.Parallel()
	probes := 0
	var seen []Source
	notes := &notes{during: func(_ string, env *Env) { seen = append(seen, env.Source()) }}
	p := platform(t, fakes(notes, "cluster"), func(o *Options) {
		o.Source = ""
		o.Probe = func(context.Context) Source { probes++; return Release }
	})
	for _, source := range []Source{Auto, Auto, FromSource, Auto} {
		p.options.Source = source
		if err := p.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []Source{Release, Release, Release, Release, FromSource, FromSource, FromSource, FromSource}
	if !slices.Equal(seen, want) || probes != 1 {
		t.Errorf("components saw %v, with %d probes; want %v, with 1", seen, probes, want)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	notes := &notes{status: map[string]Status{"cluster": {Running, "Kubernetes v1"}}}
	p := platform(t, fakes(notes, "cluster", "app: cluster"), nil)
	var out bytes.Buffer
	if running, err := p.Status(t.Context(), &out); running || err != nil || !strings.Contains(out.String(), "not up") {
		t.Errorf("before up: %t, %v, %q", running, err, out.String())
	}
	if err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	notes.done = nil
	out.Reset()
	if running, err := p.Status(t.Context(), &out); !running || err != nil {
		t.Errorf("Status() = %t, %v", running, err)
	}
	if want := "cluster        running  Kubernetes v1\napp            running  \n"; out.String() != want {
		t.Errorf("it shows %q, want %q", out.String(), want)
	}
	notes.fail = map[string]error{"status app": errors.New("no route to host")}
	out.Reset()
	if running, err := p.Status(t.Context(), &out); running || err != nil {
		t.Errorf("with a broken component: %t, %v", running, err)
	}
	if want := "app            broken   no route to host\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("it shows %q, want %q at the end", out.String(), want)
	}
}
