//go:build e2e

package gitops

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var promotions = flag.Int("promotions", 60, "how many promotions TestWritersThatAreKilled makes")

const writers = 20

// Twenty writers promote to one branch, and a third of their runs is killed at
// some moment and repeated. Then every promotion is there once, in a straight
// history, and nobody's directory has another's content.
func TestWritersThatAreKilled(t *testing.T) {
	r := newRepository(t)
	each := max(*promotions/writers, 1)
	var kills, runs atomic.Int32
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				model := fmt.Sprintf("model-%d", w)
				args := []string{"--environment=staging", "--model=" + model, "--source=" + r.model(t, model, fmt.Sprint(i)), fmt.Sprintf("--pipeline-run=run-%d-%d", w, i)}
				for {
					ctx, cancel := t.Context(), context.CancelFunc(func() {})
					killed := rand.N(3) == 0
					if killed {
						ctx, cancel = context.WithTimeout(t.Context(), rand.N(3*time.Second))
					}
					o := r.run(ctx, t, "gitops-promote", args...)
					cancel()
					runs.Add(1)
					if o.code == 0 {
						break
					}
					if !killed && o.code == 3 && strings.Contains(o.stderr, "overtaken") {
						t.Logf("%s, version %d: %s", model, i, o.stderr[strings.LastIndex(o.stderr, "overtaken"):])
						continue // it says that running it again may help
					}
					if !killed {
						t.Errorf("%s, version %d: exit code %d\n%s", model, i, o.code, o.stderr)
						return
					}
					kills.Add(1)
				}
			}
		})
	}
	start := time.Now()
	wg.Wait()
	t.Logf("%d promotions in %d runs, of which %d were killed, in %s", writers*each, runs.Load(), kills.Load(), time.Since(start).Round(time.Second))

	clone := filepath.Join(t.TempDir(), "clone")
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("clone", "--quiet", r.url, clone)
	landed := map[string]int{}
	for line := range strings.Lines(git("-C", clone, "log", "--format=%(trailers:key=Pipeline-Run,valueonly,separator=%x2C)", "main")) {
		landed[strings.TrimSpace(line)]++
	}
	for w := range writers {
		for i := range each {
			if run := fmt.Sprintf("run-%d-%d", w, i); landed[run] != 1 {
				t.Errorf("%s landed %d times", run, landed[run])
			}
		}
		model := fmt.Sprintf("model-%d", w)
		if got := git("-C", clone, "show", "main:staging/"+model+"/model.yaml"); !strings.Contains(got, "{name: "+model+"}") || !strings.Contains(got, fmt.Sprintf(`version: "%d"`, each-1)) {
			t.Errorf("%s is\n%s", model, got)
		}
	}
	if merges := git("-C", clone, "rev-list", "--min-parents=2", "main"); merges != "" {
		t.Errorf("the history has merges: %s", merges)
	}
	if got, want := git("-C", clone, "rev-list", "--count", "main"), fmt.Sprint(writers*each+1); got != want {
		t.Errorf("%s commits, want %s", got, want)
	}
}
