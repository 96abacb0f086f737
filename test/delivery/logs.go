package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"knative.dev/pkg/apis"
)

// FailureLogs returns the end of the logs of every step that failed in the
// PipelineRun, at most lines lines a step.
func (r *Runs) FailureLogs(ctx context.Context, run string, lines int64) (string, error) {
	tasks, err := r.Tasks(ctx, run)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	var errs []error
	for _, task := range tasks {
		logs, err := r.TaskLogs(ctx, &task, lines)
		out.WriteString(logs)
		errs = append(errs, err)
	}
	return out.String(), errors.Join(errs...)
}

// TaskLogs is FailureLogs for one TaskRun; "" when it did not fail.
func (r *Runs) TaskLogs(ctx context.Context, task *pipelinev1.TaskRun, lines int64) (string, error) {
	condition := task.Status.GetCondition(apis.ConditionSucceeded)
	if condition == nil || condition.Status != corev1.ConditionFalse {
		return "", nil
	}
	out := fmt.Sprintf("--- %s (%s): %s: %s\n", PipelineTask(task), task.Name, condition.Reason, condition.Message)
	var errs []error
	for _, step := range task.Status.Steps {
		if step.Terminated == nil || step.Terminated.ExitCode == 0 {
			continue
		}
		log, err := r.Kube.CoreV1().Pods(r.Namespace).GetLogs(task.Status.PodName, &corev1.PodLogOptions{Container: step.Container, TailLines: &lines}).DoRaw(ctx)
		errs = append(errs, err)
		out += fmt.Sprintf("--- step %s, exit code %d\n%s\n", step.Name, step.Terminated.ExitCode, log)
	}
	return out, errors.Join(errs...)
}
