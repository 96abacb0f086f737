package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Bounds of a directory of reports.
const (
	maxReports = 20
	maxDepth   = 3
)

// ReadDir adds every report.json below a directory, in the order of their
// paths: what the steps that test a model left there. A directory that is not
// there has nothing to say.
func (p *Promotion) ReadDir(dir string) error {
	count := 0
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) && path == dir {
			return nil
		}
		if err != nil {
			return step.Invalidf("reading the evidence: %w", err)
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return step.Invalidf("reading the evidence: %w", err)
		}
		if entry.IsDir() {
			if strings.Count(rel, string(filepath.Separator)) >= maxDepth {
				return fs.SkipDir
			}
			return nil
		}
		if entry.Name() != "report.json" {
			return nil
		}
		if count++; count > maxReports {
			return step.Invalidf("reading the evidence: %s has more than %d reports", dir, maxReports)
		}
		return p.Read(path)
	})
}

// integration is what is read of kind-integration's report
// (apiVersion model-delivery.dev/v1, kind IntegrationReport).
type integration struct {
	Outcome     string             `json:"outcome"`
	FailedPhase string             `json:"failedPhase"`
	NodeImage   string             `json:"nodeImage"`
	Seconds     map[string]float64 `json:"seconds"`
}

func readIntegration(data []byte) (Result, error) {
	var report integration
	if err := json.Unmarshal(data, &report); err != nil {
		return Result{}, fmt.Errorf("it is no report of kind-integration: %w", err)
	}
	r := Result{Name: "Integration in KIND", Outcome: report.Outcome}
	parts := []string{fmt.Sprintf("%.0f s", report.Seconds["total"])}
	if report.NodeImage != "" {
		parts = append(parts, "node "+report.NodeImage)
	}
	if report.FailedPhase != "" {
		r.Failures = append(r.Failures, Failure{Name: report.FailedPhase, Outcome: "failed"})
	}
	r.Summary = strings.Join(parts, "; ")
	return r, nil
}
