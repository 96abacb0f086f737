package progress_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/model-delivery/model-delivery/test/platform/progress"
)

// TestPlain: a log that is no terminal gets whole lines, each with how far the
// work is, and a sign of life while a task is silent.
func TestPlain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		reporter := progress.New(&out, false)
		reporter.Logf("use the engine that runs")
		reporter.Expect(2)
		end := reporter.Begin("build etcd")
		time.Sleep(10 * time.Second)
		reporter.Logf("from its module %s", "v3")
		time.Sleep(55 * time.Second)
		end(nil)
		end = reporter.Begin("start etcd")
		time.Sleep(1500 * time.Millisecond)
		end(errors.New("no room"))
		want := `use the engine that runs
[1/2 0s] build etcd ...
[1/2 10s] build etcd: from its module v3
[1/2 30s] build etcd still running after 30s
[1/2 1m0s] build etcd still running after 1m0s
[1/2 1m5s] build etcd done in 1m5s
[2/2 1m5s] start etcd ...
[2/2 1m7s] start etcd FAILED in 1.5s
`
		if got := out.String(); got != want {
			t.Errorf("the log is\n%s\nwant\n%s", got, want)
		}
	})
}

// output is a buffer that the test may read while the clock of a task writes.
type output struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.String()
}

// screen is what a terminal shows of a text: a carriage return goes back to the
// beginning of the line, and what is written there replaces what was.
func screen(text string) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		var shown []rune
		for part := range strings.SplitSeq(line, "\r") {
			runes := []rune(part)
			shown = append(runes, shown[min(len(runes), len(shown)):]...)
		}
		lines = append(lines, strings.TrimRight(string(shown), " "))
	}
	return lines
}

// TestTerminal: one line is rewritten while a task lasts, never longer than a
// terminal is wide, and only how it ended stays.
func TestTerminal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out output
		reporter := progress.New(&out, true)
		reporter.Expect(1)
		end := reporter.Begin("build etcd")
		reporter.Logf("compile %s", strings.Repeat("a very long path/", 20))
		time.Sleep(100 * time.Millisecond)
		if lines := screen(out.String()); len(lines) != 1 || len(lines[0]) > 110 || !strings.HasPrefix(lines[0], "[1/1 0s] build etcd: compile a very") {
			t.Errorf("while it lasts the terminal shows %q", lines)
		}
		time.Sleep(5 * time.Second)
		if lines := screen(out.String()); len(lines) != 1 || !strings.HasPrefix(lines[0], "[1/1 5s] build etcd: compile") {
			t.Errorf("the clock on the terminal stands still: %q", lines)
		}
		reporter.Logf("link")
		if lines := screen(out.String()); len(lines) != 1 || lines[0] != "[1/1 5s] build etcd: link" {
			t.Errorf("something is left of the longer line: %q", lines)
		}
		end(nil)
		reporter.Logf("all is ready")
		want := []string{"[1/1 5s] build etcd done in 5.1s", "all is ready", ""}
		if lines := screen(out.String()); strings.Join(lines, "\n") != strings.Join(want, "\n") {
			t.Errorf("at the end the terminal shows %q, want %q", lines, want)
		}
	})
}

// TestConcurrentUse: tasks report from goroutines of their own.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		reporter := progress.New(&out, terminal)
		reporter.Expect(1)
		end := reporter.Begin("download")
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() { reporter.Logf("part %d", i) })
		}
		all.Wait()
		end(nil)
		if !strings.Contains(out.String(), "download done in") {
			t.Errorf("terminal %t: %q", terminal, out.String())
		}
	}
}
