package delivery

import (
	"context"
	"fmt"
	"slices"
	"time"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	tekton "github.com/tektoncd/pipeline/pkg/client/clientset/versioned"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"knative.dev/pkg/apis"
)

// pollInterval is how often the cluster and the forge are looked at.
const pollInterval = time.Second

// Runs watches PipelineRuns in one namespace.
type Runs struct {
	Tekton    tekton.Interface
	Kube      kubernetes.Interface
	Namespace string
}

// TaskSummary is one TaskRun of a finished PipelineRun.
type TaskSummary struct {
	Name    string  `json:"name"` // name in the pipeline
	Seconds float64 `json:"seconds"`
}

// RunSummary is a finished PipelineRun.
type RunSummary struct {
	Name     string        `json:"name"`
	Pipeline string        `json:"pipeline"`
	Status   string        `json:"status"` // reason of the condition Succeeded
	Seconds  float64       `json:"seconds"`
	Tasks    []TaskSummary `json:"tasks"`
}

// Started waits until a run of pipeline exists whose param revision is the
// commit, and returns its name.
func (r *Runs) Started(ctx context.Context, pipeline, commit string, within time.Duration) (string, error) {
	name := ""
	err := wait.PollUntilContextTimeout(ctx, pollInterval, within, true, func(ctx context.Context) (bool, error) {
		list, err := r.Tekton.TektonV1().PipelineRuns(r.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, nil // the API server may be busy; the deadline decides
		}
		for _, run := range list.Items {
			if run.Spec.PipelineRef != nil && run.Spec.PipelineRef.Name == pipeline && param(run.Spec.Params, "revision") == commit {
				name = run.Name
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return "", fmt.Errorf("waiting %s for a PipelineRun of %s for commit %s: %w", within, pipeline, commit, err)
	}
	return name, nil
}

func param(params pipelinev1.Params, name string) string {
	for _, p := range params {
		if p.Name == name {
			return p.Value.StringVal
		}
	}
	return ""
}

// Finished waits until the run has ended. onTask is called once for each
// TaskRun that has ended, in the order in which they ended.
func (r *Runs) Finished(ctx context.Context, name string, within time.Duration, onTask func(*pipelinev1.TaskRun)) (*pipelinev1.PipelineRun, error) {
	seen := map[string]bool{}
	var run *pipelinev1.PipelineRun
	err := wait.PollUntilContextTimeout(ctx, pollInterval, within, true, func(ctx context.Context) (bool, error) {
		current, err := r.Tekton.TektonV1().PipelineRuns(r.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, nil
		}
		tasks, err := r.Tasks(ctx, name)
		if err != nil {
			return false, nil
		}
		for _, task := range tasks {
			if task.IsDone() && !seen[task.Name] {
				seen[task.Name] = true
				if onTask != nil {
					onTask(&task)
				}
			}
		}
		run = current
		return current.IsDone(), nil
	})
	if err != nil {
		return run, fmt.Errorf("waiting %s for PipelineRun %s to end: %w", within, name, err)
	}
	return run, nil
}

// Tasks lists the TaskRuns of a PipelineRun in the order in which they ended;
// those still running come last.
func (r *Runs) Tasks(ctx context.Context, run string) ([]pipelinev1.TaskRun, error) {
	list, err := r.Tekton.TektonV1().TaskRuns(r.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "tekton.dev/pipelineRun=" + run})
	if err != nil {
		return nil, fmt.Errorf("listing the TaskRuns of %s: %w", run, err)
	}
	slices.SortStableFunc(list.Items, func(a, b pipelinev1.TaskRun) int {
		return ended(&a).Compare(ended(&b))
	})
	return list.Items, nil
}

func ended(task *pipelinev1.TaskRun) time.Time {
	if task.Status.CompletionTime == nil {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return task.Status.CompletionTime.Time
}

// PipelineTask is the name that the task has in its pipeline.
func PipelineTask(task *pipelinev1.TaskRun) string { return task.Labels["tekton.dev/pipelineTask"] }

// Result returns a string result of a TaskRun, or "".
func Result(task *pipelinev1.TaskRun, name string) string {
	for _, result := range task.Status.Results {
		if result.Name == name {
			return result.Value.StringVal
		}
	}
	return ""
}

// Reason is the reason of the condition Succeeded: Succeeded, Completed,
// Failed, and so on.
func Reason(conditions interface {
	GetCondition(apis.ConditionType) *apis.Condition
}) string {
	if c := conditions.GetCondition(apis.ConditionSucceeded); c != nil {
		return c.Reason
	}
	return "Unknown"
}

// Summarize describes a finished run.
func (r *Runs) Summarize(ctx context.Context, run *pipelinev1.PipelineRun) (RunSummary, error) {
	out := RunSummary{
		Name: run.Name, Pipeline: run.Spec.PipelineRef.Name, Status: Reason(&run.Status),
		Seconds: between(run.Status.StartTime, run.Status.CompletionTime),
	}
	tasks, err := r.Tasks(ctx, run.Name)
	if err != nil {
		return out, err
	}
	for _, task := range tasks {
		out.Tasks = append(out.Tasks, TaskSummary{Name: PipelineTask(&task), Seconds: between(task.Status.StartTime, task.Status.CompletionTime)})
	}
	return out, nil
}

func between(start, end *metav1.Time) float64 {
	if start == nil || end == nil {
		return 0
	}
	return end.Sub(start.Time).Seconds()
}
