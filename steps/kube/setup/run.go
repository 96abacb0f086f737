package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/kube/chart"
	"github.com/model-delivery/model-delivery/steps/step"
)

// DefaultTimeout bounds an installation whose caller names no timeout.
const DefaultTimeout = 10 * time.Minute

// Options says how a plan is carried out.
type Options struct {
	// Client is the cluster to install into. Nil: nothing is installed, the
	// objects are only made (see [Preview]).
	Client *kube.Client
	// Timeout bounds the whole. Zero: ten minutes.
	Timeout time.Duration
	// Force takes over fields that others own.
	Force bool
	// BeforePods is called before anything that makes pods is applied, by each
	// entry that has such. May be nil.
	BeforePods func(ctx context.Context) error
	// Progress gets a line when something happens. May be nil.
	Progress func(format string, args ...any)
}

// Installed tells what became of one entry.
type Installed struct {
	Name    string
	Objects int
	Seconds float64 // from the moment that what it needs was ready
}

// runner installs the entries of a plan.
type runner struct {
	o       Options
	sources map[string]*source
	done    map[string]chan struct{} // closed when an entry is ready
	mu      sync.Mutex
	results []Installed
}

// Install carries out a plan: everything is fetched at once, then each entry
// is applied as soon as those that it needs are ready, and waited for. An entry
// also waits for one listed before it that defines its kinds or its namespaces,
// without saying so under needs. The first failure stops what has not been
// applied yet.
func Install(ctx context.Context, plan *Plan, o Options) ([]Installed, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Progress == nil {
		o.Progress = func(string, ...any) {}
	}
	deadline, cancelDeadline := context.WithTimeout(ctx, o.Timeout)
	defer cancelDeadline()
	running, cancel := context.WithCancelCause(deadline)
	defer cancel(nil)

	sources, err := fetchAll(running, plan, o.Progress)
	if err != nil {
		return nil, err
	}
	r := &runner{o: o, sources: map[string]*source{}, done: map[string]chan struct{}{}}
	for i, s := range sources {
		r.sources[plan.Entries[i].Name] = s
		r.done[plan.Entries[i].Name] = make(chan struct{})
	}
	needs := r.impliedNeeds(plan)
	errs := make([]error, len(plan.Entries))
	var wg sync.WaitGroup
	for i := range plan.Entries {
		entry := &plan.Entries[i]
		wg.Go(func() {
			for _, need := range needs[entry.Name] {
				select {
				case <-r.done[need]:
				case <-running.Done():
					return
				}
			}
			errs[i] = guarded(entry.Name, step.Infra, func() error { return r.install(running, entry) })
			if errs[i] != nil {
				cancel(errs[i])
				return
			}
			close(r.done[entry.Name])
		})
	}
	wg.Wait()
	return r.results, firstCause(ctx, errs, o.Timeout, r.results, len(plan.Entries))
}

// firstCause returns the errors that are not mere consequences of another.
func firstCause(ctx context.Context, errs []error, timeout time.Duration, done []Installed, of int) error {
	var own []error
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			own = append(own, err)
		}
	}
	switch {
	case len(own) == 1:
		return own[0]
	case len(own) > 1:
		joined := errors.Join(own...)
		for _, err := range own {
			if hint := step.Hint(err); hint != "" {
				return step.WithHint(joined, hint)
			}
		}
		return joined
	case ctx.Err() != nil:
		return step.Infraf("install: %w", context.Cause(ctx))
	case len(done) < of:
		return step.WithHint(step.Failedf("install: %d of %d entries were not begun within %s", of-len(done), of, timeout), "raise --timeout")
	}
	return nil
}

// fetchAll gets the sources of all entries side by side.
func fetchAll(ctx context.Context, plan *Plan, progress func(string, ...any)) ([]*source, error) {
	sources := make([]*source, len(plan.Entries))
	errs := make([]error, len(plan.Entries))
	var wg sync.WaitGroup
	for i, entry := range plan.Entries {
		wg.Go(func() {
			start := time.Now()
			errs[i] = guarded(entry.Name, oddInput, func() (err error) {
				sources[i], err = fetch(ctx, entry, entry.root, entry.dir)
				return err
			})
			if errs[i] == nil && sources[i].chart != nil {
				progress("%s: chart %s %s fetched in %s", entry.Name, sources[i].chart.Name(), sources[i].chart.Metadata.Version,
					time.Since(start).Round(10*time.Millisecond))
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err // the others often say the same: no network, no registry
		}
	}
	return sources, nil
}

// install renders, applies and waits for one entry.
func (r *runner) install(ctx context.Context, e *Entry) error {
	start := time.Now()
	if e.Timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(e.Timeout))
		defer cancel()
		ctx = limited
	}
	say := func(format string, args ...any) { r.o.Progress(e.Name+": "+format, args...) }
	release, err := r.sources[e.Name].render(r.o.Client)
	if err != nil {
		return err
	}
	apply := kube.ApplyOptions{
		Force: r.o.Force, Namespace: e.Namespace, CreateNamespaces: true, Progress: say, Timeout: left(ctx),
	}
	if _, err := kube.Apply(ctx, r.o.Client, release.CRDs, apply); err != nil {
		return fmt.Errorf("entry %s: %w", e.Name, err)
	}
	applied, err := r.apply(ctx, e, release, apply, say)
	if err != nil {
		return err
	}
	count := len(applied) + len(release.CRDs)
	say("%d objects applied in %s, waiting until they are ready", count, time.Since(start).Round(10*time.Millisecond))
	if err := kube.WaitReady(ctx, r.o.Client, applied, kube.WaitOptions{Timeout: left(ctx), Progress: say}); err != nil {
		return fmt.Errorf("entry %s: %w", e.Name, err)
	}
	if err := r.runHooks(ctx, e, release.After, apply, say); err != nil {
		return err
	}
	seconds := time.Since(start).Seconds()
	say("ready after %.1fs", seconds)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, Installed{Name: e.Name, Objects: count, Seconds: seconds})
	return nil
}

// apply sends the objects of an entry, after the hooks that come before them.
func (r *runner) apply(ctx context.Context, e *Entry, release *chart.Release, o kube.ApplyOptions, say func(string, ...any)) ([]*unstructured.Unstructured, error) {
	var early []*unstructured.Unstructured
	rest := release.Objects
	if r.o.BeforePods != nil {
		if len(release.Before) == 0 {
			var err error
			early, rest = splitPods(release.Objects)
			if early, err = kube.Apply(ctx, r.o.Client, early, o); err != nil {
				return nil, fmt.Errorf("entry %s: %w", e.Name, err)
			}
		}
		if len(release.Before)+len(rest) > 0 {
			if err := r.o.BeforePods(ctx); err != nil {
				return nil, fmt.Errorf("entry %s: %w", e.Name, err)
			}
		}
	}
	if err := r.runHooks(ctx, e, release.Before, o, say); err != nil {
		return nil, err
	}
	applied, err := kube.Apply(ctx, r.o.Client, rest, o)
	if err != nil {
		return nil, fmt.Errorf("entry %s: %w", e.Name, err)
	}
	return append(early, applied...), nil
}

// left is the time until ctx's deadline, which waits are given as their own so
// that they can say that it was over.
func left(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(time.Until(deadline), time.Millisecond)
	}
	return DefaultTimeout
}

// impliedNeeds adds to what entries say they need what they clearly do: an
// entry listed before that defines a kind or a namespace they use.
func (r *runner) impliedNeeds(plan *Plan) map[string][]string {
	type content struct{ defines, uses map[string]bool }
	contents := make([]content, len(plan.Entries))
	for i := range plan.Entries {
		contents[i] = content{map[string]bool{}, map[string]bool{}}
		release, err := r.sources[plan.Entries[i].Name].render(r.o.Client)
		if err != nil {
			continue // it may need what an earlier entry brings; it is rendered again
		}
		for _, obj := range append(slices.Clone(release.CRDs), release.Objects...) {
			contents[i].uses["kind "+obj.GroupVersionKind().GroupKind().String()] = true
			contents[i].uses["namespace "+obj.GetNamespace()] = true
			if name := defined(obj); name != "" {
				contents[i].defines[name] = true
			}
		}
	}
	needs := map[string][]string{}
	for i := range plan.Entries {
		e := &plan.Entries[i]
		needs[e.Name] = slices.Clone(e.Needs)
		for k := range i {
			before := &plan.Entries[k]
			for name := range contents[k].defines {
				if contents[i].uses[name] && !contents[i].defines[name] && !slices.Contains(needs[e.Name], before.Name) {
					needs[e.Name] = append(needs[e.Name], before.Name)
					r.o.Progress("%s: waits for %s, which brings %s", e.Name, before.Name, name)
				}
			}
		}
	}
	return needs
}

// defined names what an object brings for others to use, or "".
func defined(obj *unstructured.Unstructured) string {
	switch obj.GetKind() {
	case "Namespace":
		return "namespace " + obj.GetName()
	case "CustomResourceDefinition":
		group, _, _ := unstructured.NestedString(obj.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(obj.Object, "spec", "names", "kind")
		return "kind " + kind + "." + group
	}
	return ""
}
