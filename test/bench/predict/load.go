package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/report"
)

// What is built, at fixed versions.
const (
	vegetaModule = "github.com/tsenart/vegeta/v12@v12.13.0"
	ghzModule    = "github.com/bojand/ghz/cmd/ghz@v0.93.0"
)

// build builds the three programs.
func (b *bench) build(ctx context.Context) error {
	for _, args := range [][]string{{"build", "-o", b.path("seldon-predict"), "./cmd/seldon-predict"}, {"install", vegetaModule}, {"install", ghzModule}} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = append(os.Environ(), "GOBIN="+b.dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %v: %w: %s", args, err, out)
		}
	}
	return nil
}

// startUp is how long the program takes to do nothing: the median of 21 times.
func (b *bench) startUp(ctx context.Context) (time.Duration, error) {
	var took []time.Duration
	for range 21 {
		start := time.Now()
		if err := exec.CommandContext(ctx, b.path("seldon-predict"), "--version").Run(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

const head = "apiVersion: model-delivery.dev/v1\nkind: PredictionChecks\n"

// check runs seldon-predict and returns its report and how long it took.
func (b *bench) check(ctx context.Context, checks string, args ...string) (*report.Report, *exec.Cmd, time.Duration, error) {
	if err := os.WriteFile(b.path("predictions.yaml"), []byte(head+checks), 0o600); err != nil {
		return nil, nil, 0, err
	}
	reports := b.path("report")
	cmd := exec.CommandContext(ctx, b.path("seldon-predict"), append([]string{
		"--checks", b.path("predictions.yaml"), "--endpoint", b.rest, "--grpc-endpoint", b.grpc, "--report-dir", reports, "--results-dir", b.path("none"),
	}, args...)...)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("seldon-predict: %w: %s", err, out[max(0, len(out)-2000):])
	}
	data, err := os.ReadFile(filepath.Join(reports, "report.json"))
	if err != nil {
		return nil, nil, 0, err
	}
	r := &report.Report{}
	return r, cmd, took, json.Unmarshal(data, r)
}

const request = `{"data":{"names":["a","b"],"ndarray":[[1.5,2.5]]}}`

func (b *bench) ownLoad(ctx context.Context, transport string) (float64, error) {
	r, _, _, err := b.check(ctx, fmt.Sprintf(`checks:
- name: load
  load: {request: %s, duration: %s, concurrency: %d}
  expect: {errors: {max: 0}}
`, request, b.duration, b.concurrency), "--transport", transport)
	if err != nil {
		return 0, err
	}
	return r.Checks[0].Load.Rate, nil
}

func (b *bench) ownREST(ctx context.Context) (float64, error) { return b.ownLoad(ctx, "rest") }
func (b *bench) ownGRPC(ctx context.Context) (float64, error) { return b.ownLoad(ctx, "grpc") }

// vegeta attacks as fast as its workers can.
func (b *bench) vegeta(ctx context.Context) (float64, error) {
	target := fmt.Sprintf("POST http://%s/api/v1.0/predictions\nContent-Type: application/json\n@%s\n", b.rest, b.path("request.json"))
	for name, text := range map[string]string{"target": target, "request.json": request} {
		if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
			return 0, err
		}
	}
	attack := exec.CommandContext(ctx, b.path("vegeta"), "attack", "-targets="+b.path("target"), "-rate=0", fmt.Sprintf("-workers=%d", b.concurrency),
		fmt.Sprintf("-max-workers=%d", b.concurrency), fmt.Sprintf("-connections=%d", b.concurrency), "-duration="+b.duration.String(), "-output="+b.path("results"))
	if out, err := attack.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("vegeta: %w: %s", err, out)
	}
	out, err := exec.CommandContext(ctx, b.path("vegeta"), "report", "-type=json", b.path("results")).Output()
	if err != nil {
		return 0, fmt.Errorf("vegeta report: %w", err)
	}
	var r struct {
		Throughput, Success float64
	}
	if err := json.Unmarshal(out, &r); err != nil || r.Success != 1 {
		return 0, fmt.Errorf("vegeta: %w: %s", err, out)
	}
	return r.Throughput, nil
}

// ghz calls over as many connections as seldon-predict has: one.
func (b *bench) ghz(ctx context.Context) (float64, error) {
	out, err := exec.CommandContext(ctx, b.path("ghz"), "--insecure", "--proto", "steps/seldonclient/proto/prediction.proto", "--import-paths", "steps/seldonclient/proto",
		"--call", "seldon.protos.Seldon.Predict", "--data", request, "--concurrency", fmt.Sprint(b.concurrency), "--connections", "1",
		"--duration", b.duration.String(), "--duration-stop", "wait", "--format", "json", b.grpc).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("ghz: %w: %s", err, out)
	}
	var r struct {
		RPS               float64        `json:"rps"`
		ErrorDistribution map[string]int `json:"errorDistribution"`
	}
	if err := json.Unmarshal(out, &r); err != nil || r.RPS == 0 || len(r.ErrorDistribution) > 0 {
		return 0, fmt.Errorf("ghz: %w: %s", err, out[:min(len(out), 1000)])
	}
	return r.RPS, nil
}
