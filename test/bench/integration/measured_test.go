package main

import (
	"strings"
	"testing"
	"time"
)

const s = time.Second

func TestAdded(t *testing.T) {
	t.Parallel()
	order := []string{"docker", "cluster", "build", "load", "setup", "deploy"}
	ends := map[string]time.Duration{"docker": 2 * s, "cluster": 20 * s, "build": 15 * s, "load": 19 * s, "setup": 30 * s, "deploy": 35 * s}
	for name, want := range map[string]time.Duration{"docker": 2 * s, "cluster": 18 * s, "build": 0, "load": 0, "setup": 10 * s, "deploy": 5 * s} {
		if got := added(wayOfTask, ends, order)[name]; got != want {
			t.Errorf("%s adds %s, want %s", name, got, want)
		}
	}
	ends = map[string]time.Duration{"docker": 5 * s, "cluster": 25 * s, "setup": 40 * s}
	for name, want := range map[string]time.Duration{"docker": 5 * s, "cluster": 20 * s, "setup": 15 * s} {
		if got := added(wayOfSeed, ends, []string{"docker", "cluster", "setup"})[name]; got != want {
			t.Errorf("%s takes %s, want %s", name, got, want)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	run := func(total, docker time.Duration) measured {
		return measured{total: total, phases: map[string]time.Duration{"docker": docker, "cluster": 20 * s, "load": 2 * s, "setup": 10 * s}}
	}
	text := summary([]measured{run(100*s, 4*s), run(300*s, 5*s), run(110*s, 6*s)}, []measured{run(55*s, s), run(50*s, 2*s), run(60*s, 3*s)})
	want := "ratio total=0.50 docker=0.40 kind=1.00 load=1.00 setup=1.00 deploy=-\n"
	if !strings.HasSuffix(text, want) {
		t.Errorf("%s\nwant %s", text, want)
	}
}
