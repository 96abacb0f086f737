package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// reportFile is the report's name in the directory for reports.
const reportFile = "report.json"

// report is what is kept of a run, for whoever promotes the model.
type report struct {
	APIVersion  string          `json:"apiVersion"` // model-delivery.dev/v1
	Kind        string          `json:"kind"`       // IntegrationReport
	Model       string          `json:"model"`
	Outcome     string          `json:"outcome"` // success or failure
	FailedPhase string          `json:"failedPhase,omitempty"`
	Image       string          `json:"image"`
	NodeImage   string          `json:"nodeImage"`
	Seconds     json.RawMessage `json:"seconds"` // by phase
}

// write keeps what came of the run beside its logs. A report that cannot be
// kept changes no outcome.
func (r *run) write(o Outcome) {
	if r.paths.report == "" {
		return
	}
	said := report{
		APIVersion: "model-delivery.dev/v1", Kind: "IntegrationReport", Model: r.Model, Outcome: o.verdict(), FailedPhase: o.FailedPhase,
		Image: o.ImageURL, NodeImage: o.NodeImage, Seconds: json.RawMessage(o.Phases),
	}
	data, err := json.MarshalIndent(said, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(r.paths.report, reportFile), append(data, '\n'), 0o644)
	}
	if err != nil {
		fmt.Fprintf(r.out, "the report is not kept: %v\n", err)
	}
}

// verdict is success or failure.
func (o Outcome) verdict() string {
	if o.FailedPhase != "" {
		return "failure"
	}
	return "success"
}
