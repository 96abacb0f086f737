package predict_test

import (
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

const labelled = "a,b,class\n1,1,1\n-1,-1,1\n2,2,0\n3,3,0\n4,4,0\n1,2,1\n"

// TestWrongRowsAreExplained on standard output and in JUnit, and the first of them
// is replayed alone.
func TestWrongRowsAreExplained(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []string{"1", "4"} {
		s := modeltest.New(t, modeltest.Options{Model: modeltest.Sign})
		reports := t.TempDir()
		o := run(t, "checks:\n- {name: set, dataset: {file: set.csv, inputs: [a, b], label: class, batch: 2, concurrency: "+concurrency+"}, expect: {accuracy: {min: 1}}}\n",
			map[string]string{"set.csv": labelled}, "--endpoint", s.URL, "--report-dir", reports)
		junit, err := os.ReadFile(filepath.Join(reports, "junit.xml"))
		if err != nil {
			t.Fatal(err)
		}
		for where, text := range map[string]string{"standard output": o.stdout, "JUnit": string(junit)} {
			for _, want := range []string{"row of line 3: expected 1, got 0, for [-1,-1]", "row of line 4: expected 0, got 1, for [2,2]", "row of line 5: ", "replay: curl"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in %s: %s", want, where, text)
				}
			}
			if strings.Contains(text, "row of line 6") {
				t.Errorf("more than three rows are in %s", where)
			}
		}
		_, replay, _ := strings.Cut(o.stdout, "replay: ")
		replay, _, _ = strings.Cut(replay, "\n")
		replayed(t, replay)
		if _, body := s.Last(); string(body) != `{"data":{"ndarray":[[-1,-1]]}}` {
			t.Errorf("replayed %s", body)
		}
	}
}

// TestUnusableRowsAreReplayed as they were sent.
func TestUnusableRowsAreReplayed(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.From(3, modeltest.Text(500, "text/plain", "oops"))})
	o := run(t, "checks:\n- {name: set, dataset: {file: set.csv, inputs: [a, b], label: class, batch: 2}, expect: {accuracy: {min: 0}}}\n",
		map[string]string{"set.csv": labelled}, "--endpoint", s.URL)
	replayed(t, o.check(t, "set").Replay)
	if _, body := s.Last(); o.code != 1 || string(body) != `{"data":{"ndarray":[[2,2],[3,3]]}}` {
		t.Errorf("exit code %d, replayed %s", o.code, body)
	}
}

// TestMoversAreExplained, and the one that moves most is replayed alone.
func TestMoversAreExplained(t *testing.T) {
	t.Parallel()
	base, s := modeltest.New(t, modeltest.Options{Model: modeltest.Sign}), modeltest.New(t, modeltest.Options{Model: flipped})
	o := run(t, "checks:\n- {name: canary, compare: {dataset: {file: points.csv, batch: 2}}, expect: {agreement: {min: 1}}}\n",
		map[string]string{"points.csv": points}, "--endpoint", s.URL, "--baseline", base.URL)
	if want := "row of line 4: the baseline answers ["; o.code != 1 || !strings.Contains(o.stdout, want) || !strings.Contains(o.stdout, "for [0.25,0.25]") {
		t.Errorf("exit code %d, %q is not in %s", o.code, want, o.stdout)
	}
	replayed(t, o.check(t, "canary").Replay)
	if _, body := s.Last(); string(body) != `{"data":{"ndarray":[[0.25,0.25]]}}` {
		t.Errorf("replayed %s", body)
	}
	// A comparison of requests names the check, and replays it.
	o = run(t, "checks:\n- {name: one, request: {data: {ndarray: [[0.25, 0.25]]}}}\n- {name: canary, compare: all, expect: {agreement: {min: 1}}}\n",
		nil, "--endpoint", s.URL, "--baseline", base.URL)
	if c := o.check(t, "canary"); !strings.Contains(o.stdout, `for "one"`) || !strings.Contains(c.Replay, "[0.25,0.25]") {
		t.Errorf("replay %s: %s", c.Replay, o.stdout)
	}
}

// TestNotReadyIsReplayed with what was asked last.
func TestNotReadyIsReplayed(t *testing.T) {
	t.Parallel()
	gone := modeltest.Text(http.StatusServiceUnavailable, "text/plain", "no healthy upstream")
	for name, text := range map[string]string{
		"seldon": one,
		"v2":     "defaults: {protocol: v2, model: model}\nchecks:\n- {name: one, request: {inputs: [{name: input-0, datatype: FP64, shape: [1, 2], data: [1, 2]}]}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Fault: gone})
			o := run(t, text, nil, "--endpoint", s.URL, "--ready-timeout", "1s")
			c := o.check(t, "one")
			want, _ := s.Last()
			if c.Outcome != report.NotReady || !strings.Contains(o.stdout, "replay: curl") {
				t.Fatalf("outcome %s: %s", c.Outcome, o.stdout)
			}
			replayed(t, c.Replay)
			if got, _ := s.Last(); got.URL.Path != want.URL.Path || got.Method != want.Method {
				t.Errorf("replayed %s %s, was %s %s", got.Method, got.URL, want.Method, want.URL)
			}
		})
	}
}

// TestCompareNaN: rows without a largest score are compared as they are.
func TestCompareNaN(t *testing.T) {
	t.Parallel()
	nan := modeltest.Text(200, "application/json", `{"data":{"ndarray":[[NaN,0.5],[NaN]]}}`)
	s, base := modeltest.New(t, modeltest.Options{Fault: nan}), modeltest.New(t, modeltest.Options{Fault: nan})
	o := run(t, one[:strings.Index(one, ", expect")]+"}\n", nil, "--endpoint", s.URL, "--baseline", base.URL, "--baseline-agreement", "1")
	if c := o.check(t, "compared with the baseline"); o.code != 0 || math.Abs(c.Compare.Agreement-1) > 0 {
		t.Errorf("exit code %d, %+v: %s%s", o.code, c.Compare, o.stdout, o.stderr)
	}
}
