//go:build e2e

package integration

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Places in a run at which something happens to it, by what the step says.
const (
	atDocker  = "[docker] started"
	atBoot    = "kind: Preparing nodes"
	atKubeadm = "kind: Starting control-plane"
	atReady   = "waiting for nodes, DNS"
	atTests   = "the tests run"
)

// cancel stops a run as `tkn taskrun cancel` does.
func (r *taskRun) cancel() {
	r.t.Helper()
	patch := []byte(`[{"op": "add", "path": "/spec/status", "value": "TaskRunCancelled"}]`)
	if _, err := runs.TektonV1().TaskRuns(namespace).Patch(r.t.Context(), r.name, types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

// Whatever happens to a run, its pod ends, and nothing of it stays on the node.
func TestNothingLeft(t *testing.T) {
	before := traces(t)
	for _, tc := range []struct {
		name, task string
		at         string // "" at once
		happens    func(*taskRun)
		timeout    time.Duration // of the TaskRun
		keepsPod   bool          // the pod is there afterwards, ended
		phase      string        // result failed-phase, where there are results
	}{
		{name: "cancelled before docker", at: atDocker, happens: (*taskRun).cancel},
		{name: "cancelled in boot", at: atBoot, happens: (*taskRun).cancel},
		{name: "cancelled in kubeadm", at: atKubeadm, happens: (*taskRun).cancel},
		{name: "cancelled in readiness", at: atReady, happens: (*taskRun).cancel},
		{name: "cancelled in tests", at: atTests, happens: (*taskRun).cancel},
		{name: "timed out", timeout: 25 * time.Second},
		{name: "step killed in kubeadm", at: atKubeadm, happens: (*taskRun).killStep, keepsPod: true},
		{name: "step killed in tests", at: atTests, happens: (*taskRun).killStep, keepsPod: true},
		{name: "dockerd killed in kubeadm", at: atKubeadm, happens: (*taskRun).killDaemon, keepsPod: true, phase: "cluster"},
		{name: "dockerd killed in tests", at: atTests, happens: (*taskRun).killDaemon, keepsPod: true, phase: "test"},
		{name: "disk full", task: smallTask, keepsPod: true, phase: "cluster"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.task == "" {
				tc.task = taskName
			}
			if tc.timeout == 0 {
				tc.timeout = 10 * time.Minute
			}
			r := begin(t, tc.task, model{test: 20, code: 7}, tc.timeout)
			if tc.at != "" {
				r.says(tc.at)
			}
			if tc.happens != nil {
				tc.happens(r)
			}
			since := time.Now()
			run := r.ended(5 * time.Minute)
			t.Logf("ended after %s: %s", time.Since(since).Round(time.Second), run.Status.GetCondition("Succeeded").GetReason())
			if run.IsSuccessful() {
				t.Error("the run succeeded")
			}
			if tc.phase != "" {
				results := resultsOf(run)
				if log := r.log(); results["failed-phase"] != tc.phase || (tc.phase == "cluster" && !strings.Contains(log, "hint: ")) {
					t.Errorf("results %v\n%s", results, log)
				}
			}
			if tc.keepsPod {
				// Its sidecar ends with it; what remains is an ended pod, to read its logs.
				r.until("the pod to end", 2*time.Minute, func() bool {
					pod, err := api.CoreV1().Pods(namespace).Get(t.Context(), r.pod.Name, metav1.GetOptions{})
					return err == nil && (pod.Status.Phase == "Failed" || pod.Status.Phase == "Succeeded")
				})
				r.remove()
			}
			r.nothingLeft()
		})
	}
	nothingGrew(t, before)
}

// nothingGrew demands that there is no more on the node than before. Others use the
// cluster too: what they have going goes, and what comes is waited for.
func nothingGrew(t *testing.T, before map[string]int) {
	t.Helper()
	for try := 1; ; try++ {
		var grown []string
		for name, count := range traces(t) {
			if count > before[name] {
				grown = append(grown, fmt.Sprintf("%s from %d to %d", name, before[name], count))
			}
		}
		if len(grown) == 0 {
			return
		}
		if try == 12 {
			t.Errorf("there are more on the node than before: %v", grown)
			return
		}
		time.Sleep(5 * time.Second)
	}
}

var cancelled = flag.Int("cancelled", 2, "how many runs TestCancelledRuns cancels")

// Runs that are cancelled at whatever moment, two at a time, leave nothing.
func TestCancelledRuns(t *testing.T) {
	before := traces(t)
	t.Run("runs", func(t *testing.T) {
		places := make(chan struct{}, 2)
		for i := range *cancelled {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				places <- struct{}{}
				defer func() { <-places }()
				r := begin(t, taskName, model{test: 20}, 10*time.Minute)
				after := rand.N(45 * time.Second)
				time.Sleep(after)
				r.cancel()
				since := time.Now()
				run := r.ended(5 * time.Minute)
				r.nothingLeft()
				t.Logf("cancelled after %s, nothing left %s later: %s", after.Round(time.Second), time.Since(since).Round(time.Second), run.Status.GetCondition("Succeeded").GetReason())
			})
		}
	})
	nothingGrew(t, before)
}

// The exit code of the tests is the step's, the phases are told, and nothing
// stays on the node but the pod, to read its logs.
func TestOutcome(t *testing.T) {
	before := traces(t)
	for _, tc := range []struct {
		name  string
		code  int
		phase string
	}{{"green", 0, ""}, {"red", 7, "test"}} {
		t.Run(tc.name, func(t *testing.T) {
			r := begin(t, taskName, model{code: tc.code}, 10*time.Minute)
			run := r.ended(6 * time.Minute)
			results := resultsOf(run)
			t.Logf("phases: %s", results["phases"])
			if run.IsSuccessful() != (tc.code == 0) || results["failed-phase"] != tc.phase || results["cleanup"] != "success" || results["node-image"] == "" {
				t.Errorf("results %v\n%s", results, r.log())
			}
			r.remove()
			r.nothingLeft()
		})
	}
	nothingGrew(t, before)
}
