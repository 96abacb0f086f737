package local

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// order sorts components so that each comes after what it needs. When names is
// not empty only those and what they need are kept. Components that do not
// depend on each other keep the order in which they were given.
func order(all []Component, names []string) ([]Component, error) {
	byName := make(map[string]Component, len(all))
	for _, c := range all {
		if _, double := byName[c.Name()]; double {
			return nil, fmt.Errorf("component %q is declared twice", c.Name())
		}
		byName[c.Name()] = c
	}
	var (
		sorted []Component
		done   = map[string]bool{}
		visit  func(name string, path []string) error
	)
	visit = func(name string, path []string) error {
		if done[name] {
			return nil
		}
		if slices.Contains(path, name) {
			return fmt.Errorf("components need each other: %s", strings.Join(append(path, name), " -> "))
		}
		c, ok := byName[name]
		if !ok {
			if len(path) == 0 {
				return fmt.Errorf("no component is named %q; there are %s", name, strings.Join(componentNames(all), ", "))
			}
			return fmt.Errorf("component %q needs %q, which does not exist", path[len(path)-1], name)
		}
		for _, need := range c.Needs() {
			if err := visit(need, append(path, name)); err != nil {
				return err
			}
		}
		done[name] = true
		sorted = append(sorted, c)
		return nil
	}
	if len(names) == 0 {
		names = componentNames(all)
	}
	for _, name := range names {
		if err := visit(name, nil); err != nil {
			return nil, err
		}
	}
	return sorted, nil
}

// phase is one thing to do on the way up.
type phase struct {
	name string // "build registry"
	do   func(context.Context, *Env) error
}

// plan lists what is done to bring components up, which are in order. What waits
// for a busy component comes last, but for building what can be built without.
func plan(sorted []Component) []phase {
	waits := map[string]bool{} // for a busy one to be started, or is one
	var now, ahead, late []phase
	for _, c := range sorted {
		build, start := phase{"build " + c.Name(), c.Build}, phase{"start " + c.Name(), c.Start}
		_, busy := c.(interface{ busy() })
		_, able := c.(interface{ builtAhead() })
		waits[c.Name()] = busy || slices.ContainsFunc(c.Needs(), func(need string) bool { return waits[need] })
		switch {
		case !waits[c.Name()]:
			now = append(now, build, start)
		case able:
			ahead, late = append(ahead, build), append(late, start)
		default:
			late = append(late, build, start)
		}
	}
	return slices.Concat(now, ahead, late)
}

func componentNames(all []Component) []string {
	names := make([]string, 0, len(all))
	for _, c := range all {
		names = append(names, c.Name())
	}
	return names
}
