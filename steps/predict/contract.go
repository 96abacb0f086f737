package predict

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/contract"
	"github.com/model-delivery/model-delivery/steps/predict/metrics"
	"github.com/model-delivery/model-delivery/steps/predict/report"
)

// contract runs a check of a contract file.
func (s *session) contract(ctx context.Context, c *checks.Check, out *report.Check) {
	data, err := os.ReadFile(filepath.Join(s.options.File.Dir, c.Contract.File))
	var terms *contract.Contract
	if err == nil {
		terms, err = contract.Parse(data)
	}
	if err == nil {
		err = terms.Fits(c.Contract.Batch)
	}
	if err != nil {
		out.Findings = append(out.Findings, report.Finding{Stage: report.Value, Message: err.Error()})
		return
	}
	if terms.Fractions() {
		s.setType(c, "FP64") // whole numbers among them are of it, too
	}
	var latencies metrics.Latencies
	generator := contract.NewGenerator(terms, c.Contract.Seed)
	names := contract.Names(terms.Features)
	done := 0
	for ; done < c.Contract.Requests && len(out.Findings) == 0 && ctx.Err() == nil; done++ {
		rows := make([]any, c.Contract.Batch)
		for i := range rows {
			rows[i] = generator.Row()
		}
		q := &checks.Request{Body: dataOf(rows, c.Contract.Payload, names)}
		p, err := s.prepare(c, q)
		if err != nil {
			out.Findings = append(out.Findings, report.Finding{Stage: report.Transport, Message: err.Error()})
			return
		}
		a, flakes, err := s.ask(ctx, p, c.Expect.Status, s.options.Retries)
		out.Flakes = append(out.Flakes, flakes...)
		if err != nil {
			out.Findings = append(out.Findings, transport(err))
		} else {
			latencies.Add(a.Latency)
			out.Findings = append(out.Findings, s.judge(c, a)...)
			if m, err := a.Message(); err == nil && len(out.Findings) == 0 && !expectsFailure(&c.Expect) {
				if err := terms.Check(m.Value, m.Names, len(rows)); err != nil {
					out.Findings = append(out.Findings, report.Finding{Stage: report.Schema, Message: fmt.Sprintf("request %d of seed %d: %v", done+1, c.Contract.Seed, err)})
				}
			}
			if len(out.Findings) > 0 {
				out.Answer = s.options.Secrets(shorten(string(a.Body), 2000))
			}
		}
		if len(out.Findings) > 0 {
			out.Replay = s.replay(c, q)
		}
	}
	out.Latency = report.NewLatency(&latencies)
	out.Summary = fmt.Sprintf("%d requests of seed %d", done, c.Contract.Seed)
}
