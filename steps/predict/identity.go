package predict

import (
	"fmt"
	"strings"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// judge holds an answer against what a check expects, and against the images that
// have to answer.
func (s *session) judge(c *checks.Check, a *seldonclient.Answer) []report.Finding {
	findings := judge(c, a)
	if f := s.identity(a); f != nil {
		findings = append(findings, *f)
	}
	return findings
}

// identity looks whether the images that an answer says it passed through are
// those that were promoted. An answer that says nothing proves nothing, which
// [session.unproved] tells of in the end.
func (s *session) identity(a *seldonclient.Answer) *report.Finding {
	if len(s.options.Images) == 0 || a.Status >= 300 {
		return nil
	}
	m, err := a.Message()
	if err != nil {
		return nil
	}
	path, _ := m.Meta["requestPath"].(map[string]any)
	passed := map[string]string{}
	for unit, image := range path {
		if text, ok := image.(string); ok && text != "" {
			passed[unit] = text
		}
	}
	for _, wanted := range s.options.Images {
		name, ref, named := strings.Cut(wanted, "=")
		if !named {
			ref = wanted
		}
		if len(passed) == 0 || (named && passed[name] == "") {
			continue
		}
		s.mu.Lock()
		s.named[wanted] = true
		s.mu.Unlock()
		found := false
		for unit, image := range passed {
			if (!named || unit == name) && seldon.SameImage(ref, image) {
				found = true
			}
		}
		if !found {
			return &report.Finding{
				Stage: report.Value, Where: "meta.requestPath", Expected: ref, Got: shorten(fmt.Sprint(passed), 1000),
				Message: shorten(fmt.Sprintf("another version answers: %s was promoted, the answer came from %v", ref, passed), 1000),
			}
		}
	}
	return nil
}

// unproved says that no answer told which image made it; "": each image that has
// to answer was looked for in one, or the cluster knows what answers.
func (s *session) unproved() string {
	if s.target.Proved {
		return ""
	}
	var silent []string
	for _, wanted := range s.options.Images {
		if !s.named[wanted] {
			silent = append(silent, wanted)
		}
	}
	if len(silent) == 0 {
		return ""
	}
	where := "proved nothing here"
	if len(s.target.Images) > 0 {
		where = "proved what the cluster runs, not what answers at the endpoint"
	}
	return fmt.Sprintf("no answer named the image that made it, so --image %s %s", strings.Join(silent, ", "), where)
}
