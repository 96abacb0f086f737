package predict_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
	"github.com/model-delivery/model-delivery/steps/step"
)

// head begins every file of checks of these tests.
const head = "apiVersion: model-delivery.dev/v1\nkind: PredictionChecks\n"

// write makes a directory with files, by name and text.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// outcome is what came of running the command.
type outcome struct {
	code           int
	stdout, stderr string
	report         report.Report
	results        map[string]string
}

// check is what came of the check of a name.
func (o outcome) check(t *testing.T, name string) report.Check {
	t.Helper()
	for _, c := range o.report.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("check %q is not in the report; %s%s", name, o.stdout, o.stderr)
	return report.Check{}
}

// run runs checks, written after [head], with the flags given. Files are put
// beside them.
func run(t *testing.T, checks string, files map[string]string, args ...string) outcome {
	t.Helper()
	all := map[string]string{"predictions.yaml": head + checks}
	for name, text := range files {
		all[name] = text
	}
	dir := write(t, all)
	reports := filepath.Join(dir, "report")
	args = append([]string{"--checks", filepath.Join(dir, "predictions.yaml"), "--report-dir", reports, "--results-dir", filepath.Join(dir, "none")}, args...)
	return execute(t, reports, args...)
}

// execute runs the command and reads the report where there is one.
func execute(t *testing.T, reports string, args ...string) outcome {
	t.Helper()
	var out, errOut bytes.Buffer
	o := outcome{results: map[string]string{}}
	o.code = step.Execute(t.Context(), predict.Command(), args, func(string) string { return "" }, &out, &errOut)
	o.stdout, o.stderr = out.String(), errOut.String()
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	if last := lines[len(lines)-1]; strings.HasPrefix(last, "{") {
		if err := json.Unmarshal([]byte(last), &o.results); err != nil {
			t.Fatalf("the results are %q: %v", last, err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(reports, "report.json")); err == nil {
		if err := json.Unmarshal(data, &o.report); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// TestReportsOfSeveralModels are kept apart, and inside of their directory.
func TestReportsOfSeveralModels(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	dir := t.TempDir()
	o := run(t, one, nil, "--endpoint", s.URL, "--report-dir", dir, "--report-name", "news/predictions", "--image", "")
	if _, err := os.Stat(filepath.Join(dir, "news", "predictions", "report.html")); err != nil || o.code != 0 {
		t.Errorf("exit code %d, %v: %s", o.code, err, o.stderr)
	}
	if o := run(t, one, nil, "--endpoint", s.URL, "--report-dir", dir, "--report-name", "../out"); o.code != 2 {
		t.Errorf("out of the directory: exit code %d: %s", o.code, o.stderr)
	}
}
