package bundle_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	triggersv1beta1 "github.com/tektoncd/triggers/pkg/apis/triggers/v1beta1"
	"github.com/tektoncd/triggers/pkg/interceptors/cel"
	"github.com/tektoncd/triggers/pkg/interceptors/github"
	"github.com/tektoncd/triggers/pkg/template"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/bundle"
)

const webhookSecret = "a secret of the webhook"

// secrets is the one Secret that the listener asks for.
type secrets struct{}

func (secrets) Get(_ context.Context, _ string, ref *triggersv1beta1.SecretRef) ([]byte, error) {
	if ref.SecretName != "forge-webhook" || ref.SecretKey != "secret" {
		return nil, fmt.Errorf("there is no secret %s/%s", ref.SecretName, ref.SecretKey)
	}
	return []byte(webhookSecret), nil
}

// event is a push as a forge sends it.
type event struct {
	body   []byte
	header http.Header
}

func newEvent(t *testing.T, payload string, change func(map[string]any)) event {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", payload))
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(data, &body); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(body)
	}
	if data, err = json.Marshal(body); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	mac.Write(data)
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("X-GitHub-Event", "push")
	header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return event{data, header}
}

// fire sends an event through the listener's triggers and returns the runs that
// they start, by trigger.
func fire(t *testing.T, objects []bundle.Object, e event) map[string]*pipelinev1.PipelineRun {
	t.Helper()
	listener := bundle.Of[triggersv1beta1.EventListener](objects)["model-delivery"]
	if listener == nil {
		t.Fatal("there is no EventListener model-delivery")
	}
	started := map[string]*pipelinev1.PipelineRun{}
	for _, trigger := range listener.Spec.Triggers {
		extensions, ok := intercept(t, trigger, e)
		if !ok {
			continue
		}
		started[trigger.Name] = render(t, objects, trigger, e, extensions)
	}
	return started
}

// intercept runs Tekton's own interceptors, in order.
func intercept(t *testing.T, trigger triggersv1beta1.EventListenerTrigger, e event) (map[string]any, bool) {
	t.Helper()
	extensions := map[string]any{}
	for _, interceptor := range trigger.Interceptors {
		params := map[string]any{}
		for _, p := range interceptor.Params {
			var value any
			if err := json.Unmarshal(p.Value.Raw, &value); err != nil {
				t.Fatal(err)
			}
			params[p.Name] = value
		}
		request := &triggersv1beta1.InterceptorRequest{
			Body: string(e.body), Header: e.header, Extensions: extensions, InterceptorParams: params,
			Context: &triggersv1beta1.TriggerContext{TriggerID: "namespaces/model-delivery/triggers/" + trigger.Name},
		}
		var response *triggersv1beta1.InterceptorResponse
		switch interceptor.Ref.Name {
		case "github":
			response = github.NewInterceptor(secrets{}).Process(t.Context(), request)
		case "cel":
			response = cel.NewInterceptor(secrets{}).Process(t.Context(), request)
		default:
			t.Fatalf("trigger %s: interceptor %s", trigger.Name, interceptor.Ref.Name)
		}
		if !response.Continue {
			if message := response.Status.Message; strings.Contains(message, "failed to evaluate") || strings.Contains(message, "no such") {
				t.Errorf("trigger %s: the filter is in error: %s", trigger.Name, response.Status.Message)
			}
			return nil, false
		}
		for key, value := range response.Extensions {
			extensions[key] = value
		}
	}
	return extensions, true
}

func render(t *testing.T, objects []bundle.Object, trigger triggersv1beta1.EventListenerTrigger, e event, extensions map[string]any) *pipelinev1.PipelineRun {
	t.Helper()
	bindings, templates := bundle.Of[triggersv1beta1.TriggerBinding](objects), bundle.Of[triggersv1beta1.TriggerTemplate](objects)
	resolved, err := template.ResolveTrigger(triggersv1beta1.Trigger{Spec: triggersv1beta1.TriggerSpec{Bindings: trigger.Bindings, Template: *trigger.Template}},
		func(name string) (*triggersv1beta1.TriggerBinding, error) { return lookup(bindings, name) },
		func(name string) (*triggersv1beta1.ClusterTriggerBinding, error) {
			return nil, fmt.Errorf("no %s", name)
		},
		func(name string) (*triggersv1beta1.TriggerTemplate, error) { return lookup(templates, name) },
	)
	if err != nil {
		t.Fatalf("trigger %s: %v", trigger.Name, err)
	}
	params, err := template.ResolveParams(resolved, e.body, e.header, extensions, template.NewTriggerContext("event-1"))
	if err != nil {
		t.Fatalf("trigger %s: %v", trigger.Name, err)
	}
	resources := template.ResolveResources(resolved.TriggerTemplate, params)
	if len(resources) != 1 {
		t.Fatalf("trigger %s makes %d objects", trigger.Name, len(resources))
	}
	run := &pipelinev1.PipelineRun{}
	if err := yaml.UnmarshalStrict(resources[0], run); err != nil {
		t.Fatalf("trigger %s: %v\n%s", trigger.Name, err, resources[0])
	}
	run.Name = run.GenerateName + "x" // as the API server makes it before Tekton looks
	run.SetDefaults(t.Context())
	if err := run.Validate(t.Context()); err != nil {
		t.Errorf("trigger %s: %v", trigger.Name, err)
	}
	if strings.Contains(string(resources[0]), "$(tt.") {
		t.Errorf("trigger %s: a variable is left in %s", trigger.Name, resources[0])
	}
	return run
}

func lookup[T any](objects map[string]*T, name string) (*T, error) {
	if object, ok := objects[name]; ok {
		return object, nil
	}
	return nil, fmt.Errorf("there is no %q", name)
}

// commits replaces the payload's commits by one that touched the given files.
func commits(files ...string) func(map[string]any) {
	return func(body map[string]any) {
		body["commits"] = []any{map[string]any{"id": "1", "added": nil, "removed": []any{}, "modified": files}}
		body["total_commits"] = 1
	}
}

func TestEventsStartWhatTheyShould(t *testing.T) {
	t.Parallel()
	gitops := func(next func(map[string]any)) func(map[string]any) {
		return func(body map[string]any) {
			body["repository"].(map[string]any)["name"] = "gitops"
			body["repository"].(map[string]any)["clone_url"] = "http://gitea.example.org/ml/gitops.git"
			next(body)
		}
	}
	for _, forge := range []string{"gitea", "github"} {
		objects := load(t, "triggers/base", "triggers/"+forge)
		for _, tc := range []struct {
			name   string
			change func(map[string]any)
			want   string // name of the trigger; empty: none
		}{
			{"the forge's own example", nil, "model-delivery"},
			{"a model changed", commits("models/news_classifier/Makefile"), "model-delivery"},
			{"something else changed", commits("README.md", "docs/models/x"), ""},
			{"another branch", func(b map[string]any) { b["ref"] = "refs/heads/feature" }, ""},
			{"a tag", func(b map[string]any) { b["ref"] = "refs/tags/main" }, ""},
			{"the branch is deleted", func(b map[string]any) { b["after"] = strings.Repeat("0", 40) }, ""},
			{"the first push", func(b map[string]any) {
				b["before"], b["commits"] = strings.Repeat("0", 40), []any{}
			}, "model-delivery"},
			{"commits that the forge left out", func(b map[string]any) { commits("README.md")(b); b["total_commits"] = 9 }, "model-delivery"},
			{"no list of commits", func(b map[string]any) { b["commits"] = nil; delete(b, "total_commits") }, "model-delivery"},
			{"another repository", func(b map[string]any) { b["repository"].(map[string]any)["name"] = "other" }, ""},
			{"production changed", gitops(commits("production/news-classifier/m.yaml")), "model-verification"},
			{"staging changed", gitops(commits("staging/news-classifier/m.yaml")), ""},
			{"the GitOps repository is new", gitops(func(b map[string]any) { b["before"] = strings.Repeat("0", 40) }), ""},
		} {
			t.Run(forge+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				runs := fire(t, objects, newEvent(t, forge+"-push.json", tc.change))
				if len(runs) > 1 || (tc.want == "") != (len(runs) == 0) || (tc.want != "" && runs[tc.want] == nil) {
					t.Errorf("started %v, want %q", runs, tc.want)
				}
			})
		}
	}
}

// TestRunsFitTheirPipelines: what an event starts gives its Pipeline all that it
// asks for.
func TestRunsFitTheirPipelines(t *testing.T) {
	t.Parallel()
	pipelines := bundle.Of[pipelinev1.Pipeline](load(t, "pipelines"))
	for _, forge := range []string{"gitea", "github"} {
		objects := load(t, "triggers/base", "triggers/"+forge)
		e := newEvent(t, forge+"-push.json", nil)
		var body struct {
			Before, After string
			Repository    struct {
				CloneURL string `json:"clone_url"`
			}
		}
		if err := json.Unmarshal(e.body, &body); err != nil {
			t.Fatal(err)
		}
		run := fire(t, objects, e)["model-delivery"]
		checkPipelineRun(t, forge, pipelines, run)
		given := map[string]string{}
		for _, p := range run.Spec.Params {
			given[p.Name] = p.Value.StringVal
		}
		for name, want := range map[string]string{"revision": body.After, "before": body.Before, "repository": body.Repository.CloneURL, "image": "registry.example.org/models/{model}:" + body.After} {
			if given[name] != want {
				t.Errorf("%s: param %s is %q, want %q", forge, name, given[name], want)
			}
		}
		verification := newEvent(t, forge+"-push.json", func(b map[string]any) {
			b["repository"].(map[string]any)["name"] = "gitops"
			commits("production/x/y")(b)
		})
		checkPipelineRun(t, forge, pipelines, fire(t, objects, verification)["model-verification"])
	}
}

// TestForgedEventsStartNothing: without the right signature an event is dropped,
// and so is any other kind of event.
func TestForgedEventsStartNothing(t *testing.T) {
	t.Parallel()
	objects := load(t, "triggers/base", "triggers/gitea")
	for name, forge := range map[string]func(e *event){
		"no signature":      func(e *event) { e.header.Del("X-Hub-Signature-256") },
		"another signature": func(e *event) { e.header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64)) },
		"another body":      func(e *event) { e.body = append(e.body, ' ') },
		"another event":     func(e *event) { e.header.Set("X-GitHub-Event", "issues") },
	} {
		e := newEvent(t, "gitea-push.json", nil)
		forge(&e)
		if runs := fire(t, objects, e); len(runs) != 0 {
			t.Errorf("%s: started %v", name, runs)
		}
	}
}

// TestPayloadCannotBringVariables: what a payload says is text, also when it
// looks like a variable of Tekton's.
func TestPayloadCannotBringVariables(t *testing.T) {
	t.Parallel()
	objects := load(t, "triggers/base", "triggers/gitea")
	e := newEvent(t, "gitea-push.json", func(b map[string]any) {
		b["repository"].(map[string]any)["clone_url"] = `http://x/$(context.pipelineRun.name)","evil":"1`
	})
	run := fire(t, objects, e)["model-delivery"]
	for _, p := range run.Spec.Params {
		if p.Name == "repository" && (strings.Contains(strings.ReplaceAll(p.Value.StringVal, "$$(", ""), "$(") || !strings.Contains(p.Value.StringVal, `"evil"`)) {
			t.Errorf("param repository is %q", p.Value.StringVal)
		}
	}
}
