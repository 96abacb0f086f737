package report_test

import (
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/report"
)

func TestFindingText(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]report.Finding{
		"there is nothing": {Message: "there is nothing"},
		"the answer took too long (expected at most 1s, got 2s)": {
			Message: "the answer took too long", Expected: "at most 1s", Got: "2s"},
		"another version of the model answers (at model_version, expected a, got v)": {
			Message: "another version of the model answers", Where: "model_version", Expected: "a", Got: "v"},
		"mae is 2, expected at most 1": {
			Message: "mae is 2, expected at most 1", Where: "mae", Expected: "at most 1", Got: "2"},
		"row 10 is class 12 (expected 1, got 2)": {
			Message: "row 10 is class 12", Expected: "1", Got: "2"},
		"ö (got é)": {Message: "ö", Got: "é"},
	} {
		if got := f.Text(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestFindingsAreTold in full in every form that is for people.
func TestFindingsAreTold(t *testing.T) {
	t.Parallel()
	c := report.Check{Name: "one", Findings: []report.Finding{{Stage: report.SLO, Message: "the answer took too long", Expected: "at most 1s", Got: "2s"}}}
	c.Settle()
	r := &report.Report{Checks: []report.Check{c}}
	r.Close()
	const want = "the answer took too long (expected at most 1s, got 2s)"
	if text := string(r.JUnit()); strings.Count(text, want) != 2 {
		t.Errorf("junit.xml is %s", text)
	}
	if text := strings.ReplaceAll(r.Markdown(), "\\", ""); strings.Count(text, want) != 2 {
		t.Errorf("report.md is %s", text)
	}
}
