//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/model-delivery/model-delivery/test/delivery"
)

// model is the example that is delivered.
const model = "news_classifier"

// push changes the model in a clone of the forge's repository and pushes it to
// a branch. A push to main starts a delivery.
func push(t *testing.T, s *delivery.Session, branch, message string, change func(*delivery.ModelsRepo) error) string {
	t.Helper()
	repo, err := s.CloneModels(t.Context(), filepath.Join(t.TempDir(), "models"))
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.CopyModel(filepath.Join("..", "..", "models", model), model); err != nil {
		t.Fatal(err)
	}
	if err := repo.Edit(filepath.Join("models", model, "data", "train.csv"), delivery.OneMoreExample(time.Now())); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		if err := change(repo); err != nil {
			t.Fatal(err)
		}
	}
	commit, err := repo.Push(t.Context(), branch, message)
	if err != nil {
		t.Fatal(err)
	}
	return commit
}

// follow waits for the run that a commit started and returns it with its tasks.
func follow(t *testing.T, s *delivery.Session, pipeline, commit string) (*pipelinev1.PipelineRun, map[string]*pipelinev1.TaskRun) {
	t.Helper()
	name, err := s.Runs.Started(t.Context(), pipeline, commit, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return finish(t, s, name)
}

// finish waits for the end of a run and returns it with its tasks.
func finish(t *testing.T, s *delivery.Session, name string) (*pipelinev1.PipelineRun, map[string]*pipelinev1.TaskRun) {
	t.Helper()
	tasks := map[string]*pipelinev1.TaskRun{}
	run, err := s.Runs.Finished(t.Context(), name, 15*time.Minute, func(task *pipelinev1.TaskRun) {
		tasks[delivery.PipelineTask(task)] = task
		t.Logf("%s: %s", delivery.PipelineTask(task), delivery.Reason(&task.Status))
	})
	if err != nil {
		t.Fatal(err)
	}
	return run, tasks
}

// failure tells why a run failed.
func failure(t *testing.T, s *delivery.Session, run *pipelinev1.PipelineRun) string {
	logs, err := s.Runs.FailureLogs(t.Context(), run.Name, 80)
	return fmt.Sprintf("run %s: %s, %v\n%s", run.Name, delivery.Reason(&run.Status), err, logs)
}

// cleanup is a context for what a test removes, after its own has ended.
func cleanup(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// connect connects to the platform.
func connect(t *testing.T) *delivery.Session {
	t.Helper()
	s, err := delivery.Connect(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fresh is the name of a branch that no run before has made.
func fresh(name string) string { return fmt.Sprintf("%s-%d", name, time.Now().UnixNano()) }
