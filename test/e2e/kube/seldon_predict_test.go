//go:build e2e

package kube

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/model-delivery/model-delivery/steps/predict/report"
)

// versionImage pushes an image of command version that answers with a number.
func versionImage(t *testing.T, number string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "version")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", binary, "./version")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the model: %v: %s", err, out)
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layerOf(t, "version", 0o755, data))
	if err != nil {
		t.Fatal(err)
	}
	return push(t, image, v1.Config{Env: []string{"VERSION=" + number}, Entrypoint: []string{"/version"}, User: "65532"}, "e2e/version", number)
}

// predictionReport is what seldon-predict wrote.
func predictionReport(t *testing.T, dir string) report.Report {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCanaryDoesNotAnswerForTheOther: each predictor is asked at its own Service
// through a forwarded port, over REST and gRPC, and what runs there is proved.
func TestCanaryDoesNotAnswerForTheOther(t *testing.T) {
	ns := namespace(t)
	stable, canary := versionImage(t, "1"), versionImage(t, "2")
	both := strings.Replace(model, "replicas: 2", "replicas: 1\n    traffic: 75", 1) + strings.Replace(canaryOf(model), "replicas: 1", "replicas: 1\n    traffic: 25", 1)
	main, other, _ := strings.Cut(both, "  - name: canary")
	both = strings.Replace(main, "nowhere/page:0", stable, 1) + "  - name: canary" + strings.Replace(other, "nowhere/page:0", canary, 1)
	// The stand-in has no shell for a preStop hook.
	both = strings.ReplaceAll(both, "          lifecycle: {preStop: {exec: {command: [\"true\"]}}}\n", "")
	dir := tree(t, ns, map[string]string{"page.yaml": both, "predictions.yaml": `apiVersion: model-delivery.dev/v1
kind: PredictionChecks
checks:
- name: version one
  request: {data: {ndarray: [0]}}
  expect: {data: {ndarray: [1]}}
- name: version one over gRPC
  transport: grpc
  request: {data: {ndarray: [0]}}
  expect: {data: {ndarray: [1]}}
`})
	if out := run(t, "seldon-deploy", "--manifests", filepath.Join(dir, "page.yaml"), "--namespace", ns, "--timeout", "3m"); out.code != 0 {
		t.Fatal("seldon-deploy failed")
	}
	predict := func(args ...string) (outcome, report.Report) {
		reports := t.TempDir()
		out := run(t, "seldon-predict", append([]string{"--checks", filepath.Join(dir, "predictions.yaml"), "--namespace", ns, "--deployment", "page", "--report-dir", reports}, args...)...)
		return out, predictionReport(t, reports)
	}
	// Both are asked, ten answers of one are not those of the other.
	out, r := predict()
	if out.code != 1 || r.Passed != 2 || r.Failed != 2 || len(r.Targets) != 2 {
		t.Errorf("exit code %d, %d passed, %d failed of targets %+v", out.code, r.Passed, r.Failed, r.Targets)
	}
	for _, c := range r.Checks {
		if (c.Outcome == report.Passed) != (c.Target == "main") {
			t.Errorf("%s of %s: %s", c.Name, c.Target, c.Outcome)
		}
	}
	for _, target := range r.Targets {
		if want := map[string]string{"main": stable, "canary": canary}[target.Name]; target.Images["server"] != want {
			t.Errorf("target %s runs %v, want %s", target.Name, target.Images, want)
		}
	}
	if out, r := predict("--predictor", "main", "--image", stable); out.code != 0 {
		t.Errorf("main: exit code %d, %+v", out.code, r.Checks)
	}
	if out, r := predict("--predictor", "main", "--image", canary); out.code != 1 || r.Outcome != report.Value || !strings.Contains(r.Checks[0].Findings[0].Message, "another version answers") {
		t.Errorf("main for canary: exit code %d, %+v", out.code, r.Checks)
	}
	// The canary compared with what is live.
	out, r = predict("--baseline", "predictor:main", "--baseline-agreement", "0.5", "--only", "compared")
	if c := r.Checks[len(r.Checks)-1]; out.code != 1 || c.Compare == nil || c.Compare.Agreement != 0 || c.Compare.Rows != 2 || c.Compare.Difference == nil || *c.Compare.Difference != 1 {
		t.Errorf("compared: exit code %d, %+v", out.code, r.Checks)
	}
}
