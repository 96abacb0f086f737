//go:build e2e

package integration

import (
	"flag"
	"testing"
	"time"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
)

var everywhere = flag.Bool("everywhere", false, "let TestEveryPhase go through all events in all phases, not through one of each")

// fillDisk leaves the engine of a bound Task no room.
func (r *taskRun) fillDisk() {
	node(r.t, "cat /dev/zero 2>/dev/null >/var/lib/kubelet/pods/"+string(r.pod.UID)+"/volumes/kubernetes.io~empty-dir/docker-storage/full || :")
}

// Whatever happens in whichever phase, the run ends, and nothing of it stays.
func TestEveryPhase(t *testing.T) {
	before := traces(t)
	phases := []struct {
		name, at string
		model    model
		event    string // that happens without -everywhere
	}{
		{"build", "the build runs", model{build: 20, code: 7}, "cancelled"},
		{"load", "[load] started", model{code: 7}, "step killed"},
		{"setup", "the set-up runs", model{setUp: 20, code: 7}, "dockerd killed"},
		{"deploy", "[deploy] started", model{deployed: true}, "containerd killed"},
		{"tests", "the tests run", model{test: 20, code: 7}, "disk full"},
		{"logs", "[logs] started", model{code: 7}, "step killed"},
	}
	events := []struct {
		name    string
		happens func(*taskRun)
	}{
		{"cancelled", (*taskRun).cancel},
		{"step killed", (*taskRun).killStep},
		{"dockerd killed", (*taskRun).killDaemon},
		{"containerd killed", (*taskRun).killContainerd},
		{"disk full", (*taskRun).fillDisk},
	}
	for _, phase := range phases {
		for _, event := range events {
			if !*everywhere && event.name != phase.event {
				continue
			}
			t.Run(event.name+" in "+phase.name, func(t *testing.T) {
				// Nobody acts on what is deployed, so that with a full disk the time is up.
				r := begin(t, boundTask, phase.model, 10*time.Minute, func(run *pipelinev1.TaskRun) {
					run.Spec.Params = append(run.Spec.Params, pipelinev1.Param{Name: "timeout", Value: *pipelinev1.NewStructuredValues("3m")})
				})
				r.says(phase.at)
				event.happens(r)
				since := time.Now()
				run := r.ended(5 * time.Minute)
				t.Logf("ended after %s: %s", time.Since(since).Round(time.Second), run.Status.GetCondition("Succeeded").GetReason())
				if run.IsSuccessful() {
					t.Errorf("the run succeeded\n%s", r.log())
				}
				r.remove()
				r.nothingLeft()
			})
		}
	}
	nothingGrew(t, before)
}
