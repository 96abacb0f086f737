package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The ways that are compared.
const (
	wayOfSeed = "seed"
	wayOfTask = "task"
)

// measured is one run.
type measured struct {
	total  time.Duration
	phases map[string]time.Duration // what each added
	seen   time.Duration            // from the engine being ready to that being seen
}

func (m measured) String() string {
	text := fmt.Sprintf("total %.1fs, docker seen %dms after it was ready", m.total.Seconds(), m.seen.Milliseconds())
	for _, name := range slices.Sorted(maps.Keys(m.phases)) {
		text += fmt.Sprintf(", %s %.1fs", name, m.phases[name].Seconds())
	}
	return text
}

// waitsFor lists, for each phase of the Task, those that it begins after. The
// old way has one after the other.
var waitsFor = map[string][]string{
	"docker": nil, "cluster": {"docker"}, "build": {"docker", "cluster"}, "setup": {"cluster"}, "load": {"build", "cluster", "setup"},
	"deploy": {"load", "setup"}, "route": {"deploy"}, "test": {"deploy", "route"}, "predict": {"test"}, "logs": {"predict"}, "delete": {"logs", "predict"},
}

// added turns the ends of phases into what each added to the run.
func added(way string, ends map[string]time.Duration, order []string) map[string]time.Duration {
	out := map[string]time.Duration{}
	for i, name := range order {
		var from time.Duration
		if way == wayOfSeed && i > 0 {
			from = ends[order[i-1]]
		}
		if way == wayOfTask {
			for _, before := range waitsFor[name] {
				from = max(from, ends[before])
			}
		}
		out[name] = max(0, ends[name]-from)
	}
	return out
}

func median(values []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// reported names the phases of the last line after those of the runs.
var reported = []struct{ name, phase string }{
	{"docker", "docker"}, {"kind", "cluster"}, {"load", "load"}, {"setup", "setup"}, {"deploy", "deploy"},
}

// summary is a table of medians and the line of ratios.
func summary(seed, ours []measured) string {
	var b strings.Builder
	pick := func(runs []measured, of func(measured) time.Duration) time.Duration {
		var values []time.Duration
		for _, run := range runs {
			values = append(values, of(run))
		}
		return median(values)
	}
	ratio := func(of func(measured) time.Duration) string {
		base := pick(seed, of)
		if base == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2f", float64(pick(ours, of))/float64(base))
	}
	total := func(m measured) time.Duration { return m.total }
	seen := func(m measured) time.Duration { return m.seen }
	fmt.Fprintf(&b, "%-12s %8s %8s\n", "median", wayOfSeed, wayOfTask)
	row := func(name string, of func(measured) time.Duration) {
		fmt.Fprintf(&b, "%-12s %7.2fs %7.2fs\n", name, pick(seed, of).Seconds(), pick(ours, of).Seconds())
	}
	row("total", total)
	row("docker seen", seen)
	last := "ratio total=" + ratio(total)
	for _, r := range reported {
		of := func(m measured) time.Duration { return m.phases[r.phase] }
		row(r.name, of)
		last += " " + r.name + "=" + ratio(of)
	}
	b.WriteString(last + "\n")
	return b.String()
}
