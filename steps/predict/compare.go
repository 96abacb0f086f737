package predict

import (
	"context"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/report"
)

// compare runs a check that asks the baseline the same.
func (r *runner) compare(ctx context.Context, s *session, c *checks.Check, out *report.Check) {
	if r.options.Baseline == nil {
		out.Outcome, out.Summary = report.Skipped, "no baseline was given to compare with"
		return
	}
}
