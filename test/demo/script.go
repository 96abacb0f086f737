package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/model-delivery/model-delivery/test/delivery"
)

// deliver follows model-delivery: tests, integration, staging, pull request.
// What it must have seen of it is in the summary when it returns.
func (s *script) deliver(ctx context.Context, commit string) error {
	err := s.follow(ctx, delivery.DeliveryPipeline, commit, func(task *pipelinev1.TaskRun) error {
		outcome := delivery.Reason(&task.Status)
		switch delivery.PipelineTask(task) {
		case delivery.UnitTest:
			s.say("2. unit tests in the builder image: %s (%s)", outcome, seconds(task))
		case delivery.Integration:
			s.say("3. integration in KIND: %s (%s)", outcome, seconds(task))
			s.phases(delivery.Result(task, "phases"))
			if digest := delivery.Result(task, "IMAGE_DIGEST"); digest != "" {
				s.say("4. image pushed: %s@%s", delivery.Result(task, "IMAGE_URL"), digest)
			}
			return s.count("kind", task)
		case delivery.PromoteStaging:
			s.summary.StagingCommit = delivery.Result(task, "commit")
			s.say("   staging promoted by commit %.12s (%s)", s.summary.StagingCommit, seconds(task))
		case delivery.WaitStaging:
			s.say("   staging is live: %s (%s)", outcome, seconds(task))
		case delivery.PredictStaging:
			s.say("   prediction checks in staging: %s (%s)", outcome, seconds(task))
			return s.count("staging", task)
		case delivery.PromoteProduction:
			s.summary.ProductionPullRequest = delivery.Result(task, "pull-request-url")
			s.say("5. pull request for production: %s (%s)", s.summary.ProductionPullRequest, seconds(task))
		default:
			s.say("   %s: %s (%s)", delivery.PipelineTask(task), outcome, seconds(task))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if s.summary.StagingCommit == "" || s.summary.ProductionPullRequest == "" {
		return fmt.Errorf("the delivery promoted nothing: staging commit %q, pull request %q", s.summary.StagingCommit, s.summary.ProductionPullRequest)
	}
	if err := s.checked("kind", "staging"); err != nil {
		return err
	}
	return s.seen(ctx, "staging")
}

// phases says how long each phase of the integration took. Some ran side by side.
func (s *script) phases(result string) {
	took := map[string]float64{}
	if err := json.Unmarshal([]byte(result), &took); err != nil || len(took) == 0 {
		return // it failed before it could tell
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(took)) {
		if name != "total" {
			parts = append(parts, fmt.Sprintf("%s %.1fs", name, took[name]))
		}
	}
	s.say("   %s", strings.Join(parts, ", "))
}

// checked tells whether predictions were checked in all of these places.
func (s *script) checked(places ...string) error {
	for _, place := range places {
		if n := s.summary.Predictions[place]; n.Passed == 0 || n.Failed > 0 {
			return fmt.Errorf("prediction checks in %s: %d passed, %d failed", place, n.Passed, n.Failed)
		}
	}
	return nil
}

// count adds a TaskRun's checks to the summary. A failed TaskRun may have none;
// the failure of its run is reported by itself.
func (s *script) count(place string, task *pipelinev1.TaskRun) error {
	if !task.IsSuccessful() {
		return nil
	}
	n, err := countChecks(task)
	if err != nil {
		return err
	}
	sum := s.summary.Predictions[place]
	s.summary.Predictions[place] = checks{Passed: sum.Passed + n.Passed, Failed: sum.Failed + n.Failed}
	s.say("   %d prediction checks passed, %d failed", n.Passed, n.Failed)
	return s.checked(place)
}

// seen asks the model through the gateway, from outside the cluster.
func (s *script) seen(ctx context.Context, namespace string) error {
	answer, err := delivery.Predict(ctx, s.GatewayURL, namespace, s.name, text)
	if err != nil {
		return err
	}
	s.say("   %s answers through the gateway: %s", namespace, strings.TrimSpace(answer))
	return nil
}

// release merges the pull request as the lead would and follows
// model-verification.
func (s *script) release(ctx context.Context, commit string) error {
	pull, err := s.Lead.PullRequestFor(s.GitopsRepo, s.name)
	if err != nil {
		return err
	}
	merge, err := s.Lead.Merge(ctx, s.GitopsRepo, pull)
	if err != nil {
		return err
	}
	s.say("6. merged pull request %d as %.12s", pull.Index, merge)
	err = s.follow(ctx, delivery.VerificationPipeline, merge, func(task *pipelinev1.TaskRun) error {
		s.say("   %s: %s (%s)", delivery.PipelineTask(task), delivery.Reason(&task.Status), seconds(task))
		if delivery.PipelineTask(task) == delivery.PredictProduction {
			return s.count("production", task)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.checked("production"); err != nil {
		return err
	}
	if err := s.seen(ctx, "production"); err != nil {
		return err
	}
	for repository, sha := range map[string]string{s.ModelsRepo: commit, s.GitopsRepo: merge} {
		green, err := s.Lead.WaitStatus(ctx, repository, sha, 30*time.Second)
		if err != nil {
			return err
		}
		if !green {
			return fmt.Errorf("the status of %s in %s is not green", sha, repository)
		}
		s.say("   the status of %.12s in %s is green", sha, repository)
	}
	return nil
}
