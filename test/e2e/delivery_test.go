//go:build e2e

package e2e

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/test/delivery"
)

// state is what environments hold, to be compared before and after.
type state struct{ gitops, staging, production string }

func observe(t *testing.T, s *delivery.Session) state {
	t.Helper()
	head, err := s.Lead.Head(s.GitopsRepo, "main")
	if err != nil {
		t.Fatal(err)
	}
	return state{head, ask(t.Context(), s, "staging"), ask(t.Context(), s, "production")}
}

// ask returns the version that answers in an environment, or what went wrong.
func ask(ctx context.Context, s *delivery.Session, namespace string) string {
	answer, err := delivery.Predict(ctx, s.GatewayURL, namespace, delivery.DeploymentName(model), "a satellite in orbit around the moon")
	if err != nil {
		return err.Error()
	}
	return answer
}

// A good push reaches staging and opens the pull request; merged, production
// is verified; another push goes through the same way. Pushes that break the
// model stop before promotion and leave everything as it was.
func TestDelivery(t *testing.T) {
	s := connect(t)
	t.Run("a push is delivered", func(t *testing.T) { delivered(t, s) })
	for _, tc := range []struct {
		name, stops string
		change      func(*delivery.ModelsRepo) error
	}{
		{"broken tests stop the delivery", delivery.UnitTest, func(r *delivery.ModelsRepo) error {
			return r.Edit(filepath.Join("models", model, "tests", "test_model.py"), func(text string) string {
				return text + "\n\ndef test_that_fails():\n    assert False, \"broken on purpose\"\n"
			})
		}},
		{"wrong predictions stop the delivery", delivery.Integration, func(r *delivery.ModelsRepo) error {
			return r.Edit(filepath.Join("models", model, "integration", "predictions.yaml"), func(text string) string {
				return strings.Replace(text, "expect: {data: {ndarray: [2]}}", "expect: {data: {ndarray: [0]}}", 1)
			})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := observe(t, s)
			commit := push(t, s, "main", "Break "+tc.stops, tc.change)
			run, tasks := follow(t, s, delivery.DeliveryPipeline, commit)
			if run.IsSuccessful() {
				t.Errorf("run %s went through", run.Name)
			}
			if task := tasks[tc.stops]; task == nil || task.IsSuccessful() {
				t.Errorf("task %s did not fail", tc.stops)
			}
			if green, err := s.Lead.WaitStatus(t.Context(), s.ModelsRepo, commit, time.Minute); err != nil || green {
				t.Errorf("the commit's status is green: %v, %v", green, err)
			}
			if after := observe(t, s); after != before {
				t.Errorf("the environments changed from %+v to %+v", before, after)
			}
		})
	}
}

func delivered(t *testing.T, s *delivery.Session) {
	commit := push(t, s, "main", "Train on one more text", nil)
	run, tasks := follow(t, s, delivery.DeliveryPipeline, commit)
	if !run.IsSuccessful() {
		t.Fatal(failure(t, s, run))
	}
	digest := delivery.Result(tasks[delivery.Integration], "IMAGE_DIGEST")
	if !strings.HasPrefix(digest, "sha256:") {
		t.Fatalf("the integration's image digest is %q", digest)
	}
	released := delivery.DeploymentName(model)
	file, err := s.Lead.File(s.GitopsRepo, "main", "staging/"+released+"/"+released+".yaml")
	if err != nil || !strings.Contains(file, digest) {
		t.Errorf("staging does not pin %s: %v\n%s", digest, err, file)
	}
	pull, err := s.Lead.PullRequestFor(s.GitopsRepo, released)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{digest, commit} {
		if !strings.Contains(pull.Body, want) {
			t.Errorf("the pull request's body lacks %s:\n%s", want, pull.Body)
		}
	}
	merge, err := s.Lead.Merge(t.Context(), s.GitopsRepo, pull)
	if err != nil {
		t.Fatal(err)
	}
	run, _ = follow(t, s, delivery.VerificationPipeline, merge)
	if !run.IsSuccessful() {
		t.Fatal(failure(t, s, run))
	}
	if answer := ask(t.Context(), s, "production"); !strings.Contains(answer, "data") {
		t.Errorf("production answers %s", answer)
	}
	for repository, sha := range map[string]string{s.ModelsRepo: commit, s.GitopsRepo: merge} {
		if green, err := s.Lead.WaitStatus(t.Context(), repository, sha, time.Minute); err != nil || !green {
			t.Errorf("the status of %s in %s is not green: %v", sha, repository, err)
		}
	}
}
