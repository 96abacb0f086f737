package predict

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/metrics"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// hopeless is after how many requests a load that gets nothing but errors is
// given up.
const hopeless = 50

// loadRun is a load that runs.
type loadRun struct {
	check    *checks.Check // whose expectations an answer is held against
	prepared seldonclient.Prepared
	load     *checks.Load
	start    time.Time
	next     atomic.Int64 // number of the next request
	errors   atomic.Int64
	answers  atomic.Int64
	good     atomic.Pointer[seldonclient.Answer] // one that was found right
	stop     context.CancelFunc
	stopped  atomic.Pointer[string]
}

// worker holds what one goroutine measured.
type worker struct {
	due, service metrics.Latencies
	errors       map[string]int
	stages       map[report.Stage]bool // that errors were at
	requests     int
}

// load runs a check of a load.
func (s *session) load(ctx context.Context, c *checks.Check, out *report.Check) {
	l := c.Load
	judged := c
	q := l.Request
	if q == nil {
		judged = s.options.File.Find(l.Check)
		q = judged.Request
	}
	p, err := s.prepare(judged, q)
	if err != nil {
		out.Findings = append(out.Findings, report.Finding{Stage: report.Transport, Message: err.Error()})
		return
	}
	if l.WarmUp > 0 {
		warm := *l
		warm.Duration, warm.Requests = l.WarmUp, 0
		s.drive(ctx, &loadRun{check: judged, prepared: p, load: &warm})
	}
	run := &loadRun{check: judged, prepared: p, load: l}
	workers, elapsed := s.drive(ctx, run)
	s.sumLoad(c, run, workers, elapsed, out)
	if len(out.Findings) > 0 {
		out.Replay = s.replay(judged, q)
	}
}

// drive sends the load and waits for its end.
func (s *session) drive(ctx context.Context, run *loadRun) ([]worker, time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run.stop = cancel
	run.start = time.Now()
	workers := make([]worker, run.load.Concurrency)
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() { s.loop(ctx, run, &workers[i]) })
	}
	group.Wait()
	return workers, time.Since(run.start)
}

// loop sends one request after another. With a rate each has a time at which
// it is due; it is sent then, or late when everybody is still busy.
func (s *session) loop(ctx context.Context, run *loadRun, w *worker) {
	w.errors, w.stages = map[string]int{}, map[report.Stage]bool{}
	for ctx.Err() == nil {
		n := run.next.Add(1) - 1
		if run.load.Requests > 0 && n >= int64(run.load.Requests) {
			return
		}
		due := time.Now()
		if run.load.Rate > 0 {
			due = run.start.Add(time.Duration(float64(n) / run.load.Rate * float64(time.Second)))
			if due.Sub(run.start) >= run.load.Duration {
				return
			}
			if wait := time.Until(due); wait > 0 {
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
			}
		}
		sent := time.Now()
		if sent.Sub(run.start) >= run.load.Duration && run.load.Rate == 0 {
			return
		}
		a, err := run.prepared.Again(ctx, run.good.Load())
		done := time.Now()
		if err != nil && ended(ctx) {
			return // cut off by the end, not by the model
		}
		w.requests++
		w.service.Add(done.Sub(sent))
		w.due.Add(done.Sub(due))
		run.answers.Add(1)
		if stage, why := run.wrong(s, a, err); why != "" {
			w.stages[stage] = true
			if len(w.errors) < 100 || w.errors[why] > 0 {
				w.errors[why]++
			} else {
				w.errors["other errors"]++
			}
			if bad := run.errors.Add(1); bad >= hopeless && bad == run.answers.Load() {
				text := fmt.Sprintf("stopped: the first %d requests all failed", bad)
				run.stopped.CompareAndSwap(nil, &text)
				run.stop()
				return
			}
		}
	}
}

// wrong says at which stage and why an answer counts as an error; "": it does not. An answer that
// is byte for byte one that was found right needs no second look.
func (run *loadRun) wrong(s *session, a *seldonclient.Answer, err error) (stage report.Stage, why string) {
	if err != nil {
		return report.Transport, shorten(err.Error(), 200)
	}
	if a == run.good.Load() {
		return "", ""
	}
	defer s.hold(a)()
	findings := s.judge(run.check, a)
	if len(findings) > 0 {
		return findings[0].Stage, string(findings[0].Stage) + ": " + shorten(findings[0].Message, 200)
	}
	if a.Code == 0 && a.Status < 300 {
		run.good.Store(a)
	}
	return "", ""
}

// sumLoad writes down what was measured and holds it against the expectations.
func (s *session) sumLoad(c *checks.Check, run *loadRun, workers []worker, elapsed time.Duration, out *report.Check) {
	var due, service metrics.Latencies
	l := &report.Load{Seconds: elapsed.Seconds(), Wanted: run.load.Rate, Concurrency: run.load.Concurrency, ByError: map[string]int{}}
	for i := range workers {
		due.Merge(&workers[i].due)
		service.Merge(&workers[i].service)
		l.Requests += workers[i].requests
		for why, n := range workers[i].errors {
			l.ByError[s.options.Secrets(why)] += n
			l.Errors += n
		}
	}
	if elapsed > 0 {
		l.Rate = float64(l.Requests-l.Errors) / elapsed.Seconds()
	}
	if text := run.stopped.Load(); text != nil {
		l.Stopped = *text
	}
	l.Service = report.NewLatency(&service)
	out.Load, out.Latency = l, report.NewLatency(&due)
	if out.Latency == nil {
		out.Findings = append(out.Findings, report.Finding{Stage: report.SLO, Message: "no request was answered"})
		return
	}
	out.Summary = fmt.Sprintf("%d requests at %s/s, %d errors, p50 %.4g ms, p95 %.4g ms", l.Requests, report.Digits(l.Rate), l.Errors, out.Latency.P50, out.Latency.P95)
	if l.Stopped != "" {
		out.Summary += ", " + l.Stopped
	}
	holdLatencies(c, &due, out)
	s.holdErrors(c, l, firstStage(workers), out)
	if r := c.Expect.Rate; r != nil && !r.Holds(l.Rate) {
		out.Findings = append(out.Findings, report.Finding{
			Stage: report.SLO, Where: "rate", Expected: rangeText(r) + "/s", Got: report.Digits(l.Rate) + "/s",
			Message: fmt.Sprintf("the rate is %s answers a second, expected %s", report.Digits(l.Rate), rangeText(r)),
		})
	}
}

// firstStage is the first stage that any error was at.
func firstStage(workers []worker) report.Stage {
	for _, stage := range report.Stages() {
		if slices.ContainsFunc(workers, func(w worker) bool { return w.stages[stage] }) {
			return stage
		}
	}
	return report.SLO
}

// holdErrors holds the number of errors against the limit; without one, none
// is allowed. Too many are a finding at the stage of what they are.
func (s *session) holdErrors(c *checks.Check, l *report.Load, stage report.Stage, out *report.Check) {
	limit := c.Expect.Errors
	if limit == nil {
		limit = &checks.Limit{}
	}
	allowed := limit.Max
	text := fmt.Sprintf("at most %v", limit.Max)
	if limit.Share {
		allowed = limit.Max * float64(l.Requests)
		text = fmt.Sprintf("at most %v%%", limit.Max*100)
	}
	if float64(l.Errors) <= allowed {
		return
	}
	var most []string
	for why, n := range l.ByError {
		most = append(most, fmt.Sprintf("%d × %s", n, why))
	}
	hint := ""
	if stage == report.Transport {
		hint = hintLoad
	}
	out.Findings = append(out.Findings, report.Finding{
		Stage: stage, Where: "errors", Expected: text, Got: fmt.Sprint(l.Errors), Hint: hint,
		Message: fmt.Sprintf("%d of %d requests failed, expected %s: %s", l.Errors, l.Requests, text, shorten(strings.Join(sorted(most), "; "), 500)),
	})
}
