package predict

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/metrics"
	"github.com/model-delivery/model-delivery/steps/predict/parallel"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// Target is a deployment that is asked.
type Target struct {
	// Name tells several targets of one run apart; else empty.
	Name string
	// Options say how it is asked. Protocol and transport, where they are
	// set, stand in for those of the file's defaults.
	Options seldonclient.Options
	// Protocol is what the cluster says that it speaks; it counts where neither
	// Options nor the checks say one.
	Protocol seldonclient.Protocol
	// GRPCEndpoint is where calls over gRPC go; "": to Options' endpoint.
	GRPCEndpoint string
	// Explainer is where explanations are asked for over REST; "": at Options'
	// endpoint.
	Explainer string
	// Images and ModelURIs are what the cluster says that the target runs.
	Images, ModelURIs map[string]string
	// Proved tells that it is asked at a place of which the cluster knows that
	// nothing but those answers.
	Proved bool
}

// Options says what is run and how.
type Options struct {
	File    *checks.File
	Targets []Target
	// Baseline is what comparisons are made with; nil: they are skipped.
	Baseline *Target
	// ReadyTimeout is how long a target is waited for that does not answer yet.
	ReadyTimeout time.Duration
	// Retries is how often a call is repeated that got no answer.
	Retries int
	// Concurrency is how many requests of different checks run side by side.
	Concurrency int
	// Images have to be what answers, where answers tell, as NAME=REF or REF.
	Images []string
	// Only, when it is not nil, picks checks by name.
	Only *regexp.Regexp
	// Secrets is given text that is shown, and takes secrets out of it.
	Secrets func(string) string
	// Log gets lines of progress.
	Log func(format string, args ...any)
	// Reports is the directory of the report. Requests that no replay can carry are
	// kept below it; "": they are not.
	Reports string

	requests *keeper
	large    chan struct{} // held while a large answer is looked at
}

// Run runs the checks and returns what came of them. Where there is a report the
// error is that of a context that ended before they did; where there is none, they
// could not be run at all.
func Run(ctx context.Context, o Options) (*report.Report, error) {
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	if o.Secrets == nil {
		o.Secrets = func(s string) string { return s }
	}
	if o.Concurrency < 1 {
		o.Concurrency = 1
	}
	o.requests = newKeeper(o.Reports, o.Secrets)
	o.large = make(chan struct{}, 1)
	r := &runner{options: o, report: newReport(o.File)}
	defer r.close()
	start := time.Now()
	for _, t := range o.Targets {
		if err := r.target(ctx, t); err != nil {
			return nil, err
		}
	}
	r.report.Seconds = time.Since(start).Seconds()
	r.sum()
	r.report.Close()
	if !ended(ctx) {
		return r.report, nil
	}
	return r.report, ctx.Err()
}

// ended tells whether a context has ended. A connection has its deadline too, and
// may tell of it a moment before.
func ended(ctx context.Context) bool {
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) {
		<-ctx.Done()
	}
	return ctx.Err() != nil
}

func newReport(file *checks.File) *report.Report {
	return &report.Report{File: file.Path, Digest: file.Digest, Started: time.Now().UTC().Truncate(time.Millisecond)}
}

type runner struct {
	options  Options
	report   *report.Report
	sessions []*session
	baseline *session
}

func (r *runner) close() {
	for _, s := range r.sessions {
		s.close()
	}
	if r.baseline != nil {
		r.baseline.close()
	}
}

// selected are the checks that are to run.
func (r *runner) selected() []*checks.Check {
	var out []*checks.Check
	for _, c := range r.options.File.Checks {
		if r.options.Only == nil || r.options.Only.MatchString(c.Name) {
			out = append(out, c)
		}
	}
	return out
}

// target runs every check against one target.
func (r *runner) target(ctx context.Context, t Target) error {
	s := newSession(r.options, t)
	r.sessions = append(r.sessions, s)
	selected := r.selected()
	if len(selected) == 0 {
		return &InputError{Err: errors.New("no check is named so")}
	}
	asked, results, err := r.sort(s, selected)
	if err != nil {
		return err
	}
	waited, notReady := s.ready(ctx, asked)
	info := s.info(r.options.File.Defaults)
	info.ReadySeconds = waited.Seconds()
	r.note(t, s.waitedThrough())
	r.report.Targets = append(r.report.Targets, info)
	if notReady != nil {
		replay := replayOf(notReady)
		for i := range results {
			if results[i].Outcome == report.Skipped {
				continue
			}
			results[i].Findings = []report.Finding{notReadyFinding(notReady)}
			results[i].Replay = replay
			results[i].Settle()
			replay = "" // all of them wait for one call; once is enough
		}
		r.report.Checks = append(r.report.Checks, results...)
		return nil
	}
	r.all(ctx, s, selected, results)
	r.report.Checks = append(r.report.Checks, results...)
	r.note(t, s.unproved())
	return nil
}

// note keeps what there is to know of a target; "": nothing.
func (r *runner) note(t Target, text string) {
	if text == "" {
		return
	}
	if t.Name != "" {
		text = t.Name + ": " + text
	}
	r.report.Notes = append(r.report.Notes, r.options.Secrets(text))
}

// sort tells the checks that can be asked from those that the flags leave
// nothing to ask of, whose results are skipped. What cannot be asked at all is
// wrong input, not a failed check.
func (r *runner) sort(s *session, selected []*checks.Check) (asked []*checks.Check, results []report.Check, err error) {
	wrong := make([]error, len(selected))
	results = make([]report.Check, len(selected))
	parallel.Ranges(len(selected), func(from, to int) {
		for i := from; i < to; i++ {
			c := selected[i]
			results[i] = report.Check{Name: c.Name, Target: s.target.Name, Kind: c.Kind(), Line: c.Line}
			if why := s.skips(c); why != "" {
				results[i].Outcome, results[i].Summary = report.Skipped, why
				continue
			}
			wrong[i] = s.prepares(c)
		}
	})
	for i, c := range selected {
		if wrong[i] != nil {
			return nil, nil, r.wrong(c, wrong[i])
		}
		if results[i].Outcome != report.Skipped {
			asked = append(asked, c)
		}
	}
	if len(asked) == 0 {
		return nil, nil, r.wrong(selected[0], errors.New(results[0].Summary))
	}
	return asked, results, nil
}

// wrong is that a check cannot be asked as it is written.
func (r *runner) wrong(c *checks.Check, err error) error {
	return &InputError{Err: fmt.Errorf("%s:%d: check %q: %w", r.options.File.Path, c.Line, c.Name, err)}
}

// all runs the checks. Requests run side by side; what measures time or sends
// much runs alone, in the file's order.
func (r *runner) all(ctx context.Context, s *session, selected []*checks.Check, results []report.Check) {
	var group sync.WaitGroup
	work := make(chan int)
	for range min(r.options.Concurrency, len(selected)) {
		group.Go(func() {
			for i := range work {
				r.one(ctx, s, selected[i], &results[i])
			}
		})
	}
	for i, c := range selected {
		if c.Kind() == "request" && results[i].Outcome != report.Skipped {
			work <- i
		}
	}
	close(work)
	group.Wait()
	for i, c := range selected {
		if c.Kind() != "request" && results[i].Outcome != report.Skipped {
			r.options.Log("%s: %s", c.Name, describe(c))
			r.one(ctx, s, c, &results[i])
		}
	}
}

func describe(c *checks.Check) string {
	switch {
	case c.Load != nil && c.Load.Rate > 0:
		return fmt.Sprintf("load of %.4g/s for %s", c.Load.Rate, c.Load.Duration)
	case c.Load != nil:
		return fmt.Sprintf("load of %d at a time for at most %s", c.Load.Concurrency, c.Load.Duration)
	case c.Dataset != nil:
		return "dataset " + c.Dataset.File.Path
	case c.Contract != nil:
		return "contract " + c.Contract.File
	}
	return "comparison with the baseline"
}

// one runs one check.
func (r *runner) one(ctx context.Context, s *session, c *checks.Check, out *report.Check) {
	start := time.Now()
	if ended(ctx) {
		out.Findings = append(out.Findings, report.Finding{Stage: report.NotReady, Message: "not run: " + context.Cause(ctx).Error()})
	} else {
		switch c.Kind() {
		case "request":
			s.request(ctx, c, out)
		case "dataset":
			s.dataset(ctx, c, out)
		case "load":
			s.load(ctx, c, out)
		case "contract":
			s.contract(ctx, c, out)
		case "compare":
			r.compare(ctx, s, c, out)
		}
		if ended(ctx) && c.Kind() != "request" && out.Outcome != report.Skipped {
			out.Findings = append(out.Findings, report.Finding{Stage: report.NotReady, Message: "not finished: " + context.Cause(ctx).Error()})
		}
	}
	for i := range out.Findings {
		out.Findings[i] = s.clean(out.Findings[i])
	}
	out.Seconds = time.Since(start).Seconds()
	if out.Outcome != report.Skipped {
		out.Settle()
	}
}

// sum fills in accuracy and the 95th percentile.
func (r *runner) sum() {
	all := &metrics.Latencies{}
	var load *report.Latency
	for i := range r.report.Checks {
		c := &r.report.Checks[i]
		if d := c.Dataset; d != nil && d.Accuracy != nil && (r.report.Accuracy == nil || *d.Accuracy < *r.report.Accuracy) {
			r.report.Accuracy = d.Accuracy
		}
		if c.Load != nil && c.Latency != nil && (load == nil || c.Latency.P95 > load.P95) {
			load = c.Latency
		}
	}
	for _, s := range r.sessions {
		all.Merge(&s.latencies)
	}
	if load == nil {
		load = report.NewLatency(all)
	}
	if load != nil {
		r.report.P95 = &load.P95
	}
}

// InputError says that a check cannot be asked as it is written.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }
