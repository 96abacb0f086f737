package predict

import (
	"fmt"
	"strings"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// identity looks whether the images that an answer says it passed through are
// those that were promoted. An answer that says nothing proves nothing.
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
		found := false
		for unit, image := range passed {
			if (!named || unit == name) && seldon.SameImage(ref, image) {
				found = true
			}
		}
		if !found {
			return &report.Finding{
				Stage: report.Value, Where: "meta.requestPath", Expected: ref, Got: fmt.Sprint(passed),
				Message: fmt.Sprintf("another version answers: %s was promoted, the answer came from %v", ref, passed),
			}
		}
	}
	return nil
}
