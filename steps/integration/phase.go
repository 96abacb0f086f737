package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Phases, in the order in which their failures count.
var phaseOrder = []string{"docker", "cluster", "build", "load", "setup", "deploy", "route", "test", "predict", "push", "logs", "delete"}

// phase is what came of one part of the run.
type phase struct {
	name    string
	code    int
	aside   bool // stopped because another one failed
	started time.Time
	took    time.Duration
	results map[string]string // string results; others as JSON
}

// journal collects phases. It is safe for concurrent use.
type journal struct {
	mu     sync.Mutex
	phases []phase
}

func (j *journal) add(p phase) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.phases = slices.DeleteFunc(j.phases, func(before phase) bool { return before.name == p.name }) // it is done anew
	j.phases = append(j.phases, p)
}

// failed returns the first phase, in order, that failed and is not among those to leave out.
func (j *journal) failed(except ...string) (phase, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, name := range phaseOrder {
		for _, p := range j.phases {
			if p.name == name && p.code != 0 && !p.aside && !slices.Contains(except, name) {
				return p, true
			}
		}
	}
	return phase{}, false
}

// result returns a result of a phase; "" when there is none.
func (j *journal) result(phaseName, name string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range j.phases {
		if p.name == phaseName {
			return p.results[name]
		}
	}
	return ""
}

// seconds lists how long each phase took, as JSON by phase.
func (j *journal) seconds(total time.Duration) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	numbers := map[string]json.Number{"total": number(total)}
	for _, p := range j.phases {
		numbers[p.name] = number(p.took)
	}
	text, _ := json.Marshal(numbers) // a map of numbers cannot fail
	return string(text)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var parts []string
	for _, name := range phaseOrder {
		for _, p := range j.phases {
			if p.name != name {
				continue
			}
			text := fmt.Sprintf("%s %.1fs", p.name, p.took.Seconds())
			switch {
			case p.aside:
				text += " (stopped)"
			case p.code != 0:
				text += fmt.Sprintf(" (failed, exit code %d)", p.code)
			}
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}

func number(d time.Duration) json.Number { return json.Number(fmt.Sprintf("%.3f", d.Seconds())) }

// execute runs a step command as a phase and tells whether it went well.
func (r *run) execute(ctx context.Context, name string, cmd *step.Command, args ...string) bool {
	dir := filepath.Join(r.paths.state, "results-"+name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		fmt.Fprintf(r.out, "[%s] error: %v\n", name, err)
		r.journal.add(phase{name: name, code: step.ExitInfra, started: time.Now()})
		return false
	}
	return r.phase(ctx, name, func(out io.Writer) (int, map[string]string) {
		code := step.Execute(ctx, cmd, append(args, "--results-dir", dir), r.getenv, out, out)
		return code, readResults(dir)
	})
}

// preview runs cluster-setup for the images that it tells, aside from the phases.
func (r *run) preview(ctx context.Context, cmd *step.Command, args ...string) []string {
	var results bytes.Buffer
	if step.Execute(ctx, cmd, append(args, "--results-dir="), r.getenv, &results, io.Discard) != 0 {
		return nil
	}
	lines := bytes.Split(bytes.TrimSpace(results.Bytes()), []byte("\n"))
	var told struct{ Images []string }
	_ = json.Unmarshal(lines[len(lines)-1], &told) // none is as good as one that cannot be read
	return told.Images
}

// phase runs do as a phase, its output marked with the phase's name.
func (r *run) phase(ctx context.Context, name string, do func(out io.Writer) (int, map[string]string)) bool {
	started := time.Now()
	out := &prefixWriter{mu: &r.outMu, w: r.out, prefix: "[" + name + "] "}
	fmt.Fprintf(out, "started\n")
	code, results := do(out)
	took := time.Since(started)
	out.Flush()
	verdict, aside := "done", code != 0 && errors.Is(context.Cause(ctx), errAside)
	switch {
	case aside:
		verdict = "stopped"
	case code != 0:
		verdict = fmt.Sprintf("FAILED with exit code %d", code)
	}
	fmt.Fprintf(out, "%s after %.1fs\n", verdict, took.Seconds())
	r.journal.add(phase{name: name, code: code, aside: aside, started: started, took: took, results: results})
	return code == 0
}

// stopped tells whether ctx ended before the named phase could do its part,
// which then counts as failed unless another one's failure is the cause.
func (r *run) stopped(ctx context.Context, name string) bool {
	if ctx.Err() == nil {
		return false
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errAside) {
		r.phase(ctx, name, func(out io.Writer) (int, map[string]string) {
			fmt.Fprintf(out, "error: stopped: %v\n", cause)
			return step.ExitInfra, nil
		})
	}
	return true
}

// say prints a line that belongs to no phase.
func (r *run) say(format string, args ...any) {
	r.outMu.Lock()
	defer r.outMu.Unlock()
	fmt.Fprintf(r.out, format+"\n", args...)
}

func readResults(dir string) map[string]string {
	results := map[string]string{}
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if data, err := os.ReadFile(filepath.Join(dir, entry.Name())); err == nil {
			results[entry.Name()] = string(data)
		}
	}
	return results
}

// overlay looks names up in values first, then by getenv.
func overlay(getenv func(string) string, values map[string]string) func(string) string {
	values = maps.Clone(values)
	return func(name string) string {
		if value, ok := values[name]; ok {
			return value
		}
		return getenv(name)
	}
}
