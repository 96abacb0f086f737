package local

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// fake is a component of tests. It notes what is done to it.
type fake struct {
	name  string
	needs []string
	notes *notes
}

// notes is what was done to components, in order, and what is to fail.
type notes struct {
	done []string
	fail map[string]error
	// during is called in each step.
	during func(step string, env *Env)
	status map[string]Status
}

func (f fake) Name() string    { return f.name }
func (f fake) Needs() []string { return f.needs }

func (f fake) do(step string, env *Env) error {
	step += " " + f.name
	f.notes.done = append(f.notes.done, step)
	if f.notes.during != nil {
		f.notes.during(step, env)
	}
	return f.notes.fail[step]
}

func (f fake) Build(_ context.Context, env *Env) error { return f.do("build", env) }
func (f fake) Start(_ context.Context, env *Env) error { return f.do("start", env) }
func (f fake) Stop(_ context.Context, env *Env) error  { return f.do("stop", env) }

func (f fake) Status(_ context.Context, env *Env) (Status, error) {
	status, ok := f.notes.status[f.name]
	if !ok {
		status.Condition = Running
	}
	return status, f.do("status", env)
}

// fakes makes components from "name: need need", in this order.
func fakes(notes *notes, specs ...string) []Component {
	var all []Component
	for _, spec := range specs {
		name, needs, _ := strings.Cut(spec, ":")
		all = append(all, fake{name, strings.Fields(needs), notes})
	}
	return all
}

// TestPlan: a busy component is started when everything else is built that can be.
func TestPlan(t *testing.T) {
	t.Parallel()
	type busy struct {
		fake
		Busy
	}
	type ahead struct {
		fake
		BuiltAhead
	}
	var got []string
	for _, p := range plan([]Component{
		fake{name: "engine"},
		busy{fake: fake{name: "cluster", needs: []string{"engine"}}},
		ahead{fake: fake{name: "app", needs: []string{"cluster", "engine"}}},
		fake{name: "tool", needs: []string{"engine"}},
		fake{name: "bundle", needs: []string{"app"}},
		ahead{fake: fake{name: "forge", needs: []string{"engine"}}},
	}) {
		got = append(got, p.name)
	}
	want := []string{
		"build engine", "start engine", "build tool", "start tool", "build forge", "start forge",
		"build app",
		"build cluster", "start cluster", "start app", "build bundle", "start bundle",
	}
	if !slices.Equal(got, want) {
		t.Errorf("plan:\n%q, want\n%q", got, want)
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		components []string
		names      []string
		want       string // names with blanks between
		err        string
	}{
		"as given": {components: []string{"a", "b", "c"}, want: "a b c"},
		"needs first": {
			components: []string{"app: cluster registry", "cluster: engine", "registry: engine", "engine"},
			want:       "engine cluster registry app",
		},
		"only what is asked for and what it needs": {
			components: []string{"engine", "registry: engine", "cluster: engine", "app: cluster"},
			names:      []string{"cluster"}, want: "engine cluster",
		},
		"a need of two comes once": {components: []string{"a: c", "b: c", "c"}, want: "c a b"},
		"nothing":                  {want: ""},
		"unknown name":             {components: []string{"a", "b"}, names: []string{"x"}, err: `no component is named "x"; there are a, b`},
		"unknown need":             {components: []string{"a: x"}, err: `component "a" needs "x", which does not exist`},
		"circle":                   {components: []string{"a: b", "b: c", "c: a"}, err: "components need each other: a -> b -> c -> a"},
		"twice":                    {components: []string{"a", "a"}, err: `component "a" is declared twice`},
	}
	for name, test := range tests {
		got, err := order(fakes(&notes{}, test.components...), test.names)
		if test.err != "" {
			if err == nil || err.Error() != test.err {
				t.Errorf("%s: %v, want %q", name, err, test.err)
			}
			continue
		}
		if err != nil || !slices.Equal(componentNames(got), strings.Fields(test.want)) {
			t.Errorf("%s: %v, %v; want %s", name, componentNames(got), err, test.want)
		}
	}
}
