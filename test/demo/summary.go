package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/model-delivery/model-delivery/test/delivery"
)

// checks counts the prediction checks of one place.
type checks struct {
	Passed int `json:"passed"`
	Failed int `json:"failed"`
}

// summary is what build/demo/summary.json holds.
type summary struct {
	ForgeURL              string                `json:"forge_url"`
	ModelsRepo            string                `json:"models_repo"`
	GitopsRepo            string                `json:"gitops_repo"`
	StagingCommit         string                `json:"staging_commit"`
	ProductionPullRequest string                `json:"production_pull_request"`
	PipelineRuns          []delivery.RunSummary `json:"pipeline_runs"`
	Predictions           map[string]checks     `json:"predictions"` // kind, staging, production
	Seconds               float64               `json:"seconds"`
}

func (s *summary) write(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "summary.json"), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return nil
}

// countChecks reads the results passed and failed of a TaskRun.
func countChecks(task *pipelinev1.TaskRun) (checks, error) {
	passed, err := strconv.Atoi(delivery.Result(task, "passed"))
	if err != nil {
		return checks{}, fmt.Errorf("TaskRun %s: result passed: %w", task.Name, err)
	}
	failed, err := strconv.Atoi(delivery.Result(task, "failed"))
	if err != nil {
		return checks{}, fmt.Errorf("TaskRun %s: result failed: %w", task.Name, err)
	}
	return checks{Passed: passed, Failed: failed}, nil
}
