package evidence_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/gitops/evidence"
)

// What steps that test left in a directory is told in the pull request, in the
// order of its paths.
func TestReportsOfADirectory(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string // in the body, in this order
		err   string
	}{
		{name: "nothing there"},
		{name: "integration and predictions", files: map[string]string{
			"report.json":           `{"kind": "IntegrationReport", "outcome": "success", "nodeImage": "node:1", "seconds": {"total": 61.2, "docker": 1}}`,
			"kind/pods/report.txt":  "not a report",
			"staging/report.json":   `{"kind": "PredictionReport", "outcome": "passed", "passed": 9, "targets": [{"namespace": "staging"}], "accuracy": 0.95}`,
			"a/b/c/too/report.json": "too deep to be read",
		}, want: []string{"| Integration in KIND | ✅ success | 61 s; node node:1 |", "| Predictions in staging | ✅ passed | 9 passed, 0 failed; accuracy 0.95 |"}},
		{name: "what failed", files: map[string]string{
			"report.json": `{"kind": "IntegrationReport", "outcome": "failure", "failedPhase": "deploy", "seconds": {"total": 3}}`,
		}, want: []string{"❌ failure", "- deploy: failed"}},
		{name: "another kind", files: map[string]string{"report.json": `{"kind": "Pod"}`}, err: `its kind is "Pod"`},
		{name: "no JSON", files: map[string]string{"report.json": "<html>"}, err: "no report of a step"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "news-classifier")
			for name, text := range tc.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			p := evidence.Promotion{Model: "news-classifier", Environment: "production"}
			err := p.ReadDir(dir)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			body := p.Body("", "", 10000)
			for _, want := range tc.want {
				_, rest, found := strings.Cut(body, want)
				if !found {
					t.Errorf("the body lacks %q, or has it too early:\n%s", want, body)
				}
				body = rest
			}
		})
	}
}
