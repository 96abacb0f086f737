package predict_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

const oneAndMore = one + "- {name: two, request: {data: {ndarray: [[1, 2]]}}}\n- {name: both, load: {check: one, requests: 5}}\n"

// TestTimeoutWhileTheModelIsWaitedFor: results and reports are there, and say why
// nothing was run.
func TestTimeoutWhileTheModelIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]modeltest.Fault{
		"slow": modeltest.Slow(time.Minute),
		"busy": modeltest.Text(503, "text/plain", "no healthy upstream"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Fault: fault})
			o := run(t, oneAndMore, nil, "--endpoint", s.URL, "--timeout", "1s")
			if o.code != 3 || !strings.Contains(o.stderr, "--timeout of 1s is over") || strings.Contains(o.stderr, "deadline exceeded") {
				t.Errorf("exit code %d: %s", o.code, o.stderr)
			}
			if o.results["outcome"] != "not-ready" || o.results["passed"] != "0" || o.results["failed"] != "3" || o.results["digest"] == "" {
				t.Errorf("results are %v", o.results)
			}
			if len(o.report.Checks) != 3 || o.report.Outcome != report.NotReady || !strings.HasPrefix(o.report.Checks[1].Findings[0].Message, "not run: --timeout of 1s is over") {
				t.Errorf("the report is %+v", o.report)
			}
		})
	}
}

// TestTimeoutWhileTheClusterIsWaitedFor is told and reported as well.
func TestTimeoutWhileTheClusterIsWaitedFor(t *testing.T) {
	t.Parallel()
	_, kubeconfig := cluster(t, older)
	o := run(t, oneAndMore, nil, "--deployment", "news", "--kubeconfig", kubeconfig, "--image", "classifier="+promoted, "--timeout", "1s", "--ready-timeout", "1m")
	if o.code != 1 && o.code != 3 || !strings.Contains(o.stderr, "--timeout of 1s is over") || o.results["outcome"] != "not-ready" || o.results["failed"] != "3" || len(o.report.Checks) != 3 {
		t.Errorf("exit code %d, results %v: %s", o.code, o.results, o.stderr)
	}
}

// TestTimeoutDuringTheChecks: those that were not run are told from those that were.
func TestTimeoutDuringTheChecks(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.From(3, modeltest.Slow(time.Minute))})
	o := run(t, oneAndMore, nil, "--endpoint", s.URL, "--timeout", "1s", "--concurrency", "1", "--retries", "0")
	if o.code != 3 || !strings.Contains(o.stderr, "--timeout of 1s is over") || o.results["passed"] != "1" || o.results["failed"] != "2" {
		t.Errorf("exit code %d, results %v: %s%s", o.code, o.results, o.stdout, o.stderr)
	}
	if c := o.check(t, "both"); c.Outcome != report.NotReady || c.Findings[0].Message != "not run: --timeout of 1s is over" {
		t.Errorf("the check that was not run is %+v", c)
	}
}

// TestSignalWhileTheModelIsWaitedFor: its cause is what is told.
func TestSignalWhileTheModelIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.Slow(time.Minute)})
	dir := write(t, map[string]string{"p.yaml": head + oneAndMore})
	file, err := checks.Read(filepath.Join(dir, "p.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(200*time.Millisecond, func() { cancel(errors.New("stopped by SIGTERM")) })
	r, err := predict.Run(ctx, predict.Options{
		File: file, ReadyTimeout: time.Minute,
		Targets: []predict.Target{{Options: seldonclient.Options{Target: seldonclient.Target{Endpoint: s.URL}}}},
	})
	if !errors.Is(err, context.Canceled) || r == nil || r.Outcome != report.NotReady || r.Failed != 3 || !strings.Contains(r.Checks[0].Findings[0].Message, "stopped by SIGTERM") {
		t.Errorf("report %+v, error %v", r, err)
	}
}

// TestReportsOfAnEarlierRun are gone when a run has none of its own.
func TestReportsOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	reports := write(t, map[string]string{"report.json": "{}", "junit.xml": "<x/>", "report.md": "x", "report.html": "x", "mine.txt": "kept"})
	o := run(t, "checks:\n- {name: one}\n", nil, "--endpoint", "http://127.0.0.1:1", "--report-dir", reports)
	left, err := os.ReadDir(reports)
	if err != nil || o.code != 2 || len(left) != 1 || left[0].Name() != "mine.txt" {
		t.Errorf("exit code %d, %v is left, error %v", o.code, left, err)
	}
}
