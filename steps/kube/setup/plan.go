package setup

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Plan is what to install, in an order in which nothing comes before what it
// needs.
type Plan struct {
	Entries []Entry
}

// NewPlan puts the entries of files together: profiles are replaced by what
// they consist of, with charts from registry (oci://HOST/PATH) unless it is
// empty. Names that are there twice or not at all, and needs that go in a
// circle, are errors.
func NewPlan(files []*File, registry string) (*Plan, error) {
	if registry != "" && !strings.HasPrefix(registry, "oci://") {
		return nil, step.Invalidf("chart registry %q has not the form oci://HOST/PATH", registry)
	}
	var entries []Entry
	for _, file := range files {
		for _, entry := range file.Install {
			expanded, err := entry.expand(registry)
			if err != nil {
				return nil, err
			}
			entries = append(entries, expanded...)
		}
	}
	var problems []error
	index := map[string]int{}
	for i := range entries {
		e := &entries[i]
		if first, twice := index[e.Name]; twice {
			problems = append(problems, e.errorf("name", "there is another of that name at %s", entries[first].position()))
			continue
		}
		index[e.Name] = i
		if e.Namespace == "" {
			e.Namespace = e.Name
		}
	}
	for i := range entries {
		for _, need := range entries[i].Needs {
			if _, known := index[need]; !known {
				problems = append(problems, entries[i].errorf("needs", "needs %q, which is not listed", need))
			}
		}
	}
	if len(problems) > 0 {
		return nil, step.Invalid(errors.Join(problems...))
	}
	return order(entries, index)
}

func (e *Entry) position() string {
	if line := e.lines[""]; line > 0 {
		return fmt.Sprintf("%s:%d", e.where, line)
	}
	return e.where
}

// order sorts entries so that each comes after those it needs, and otherwise
// as they are listed.
func order(entries []Entry, index map[string]int) (*Plan, error) {
	const visiting, visited = 1, 2
	state := make([]int, len(entries))
	plan := &Plan{}
	var trail []string
	var visit func(i int) error
	visit = func(i int) error {
		switch state[i] {
		case visited:
			return nil
		case visiting:
			circle := append(trail[slices.Index(trail, entries[i].Name):], entries[i].Name)
			return step.Invalid(entries[i].errorf("needs", "needs go in a circle: %s", strings.Join(circle, " → ")))
		}
		state[i] = visiting
		trail = append(trail, entries[i].Name)
		for _, need := range entries[i].Needs {
			if err := visit(index[need]); err != nil {
				return err
			}
		}
		trail = trail[:len(trail)-1]
		state[i] = visited
		plan.Entries = append(plan.Entries, entries[i])
		return nil
	}
	for i := range entries {
		if err := visit(i); err != nil {
			return nil, err
		}
	}
	return plan, nil
}
