package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/model-delivery/model-delivery/test/delivery"
)

// options are the demo's flags.
type options struct {
	stateDir, outputDir, modelDir string
	timeout                       time.Duration
}

// script is one run of the demo.
type script struct {
	*delivery.Session
	start   time.Time
	model   string // directory name below models/
	name    string // SeldonDeployment
	summary summary
}

// text is what the demo asks the model from outside.
const text = "The rocket launch brought a satellite into orbit around the moon"

func run(ctx context.Context, opts options) error {
	ctx, cancel := context.WithTimeoutCause(ctx, opts.timeout, fmt.Errorf("not done within %s", opts.timeout))
	defer cancel()
	session, err := delivery.Connect(ctx, opts.stateDir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(opts.outputDir, 0o755); err != nil {
		return fmt.Errorf("making the output directory: %w", err)
	}
	if err := session.WriteKubeconfig(filepath.Join(opts.outputDir, "kubeconfig")); err != nil {
		return err
	}
	s := &script{
		Session: session, start: time.Now(),
		model: filepath.Base(opts.modelDir), name: delivery.DeploymentName(filepath.Base(opts.modelDir)),
		summary: summary{
			ForgeURL: session.ForgeURL, ModelsRepo: session.ModelsRepo, GitopsRepo: session.GitopsRepo,
			Predictions: map[string]checks{},
		},
	}
	commit, err := s.push(ctx, opts.modelDir)
	if err == nil {
		err = s.deliver(ctx, commit)
	}
	if err == nil {
		err = s.release(ctx, commit)
	}
	s.summary.Seconds = time.Since(s.start).Seconds()
	if err := errors.Join(err, s.summary.write(opts.outputDir)); err != nil {
		return err
	}
	s.say("done: %s", filepath.Join(opts.outputDir, "summary.json"))
	fmt.Printf("\nLook around: the forge is %s (user lead, password in %s);\n  KUBECONFIG=%s %s pipelinerun list --namespace %s\nStop it all: make demo-down\n",
		session.ForgeURL, session.Platform.Value("forge", "lead-password-file"), filepath.Join(opts.outputDir, "kubeconfig"),
		session.Platform.Value("tkn", "path"), delivery.RunNamespace)
	return nil
}

// say prints one line with the time since the start.
func (s *script) say(format string, args ...any) {
	elapsed := time.Since(s.start).Round(time.Second)
	fmt.Printf("%5s  %s\n", elapsed, fmt.Sprintf(format, args...))
}

// push changes the model and pushes it, as its engineer would.
func (s *script) push(ctx context.Context, modelDir string) (string, error) {
	dir, err := os.MkdirTemp("", "models-")
	if err != nil {
		return "", fmt.Errorf("making a directory for the clone: %w", err)
	}
	defer os.RemoveAll(dir)
	repo, err := s.CloneModels(ctx, filepath.Join(dir, "models"))
	if err != nil {
		return "", err
	}
	if err := repo.CopyModel(modelDir, s.model); err != nil {
		return "", err
	}
	if err := repo.Edit(filepath.Join("models", s.model, "data", "train.csv"), delivery.OneMoreExample(time.Now())); err != nil {
		return "", err
	}
	commit, err := repo.Push(ctx, "main", "Train on one more text")
	if err != nil {
		return "", err
	}
	s.say("1. pushed %s to %s", commit[:12], s.ModelsRepo)
	return commit, nil
}

// follow watches the run of a pipeline for a commit to its end.
func (s *script) follow(ctx context.Context, pipeline, commit string, onTask func(*pipelinev1.TaskRun) error) error {
	name, err := s.Runs.Started(ctx, pipeline, commit, time.Minute)
	if err != nil {
		return err
	}
	s.say("   the webhook started %s", name)
	var taskErr error
	run, err := s.Runs.Finished(ctx, name, 15*time.Minute, func(task *pipelinev1.TaskRun) {
		taskErr = errors.Join(taskErr, onTask(task))
	})
	if err != nil {
		return err
	}
	outcome, err := s.Runs.Summarize(ctx, run)
	if err != nil {
		return err
	}
	s.summary.PipelineRuns = append(s.summary.PipelineRuns, outcome)
	if outcome.Status != pipelinev1.PipelineRunReasonSuccessful.String() && outcome.Status != pipelinev1.PipelineRunReasonCompleted.String() {
		logs, err := s.Runs.FailureLogs(ctx, name, 60)
		return errors.Join(fmt.Errorf("%s ended as %s\n%s", name, outcome.Status, logs), err)
	}
	return taskErr
}

// seconds is how long a TaskRun took, for printing.
func seconds(task *pipelinev1.TaskRun) string {
	if task.Status.StartTime == nil || task.Status.CompletionTime == nil {
		return "-"
	}
	return task.Status.CompletionTime.Sub(task.Status.StartTime.Time).Round(time.Second).String()
}
