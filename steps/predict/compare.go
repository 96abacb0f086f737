package predict

import (
	"context"
	"fmt"
	"slices"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/match"
	"github.com/model-delivery/model-delivery/steps/predict/metrics"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// comparison sums up what two deployments answer to the same.
type comparison struct {
	tolerance           match.Tolerance
	rows, alike         int
	largest             float64
	notFinite           int // rows with NaN or an infinity on either side
	otherNames          bool
	movers              []mover
	sample              metrics.Regression
	baseline, candidate metrics.Latencies
	broken              int
	unusable            func() string // replays the first call without a usable answer
	turn                bool
}

// compare runs a check that asks the baseline the same. Both are asked one
// after the other, with the first taking turns, so that neither is always warm.
func (r *runner) compare(ctx context.Context, s *session, c *checks.Check, out *report.Check) {
	if r.options.Baseline == nil {
		out.Outcome, out.Summary = report.Skipped, "no baseline was given to compare with"
		return
	}
	base, err := r.baselineSession(ctx, c)
	if err != nil {
		out.Findings = append(out.Findings, report.Finding{Stage: report.NotReady, Message: "the baseline is " + err.Error(), Hint: notReadyFinding(err).Hint})
		out.Replay = replayOf(err)
		return
	}
	cmp := &comparison{tolerance: c.Tolerance}
	if d := c.Compare.Dataset; d != nil {
		err := s.batches(ctx, d, func(b batch) bool {
			request := func(rows [][]any) *checks.Request { return &checks.Request{Body: batchBody(d, rows)} }
			asked := subject{check: c, whole: request(b.rows), lines: b.lines, part: func(i int) *checks.Request { return request(b.rows[i : i+1]) }}
			for _, row := range b.rows {
				asked.inputs = append(asked.inputs, row)
			}
			cmp.ask(ctx, s, base, asked, out)
			return cmp.broken < maxBroken
		})
		if err != nil && ctx.Err() == nil {
			out.Findings = append(out.Findings, report.Finding{Stage: report.Value, Message: fmt.Sprintf("%s: %v", d.File.Path, err)})
		}
	} else {
		for _, other := range r.options.File.Checks {
			named := len(c.Compare.Checks) == 0 || slices.Contains(c.Compare.Checks, other.Name)
			if other.Kind() == "request" && other.Method == seldonclient.Predict && named && !expectsFailure(&other.Expect) && s.skips(other) == "" && ctx.Err() == nil {
				asked := subject{check: other, whole: other.Request, inputs: []any{other.Name}, part: func(int) *checks.Request { return other.Request }}
				cmp.ask(ctx, s, base, asked, out)
			}
		}
	}
	cmp.finish(c, out)
	switch {
	case len(out.Findings) == 0:
	case cmp.unusable != nil:
		out.Replay = cmp.unusable()
	case len(cmp.movers) > 0:
		out.Replay = s.replay(cmp.movers[0].check, cmp.movers[0].part())
	}
}

// baselineSession is ready to be asked.
func (r *runner) baselineSession(ctx context.Context, c *checks.Check) (*session, error) {
	if r.baseline != nil {
		return r.baseline, nil
	}
	o := r.options
	o.Images = nil // they are the candidate's
	s := newSession(o, *o.Baseline)
	selected := r.selected()
	if len(selected) == 1 {
		selected = append(selected, r.options.File.Checks...)
	}
	if err := s.reads(c); err != nil {
		s.close()
		return nil, err
	}
	waited, err := s.ready(ctx, selected)
	if err != nil {
		s.close()
		return nil, err
	}
	info := s.info(r.options.File.Defaults)
	info.Baseline, info.ReadySeconds = true, waited.Seconds()
	r.report.Targets = append(r.report.Targets, info)
	r.baseline = s
	return s, nil
}

// ask asks both and compares row by row.
func (c *comparison) ask(ctx context.Context, candidate, baseline *session, asked subject, out *report.Check) {
	c.turn = !c.turn
	var answers [2]*seldonclient.Answer
	var messages [2]*seldonclient.Message
	sides := []int{0, 1}
	if c.turn {
		sides = []int{1, 0}
	}
	for _, i := range sides {
		s, who := baseline, "the baseline"
		if i == 1 {
			s, who = candidate, "the candidate"
		}
		a, m, f := s.plain(ctx, asked.check, asked.whole, out)
		if f != nil {
			if c.broken++; c.broken == 1 {
				c.unusable = func() string { return s.replay(asked.check, asked.whole) }
			}
			f.Message = who + ": " + f.Message
			if c.broken <= 3 {
				out.Findings = append(out.Findings, *f)
			}
			return
		}
		answers[i], messages[i] = a, m
	}
	c.baseline.Add(answers[0].Latency)
	c.candidate.Add(answers[1].Latency)
	c.answers(asked, messages[0], messages[1], out)
}

// finish writes down the comparison and holds it against the expectations.
func (c *comparison) finish(check *checks.Check, out *report.Check) {
	out.Compare = &report.Compare{
		Rows: c.rows, Difference: finite(c.largest), NotFinite: c.notFinite, Points: c.sample.Points,
		Baseline: report.NewLatency(&c.baseline), Candidate: report.NewLatency(&c.candidate),
	}
	for _, m := range c.movers {
		out.Compare.Movers = append(out.Compare.Movers, m.Mover)
	}
	out.Latency = out.Compare.Candidate
	if c.rows == 0 {
		if len(out.Findings) == 0 {
			out.Findings = append(out.Findings, report.Finding{Stage: report.Value, Message: "there was nothing to compare"})
		}
		return
	}
	agreement := float64(c.alike) / float64(c.rows)
	slowdown := 0.0
	if before := c.baseline.Percentile(50); before > 0 {
		slowdown = float64(c.candidate.Percentile(50)) / float64(before)
	}
	out.Compare.Agreement, out.Compare.Slowdown = agreement, slowdown
	out.Summary = fmt.Sprintf("%.4g %% of %d answers agree, largest difference %.4g, median latency %.3g times the baseline's", agreement*100, c.rows, c.largest, slowdown)
	if c.notFinite > 0 {
		out.Summary += fmt.Sprintf(", %d with NaN or infinity", c.notFinite)
	}
	if e := &check.Expect; e.Agreement == nil && e.Difference == nil && e.Slowdown == nil {
		out.Summary += "; no threshold was set, so whatever is answered passes: expect agreement, difference or slowdown, or give --baseline-agreement"
	}
	for _, rule := range []struct {
		name  string
		stage report.Stage
		got   float64
		want  *checks.Range
	}{
		{"agreement", report.Value, agreement, check.Expect.Agreement},
		{"difference", report.Value, c.largest, check.Expect.Difference},
		{"slowdown", report.SLO, slowdown, check.Expect.Slowdown},
	} {
		if rule.want != nil && !rule.want.Holds(rule.got) {
			out.Findings = append(out.Findings, report.Finding{
				Stage: rule.stage, Where: rule.name, Expected: rangeText(rule.want), Got: fmt.Sprintf("%.6g", rule.got),
				Message: fmt.Sprintf("%s is %.6g, expected %s", rule.name, rule.got, rangeText(rule.want)),
			})
		}
	}
}

// plain asks and expects no more than an answer of the protocol.
func (s *session) plain(ctx context.Context, c *checks.Check, q *checks.Request, out *report.Check) (*seldonclient.Answer, *seldonclient.Message, *report.Finding) {
	a, f := s.send(ctx, c, q, out)
	if f != nil {
		return nil, nil, f
	}
	m, f := s.read(a)
	return a, m, f
}

// send asks and expects an answer.
func (s *session) send(ctx context.Context, c *checks.Check, q *checks.Request, out *report.Check) (*seldonclient.Answer, *report.Finding) {
	p, err := s.prepare(c, q)
	if err != nil {
		return nil, &report.Finding{Stage: report.Transport, Message: err.Error()}
	}
	a, flakes, err := s.ask(ctx, p, nil, s.options.Retries)
	out.Flakes = append(out.Flakes, flakes...)
	if err != nil {
		f := transport(err)
		return nil, &f
	}
	return a, nil
}

// read expects an answer to be one of the protocol.
func (s *session) read(a *seldonclient.Answer) (*seldonclient.Message, *report.Finding) {
	if findings := s.judge(&checks.Check{Method: seldonclient.Predict}, a); len(findings) > 0 {
		return nil, &findings[0]
	}
	m, err := a.Message()
	if err != nil {
		return nil, &report.Finding{Stage: report.Schema, Message: err.Error()}
	}
	return m, nil
}
