package predict_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/predict/locate"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// TestKubeconfigDir: with an endpoint the cluster is looked at, too, where the
// workspace has a kubeconfig, and not where it has none.
func TestKubeconfigDir(t *testing.T) {
	t.Parallel()
	_, kubeconfig := cluster(t, promoted)
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.From(2, modeltest.Text(500, "", ""))})
	args := []string{"--endpoint", s.URL, "--gateway", "none", "--namespace", "models", "--deployment", "news", "--image", "classifier=" + promoted}
	o := run(t, one, nil, append(args, "--kubeconfig-dir", filepath.Dir(kubeconfig))...)
	if o.code != 1 || len(o.report.Logs) != 1 || o.report.Targets[0].Images["classifier"] != promoted {
		t.Errorf("exit code %d, logs %v, images %v: %s", o.code, o.report.Logs, o.report.Targets, o.stderr)
	}
	o = run(t, one, nil, append(args, "--kubeconfig-dir", t.TempDir())...)
	if o.code != 1 || len(o.report.Logs) != 0 || !strings.Contains(o.stderr, "there is no file kubeconfig in ") {
		t.Errorf("exit code %d, logs %v: %s", o.code, o.report.Logs, o.stderr)
	}
}

// TestProtocolOfTheDeployment: checks that say no protocol are asked over the
// deployment's.
func TestProtocolOfTheDeployment(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ spoken, defaults, flag, want string }{
		"it says nothing":  {"", "", "", "seldon"},
		"v2":               {"v2", "", "", "v2"},
		"kfserving":        {"kfserving", "", "", "v2"},
		"tensorflow":       {"tensorflow", "", "", "tensorflow"},
		"the file says":    {"v2", "defaults: {protocol: seldon}\n", "", "seldon"},
		"the command says": {"v2", "", "tensorflow", "tensorflow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, kubeconfig := cluster(t, promoted)
			if tc.spoken != "" {
				obj := server.Get("SeldonDeployment", "models", "news")
				obj.Object["spec"].(map[string]any)["protocol"] = tc.spoken
				server.Put(obj)
			}
			s := modeltest.New(t, modeltest.Options{Name: "classifier"})
			o := run(t, tc.defaults+one, nil, "--endpoint", s.URL, "--gateway", "none", "--deployment", "news", "--kubeconfig", kubeconfig, "--ready-timeout", "20s", "--protocol", tc.flag)
			if o.code != 0 || len(o.report.Targets) != 1 || o.report.Targets[0].Protocol != tc.want {
				t.Errorf("asked %+v, want %s: %s", o.report.Targets, tc.want, o.stderr)
			}
		})
	}
}

// TestModelIsWaitedFor until each predictor serves it.
func TestModelIsWaitedFor(t *testing.T) {
	t.Parallel()
	server, _ := cluster(t, promoted)
	serve := func(uri string) {
		obj := server.Get("SeldonDeployment", "models", "news")
		graph := obj.Object["spec"].(map[string]any)["predictors"].([]any)[0].(map[string]any)["graph"].(map[string]any)
		graph["modelUri"] = uri
		server.Put(obj)
	}
	serve("gs://models/1")
	time.AfterFunc(500*time.Millisecond, func() { serve("gs://models/2") })
	o := locate.Options{Namespace: "models", Name: "news", ModelURIs: map[string]string{"classifier": "gs://models/2"}, Timeout: 10 * time.Second, Log: t.Logf}
	found, err := locate.Find(t.Context(), server.Client(t), o)
	if err != nil || found.Predictors[0].ModelURIs["classifier"] != "gs://models/2" {
		t.Fatalf("found %+v, error %v", found, err)
	}
	found.Close()
	o.ModelURIs, o.Timeout = map[string]string{"classifier": "gs://models/3"}, 500*time.Millisecond
	if _, err := locate.Find(t.Context(), server.Client(t), o); err == nil || !strings.Contains(err.Error(), "gs://models/3 is waited for") {
		t.Errorf("error %v", err)
	}
}

// TestModelOfEachPredictor has to be the one that was promoted, but for that of the
// baseline.
func TestModelOfEachPredictor(t *testing.T) {
	t.Parallel()
	server, _ := cluster(t, promoted)
	obj := server.Get("SeldonDeployment", "models", "news")
	spec := obj.Object["spec"].(map[string]any)
	spec["predictors"].([]any)[0].(map[string]any)["graph"].(map[string]any)["modelUri"] = "gs://models/1"
	spec["predictors"] = append(spec["predictors"].([]any), map[string]any{"name": "canary", "graph": map[string]any{"name": "classifier", "modelUri": "gs://models/2"}})
	server.Put(obj)
	for except, says := range map[string]string{
		"":       "asks unit classifier for model gs://models/1, gs://models/2, gs://models/2 is waited for",
		"canary": "asks unit classifier for model gs://models/1, gs://models/2 is waited for",
		"main":   "(stage stable)", // nothing is missing but time
	} {
		o := locate.Options{Namespace: "models", Name: "news", ModelURIs: map[string]string{"classifier": "gs://models/2"}, Except: except, Timeout: 300 * time.Millisecond, Log: t.Logf}
		if _, err := locate.Find(t.Context(), server.Client(t), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("except %q: error %v, want %q", except, err, says)
		}
	}
}

// TestExplainer is asked at its own Service.
func TestExplainer(t *testing.T) {
	t.Parallel()
	server, _ := cluster(t, promoted)
	server.PutYAML(t, `
apiVersion: v1
kind: Service
metadata: {name: news-main-explainer, namespace: models, labels: {seldon-app: news-main-explainer, seldon-deployment-id: news}}
spec: {selector: {seldon-app: news-main-explainer}, ports: [{name: http, port: 9000, targetPort: 9000}]}
---
apiVersion: v1
kind: Service
metadata: {name: other-main-explainer, namespace: models, labels: {seldon-app: other-main-explainer, seldon-deployment-id: other}}
spec: {selector: {seldon-app: other-main-explainer}, ports: [{name: http, port: 9000, targetPort: 9000}]}
`)
	found, err := locate.Find(t.Context(), server.Client(t), locate.Options{Namespace: "models", Name: "news", Timeout: 5 * time.Second, Explain: true, Log: t.Logf})
	if err != nil || found.Predictors[0].Explainer != "news-main-explainer.models.svc:9000" {
		t.Fatalf("found %+v, error %v", found, err)
	}
	found.Close()

	model, explainer := modeltest.New(t, modeltest.Options{}), modeltest.New(t, modeltest.Options{})
	dir := write(t, map[string]string{"p.yaml": head + one + "- {name: why, method: explain, request: {data: {ndarray: [[1, 2]]}}, expect: {jsonData: {precision: {$any: true}, anchor: {$any: true}}}}\n"})
	file, err := checks.Read(filepath.Join(dir, "p.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	target := predict.Target{Options: seldonclient.Options{Target: seldonclient.Target{Endpoint: model.URL}}, Explainer: explainer.URL}
	r, err := predict.Run(t.Context(), predict.Options{File: file, Targets: []predict.Target{target}, ReadyTimeout: 5 * time.Second})
	if err != nil || r.Outcome != report.Passed || explainer.Requests() == 0 {
		t.Errorf("%+v, error %v, %d requests of the explainer", r, err, explainer.Requests())
	}
	if last, _ := model.Last(); strings.Contains(last.URL.Path, "explain") {
		t.Errorf("the model was asked at %s", last.URL.Path)
	}
}
