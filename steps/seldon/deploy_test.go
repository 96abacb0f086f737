package seldon_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
)

const manifest = `
apiVersion: machinelearning.seldon.io/v1alpha2
kind: SeldonDeployment
metadata: {name: news, namespace: elsewhere}
spec:
  predictors:
  - name: main
    replicas: 1
    graph: {name: classifier, type: MODEL}
    componentSpecs:
    - spec: {containers: [{name: classifier, image: "a:1"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
`

func TestDeploy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// The operator: a moment after the SeldonDeployment comes its Deployment, then its state.
	w.OnApply = func(obj *unstructured.Unstructured) {
		if obj.GetKind() != "SeldonDeployment" {
			return
		}
		if obj.GetAPIVersion() != "machinelearning.seldon.io/v1" {
			t.Errorf("applied as %s, which this cluster does not serve", obj.GetAPIVersion())
		}
		_, image, _ := strings.Cut(images(obj), "=")
		time.AfterFunc(200*time.Millisecond, func() {
			w.PutYAML(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: models, labels: {seldon-deployment-id: news}}
spec: {replicas: 1, template: {spec: {containers: [{name: classifier, image: "`+image+`"}]}}}
status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1}
`)
			obj.Object["status"] = map[string]any{"state": "Available", "deploymentStatus": map[string]any{"d": map[string]any{}}}
			w.Put(obj)
		})
	}
	statuses, err := seldon.Deploy(t.Context(), seldon.DeployOptions{
		Client: w.Client(t), Manifests: load(t, manifest), Images: map[string]string{"classifier": pinned}, Namespace: "models", Timeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := statuses[0].Predictors[0].Images["classifier"]; got != pinned || statuses[0].Namespace != "models" {
		t.Errorf("serves %s in namespace %s", got, statuses[0].Namespace)
	}
	if w.Get("ConfigMap", "models", "settings") == nil {
		t.Error("what the model needs beside was not applied")
	}
}

func TestDeployCommandRefusesBadInput(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"m.yaml": manifest})
	tests := map[string]struct {
		args []string
		says string
	}{
		"no manifests":        {nil, "--manifests is missing"},
		"no such manifests":   {[]string{"--manifests", filepath.Join(dir, "none")}, "manifests: "},
		"image without name":  {[]string{"--manifests", dir, "--image", "a:1"}, "CONTAINER=REFERENCE"},
		"image twice":         {[]string{"--manifests", dir, "--image", "classifier=a", "--image", "classifier=b"}, "given twice"},
		"no such kubeconfig":  {[]string{"--manifests", dir, "--kubeconfig", filepath.Join(dir, "none")}, "kubeconfig"},
		"unexpected argument": {[]string{"--manifests", dir, "more"}, "more"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			args := append(test.args, "--results-dir", t.TempDir())
			code := step.Execute(t.Context(), seldon.DeployCommand(), args, func(string) string { return "" }, &out, &errs)
			if code != step.ExitInvalid || !strings.Contains(errs.String(), test.says) {
				t.Errorf("exit code %d, errors %q; want 2 and %q", code, errs.String(), test.says)
			}
		})
	}
}
