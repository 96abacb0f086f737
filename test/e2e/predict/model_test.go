//go:build e2e

// Package predict tests prediction checks against the example's own server, in
// Python, and looks at the report in a browser. It needs python3 with
// scikit-learn, where PYTHON does not name another, and Chromium.
package predict

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/step"
)

const modelDir = "../../../models/news_classifier"

// python is the interpreter that has scikit-learn.
func python() string { return cmp.Or(os.Getenv("PYTHON"), "/usr/bin/python3") }

// copyModel copies the example, so that training leaves nothing in the repository.
func copyModel(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, os.DirFS(modelDir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serve trains the model and serves it on a port of its own, which is returned
// at once: the server is still coming up.
func serve(t *testing.T, dir string) string {
	t.Helper()
	train := exec.CommandContext(t.Context(), python(), "-m", "news_classifier.train")
	train.Dir = dir
	if out, err := train.CombinedOutput(); err != nil {
		t.Fatalf("train the model: %v: %s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	listener.Close()
	server := exec.CommandContext(t.Context(), python(), "-m", "news_classifier.server")
	server.Dir, server.Env = dir, append(os.Environ(), "PREDICTIVE_UNIT_SERVICE_PORT="+port, "PREDICTIVE_UNIT_ID=classifier", "PREDICTIVE_UNIT_IMAGE=registry.example.org/news:2")
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	server.WaitDelay = 5 * time.Second
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGTERM)
		server.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return "http://" + address
}

// check runs the command and returns its exit code, output and report.
func check(t *testing.T, args ...string) (code int, output string, r report.Report) {
	t.Helper()
	dir := t.TempDir()
	var out bytes.Buffer
	code = step.Execute(t.Context(), predict.Command(), append([]string{"--report-dir", dir, "--results-dir", dir + "/none"}, args...), func(string) string { return "" }, &out, &out)
	data, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatalf("exit code %d: %s", code, out.String())
	}
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return code, out.String(), r
}

// TestTheExample: the checks that the example brings hold for the model that is
// trained from its data, by the server that its image runs.
func TestTheExample(t *testing.T) {
	dir := copyModel(t)
	url := serve(t, dir)
	code, output, r := check(t, "--checks", filepath.Join(dir, "integration", "predictions.yaml"), "--endpoint", url, "--image", "registry.example.org/news:2")
	if code != 0 || r.Outcome != report.Passed || r.Passed != len(r.Checks) || *r.Accuracy < 0.85 {
		t.Fatalf("exit code %d: %s", code, output)
	}
	// Another version than the one that was promoted answers.
	code, output, r = check(t, "--checks", filepath.Join(dir, "integration", "predictions.yaml"), "--endpoint", url, "--image", "registry.example.org/news:3", "--only", "launch")
	if code != 1 || r.Outcome != report.Value || !strings.Contains(output, "another version answers") {
		t.Errorf("exit code %d: %s", code, output)
	}
}

// TestTheSeedsRequest is what the notebook of old sent, and load beside it.
func TestTheSeedsRequest(t *testing.T) {
	dir := copyModel(t)
	url := serve(t, dir)
	checks := filepath.Join(dir, "seed.yaml")
	text := `apiVersion: model-delivery.dev/v1
kind: PredictionChecks
checks:
- name: kidney stones
  request: {data: {names: [text], ndarray: ["From: bed@intacc.uucp\nSubject: Re: HELP for Kidney Stones ..............\nTried demerol, said a doctor of the pain"]}}
  expect: {class: [medicine], data: {ndarray: [2]}}
  %s
- name: fast enough
  load: {check: kidney stones, rate: 50/s, duration: 2s, concurrency: 4}
  expect: {p95: 1s, errors: {max: 0}}
`
	text = fmt.Sprintf(text, "classes: [autos, graphics, medicine, space]")
	if err := os.WriteFile(checks, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, output, r := check(t, "--checks", checks, "--endpoint", url)
	if code != 0 || r.Checks[1].Load.Requests < 90 {
		t.Errorf("exit code %d: %s", code, output)
	}
}
