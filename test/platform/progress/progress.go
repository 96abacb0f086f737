// Package progress shows what long work does: on a terminal one line that is
// rewritten, elsewhere one plain line when something begins, now and then while
// it lasts, and when it ends.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// heartbeat is how often a plain log says that a task still runs.
const heartbeat = 30 * time.Second

// Reporter writes progress. Its methods may be called from several goroutines.
type Reporter struct {
	out   io.Writer
	tty   bool
	now   func() time.Time
	start time.Time

	mu     sync.Mutex
	total  int
	done   int
	name   string    // task under way, "" when there is none
	detail string    // latest line of the task under way
	since  time.Time // when the task under way began
	line   int       // width of the line on the terminal
	stop   chan struct{}
	ended  chan struct{}
}

// New returns a reporter that writes to out; tty says whether out is a terminal
// whose line can be rewritten.
func New(out io.Writer, tty bool) *Reporter {
	return &Reporter{out: out, tty: tty, now: time.Now, start: time.Now()}
}

// Expect says how many tasks there will be in all.
func (r *Reporter) Expect(total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total, r.done = total, 0
}

// Begin starts a task. The function it returns ends it, with the task's error.
func (r *Reporter) Begin(name string) (end func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.name, r.detail, r.since = name, "", r.now()
	r.done++
	r.stop, r.ended = make(chan struct{}), make(chan struct{})
	if !r.tty {
		r.println("%s ...", r.prefix())
	}
	go r.tick(r.stop, r.ended)
	return r.end
}

// Logf tells what the task under way does now. A terminal shows the latest such
// line only; a plain log shows them all.
func (r *Reporter) Logf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.detail = fmt.Sprintf(format, args...)
	switch {
	case !r.tty && r.name == "":
		r.println("%s", r.detail)
	case !r.tty:
		r.println("%s: %s", r.prefix(), r.detail)
	case r.name == "":
		r.println("%s", r.detail)
	default:
		r.redraw()
	}
}

func (r *Reporter) end(err error) {
	close(r.stop)
	<-r.ended
	r.mu.Lock()
	defer r.mu.Unlock()
	outcome := "done"
	if err != nil {
		outcome = "FAILED"
	}
	took := r.now().Sub(r.since).Round(100 * time.Millisecond)
	r.println("%s %s in %s", r.prefix(), outcome, took)
	r.name, r.detail = "", ""
}

// prefix is "[n/m elapsed] task".
func (r *Reporter) prefix() string {
	elapsed := r.now().Sub(r.start).Round(time.Second)
	if r.total == 0 {
		return fmt.Sprintf("[%s] %s", elapsed, r.name)
	}
	return fmt.Sprintf("[%d/%d %s] %s", r.done, r.total, elapsed, r.name)
}

func (r *Reporter) println(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if r.tty && r.line > 0 {
		fmt.Fprintf(r.out, "\r%-*s\n", r.line, text)
		r.line = 0
		return
	}
	fmt.Fprintln(r.out, text)
}

// redraw rewrites the terminal's current line.
func (r *Reporter) redraw() {
	text := r.prefix()
	if r.detail != "" {
		text += ": " + r.detail
	}
	const width = 110
	if runes := []rune(text); len(runes) > width {
		text = string(runes[:width-3]) + "..."
	}
	fmt.Fprintf(r.out, "\r%-*s", r.line, text)
	r.line = len([]rune(text))
}

func (r *Reporter) tick(stop <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	period := heartbeat
	if r.tty {
		period = time.Second
	}
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			r.mu.Lock()
			if r.tty {
				r.redraw()
			} else {
				r.println("%s still running after %s", r.prefix(), r.now().Sub(r.since).Round(time.Second))
			}
			r.mu.Unlock()
		}
	}
}
