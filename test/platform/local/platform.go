package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/progress"
)

// Options say which platform is meant and how it talks.
type Options struct {
	Source     Source   // Auto when empty
	Components []string // names; none means all. What they need is added
	StateDir   string   // "" means DefaultStateDir
	CacheDir   string   // "" means cache.DefaultRoot
	Progress   *progress.Reporter
	// Check is asked before anything is changed.
	Check func(ctx context.Context, env *Env) error
	// Probe finds out which source Auto means.
	Probe func(ctx context.Context) Source
}

// Platform is the set of components of one machine.
type Platform struct {
	all     []Component
	options Options
}

// New returns the platform made of components.
func New(components []Component, options Options) (*Platform, error) {
	if _, err := order(components, options.Components); err != nil {
		return nil, err
	}
	if options.StateDir == "" {
		dir, err := DefaultStateDir(os.Getenv)
		if err != nil {
			return nil, err
		}
		options.StateDir = dir
	}
	if options.CacheDir == "" {
		dir, err := cache.DefaultRoot(os.Getenv)
		if err != nil {
			return nil, err
		}
		options.CacheDir = dir
	}
	if options.Source == "" {
		options.Source = Auto
	}
	return &Platform{all: components, options: options}, nil
}

// Up builds and starts what is missing, and returns when all of it is ready.
func (p *Platform) Up(ctx context.Context) error {
	env, unlock, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	components, err := order(p.all, p.options.Components)
	if err != nil {
		return err
	}
	if p.options.Check != nil {
		if err := p.options.Check(ctx, env); err != nil {
			return err
		}
	}
	// Written before anything is started: from here on down knows that there
	// is something to remove.
	if err := env.State.save(); err != nil {
		return err
	}
	phases := plan(components)
	env.Progress.Expect(len(phases))
	for _, p := range phases {
		if err := step(ctx, env, p.name, p.do); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return env.State.save()
}

func step(ctx context.Context, env *Env, name string, do func(context.Context, *Env) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	end := env.Progress.Begin(name)
	err := do(ctx, env)
	end(err)
	return err
}

// Down stops everything, in reverse order, and forgets the state. The cache is
// kept. It goes on past a component that fails to stop, and then keeps the
// state so that another down can finish.
func (p *Platform) Down(ctx context.Context) error {
	env, unlock, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	components, err := order(p.all, nil)
	if err != nil {
		return err
	}
	slices.Reverse(components)
	env.Progress.Expect(len(components))
	var failed error
	for _, c := range components {
		if err := step(ctx, env, "stop "+c.Name(), c.Stop); err != nil {
			failed = errors.Join(failed, fmt.Errorf("stop %s: %w", c.Name(), err))
		}
	}
	if failed != nil {
		return failed
	}
	if err := os.RemoveAll(p.options.StateDir); err != nil {
		return fmt.Errorf("remove the state: %w", err)
	}
	return nil
}

// Status writes one line for each component and says whether all of them run.
func (p *Platform) Status(ctx context.Context, out io.Writer) (running bool, err error) {
	running = true
	err = p.each(ctx, func(c Component, status Status) {
		running = running && (status.Condition == Running || status.Condition == Made)
		fmt.Fprintf(out, "%-14s %-8s %s\n", c.Name(), status.Condition, status.Detail)
	})
	if errors.Is(err, ErrNotUp) {
		fmt.Fprintln(out, err)
		return false, nil
	}
	return running && err == nil, err
}

// statusTimeout bounds the look at one component.
const statusTimeout = 10 * time.Second

// each looks at every component. It returns ErrNotUp when there is no state.
func (p *Platform) each(ctx context.Context, visit func(Component, Status)) error {
	state, err := Load(p.options.StateDir)
	if err != nil {
		return err
	}
	store, err := cache.Open(state.CacheDir)
	if err != nil {
		return err
	}
	env := newEnv(state, store, p.options.Progress, io.Discard)
	components, err := order(p.all, p.options.Components)
	if err != nil {
		return err
	}
	for _, c := range components {
		asked, cancel := context.WithTimeout(ctx, statusTimeout)
		status, err := c.Status(asked, env)
		cancel()
		if err != nil {
			status = Status{Condition: Broken, Detail: err.Error()}
		}
		visit(c, status)
	}
	return nil
}

// open locks the state directory and returns the environment of what it holds,
// or of a new platform.
func (p *Platform) open(ctx context.Context) (*Env, func(), error) {
	if err := os.MkdirAll(p.options.StateDir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("create the state directory: %w", err)
	}
	store, err := cache.Open(p.options.CacheDir)
	if err != nil {
		return nil, nil, err
	}
	// The lock is not in the state directory: down removes that.
	unlock, err := store.Lock(ctx, cache.Key("platform", p.options.StateDir))
	if err != nil {
		return nil, nil, err
	}
	state, err := Load(p.options.StateDir)
	if errors.Is(err, ErrNotUp) {
		state, err = &State{}, nil
	}
	if err != nil {
		unlock()
		return nil, nil, err
	}
	state.StateDir, state.CacheDir = p.options.StateDir, p.options.CacheDir
	if state.Source == "" || p.options.Source != Auto {
		state.Source = p.options.Source
	}
	if state.Source == Auto && p.options.Probe != nil {
		state.Source = p.options.Probe(ctx)
	}
	log, err := os.OpenFile(filepath.Join(store.Root(), "platform.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		unlock()
		return nil, nil, fmt.Errorf("open the log: %w", err)
	}
	fmt.Fprintf(log, "\n# %s\n", time.Now().Format(time.RFC3339))
	env := newEnv(state, store, p.options.Progress, log)
	return env, func() { log.Close(); unlock() }, nil
}
