package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Bounds of what is read.
const (
	maxFile     = 4 << 20
	maxMarkdown = 256 << 10
	maxFailures = 20
)

// Result is what one report says.
type Result struct {
	Name     string
	Outcome  string
	Summary  string
	Failures []Failure
}

// Failure is one check that did not pass.
type Failure struct{ Name, Outcome string }

// predictions is what is read of seldon-predict's report
// (apiVersion model-delivery.dev/v1, kind PredictionReport).
type predictions struct {
	Kind     string   `json:"kind"`
	Outcome  string   `json:"outcome"`
	Passed   int      `json:"passed"`
	Failed   int      `json:"failed"`
	Skipped  int      `json:"skipped"`
	Accuracy *float64 `json:"accuracy"`
	P95      *float64 `json:"p95Milliseconds"`
	Digest   string   `json:"digest"`
	Targets  []struct {
		Namespace  string `json:"namespace"`
		Deployment string `json:"deployment"`
	} `json:"targets"`
	Checks []struct {
		Name    string `json:"name"`
		Outcome string `json:"outcome"`
		Summary string `json:"summary"`
	} `json:"checks"`
}

// Read adds what a file says: the report of seldon-predict in JSON, or Markdown.
// A file that is a link is refused: it could lead to a secret.
func (p *Promotion) Read(path string) error {
	data, err := readPlain(path)
	if err != nil {
		return step.WithHint(step.Invalidf("reading the evidence: %w", err), "--evidence is a report in Markdown, or the JSON that seldon-predict wrote")
	}
	if strings.EqualFold(filepath.Ext(path), ".json") {
		result, err := readReport(data)
		if err != nil {
			return step.Invalidf("reading the evidence %s: %w", path, err)
		}
		p.Results = append(p.Results, result)
		return nil
	}
	if len(data) > maxMarkdown {
		data = data[:maxMarkdown]
	}
	p.Markdown = append(p.Markdown, string(data))
	return nil
}

func readPlain(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return data, err
}

// readReport reads a report of seldon-predict or of kind-integration.
func readReport(data []byte) (Result, error) {
	var header struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(data, &header); err != nil {
		return Result{}, fmt.Errorf("it is no report of a step: %w", err)
	}
	switch header.Kind {
	case "PredictionReport":
		return readPredictions(data)
	case "IntegrationReport":
		return readIntegration(data)
	}
	return Result{}, fmt.Errorf("it is no report of a step that tests: its kind is %q", header.Kind)
}

func readPredictions(data []byte) (Result, error) {
	var report predictions
	if err := json.Unmarshal(data, &report); err != nil {
		return Result{}, fmt.Errorf("it is no report of seldon-predict: %w", err)
	}
	r := Result{Name: "Predictions", Outcome: report.Outcome}
	if len(report.Targets) > 0 && report.Targets[0].Namespace != "" {
		r.Name += " in " + report.Targets[0].Namespace
	}
	parts := []string{fmt.Sprintf("%d passed, %d failed", report.Passed, report.Failed)}
	if report.Skipped > 0 {
		parts[0] += fmt.Sprintf(", %d skipped", report.Skipped)
	}
	if report.Accuracy != nil {
		parts = append(parts, fmt.Sprintf("accuracy %.4g", *report.Accuracy))
	}
	if report.P95 != nil {
		parts = append(parts, fmt.Sprintf("p95 %.0f ms", *report.P95))
	}
	r.Summary = strings.Join(parts, "; ")
	for _, check := range report.Checks {
		if check.Outcome == "passed" || check.Outcome == "skipped" {
			continue
		}
		if len(r.Failures) == maxFailures {
			break
		}
		r.Failures = append(r.Failures, Failure{Name: check.Name, Outcome: check.Outcome + ": " + check.Summary})
	}
	return r, nil
}

// ParsePhase reads NAME=OUTCOME.
func ParsePhase(text string) (Phase, error) {
	name, outcome, ok := strings.Cut(text, "=")
	if !ok || strings.TrimSpace(name) == "" {
		return Phase{}, step.WithHint(step.Invalidf("phase %q", text), "NAME=OUTCOME, for instance \"unit tests=Succeeded\"")
	}
	return Phase{Name: strings.TrimSpace(name), Outcome: strings.TrimSpace(outcome)}, nil
}
