package setup_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube/kubetest"
	"github.com/model-delivery/model-delivery/steps/kube/setup"
	"github.com/model-delivery/model-delivery/steps/step"
)

// tree writes files to a directory and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func plan(t *testing.T, dir string) *setup.Plan {
	t.Helper()
	file, err := setup.LoadFile(filepath.Join(dir, "setup.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := setup.NewPlan([]*setup.File{file}, "")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func configMap(name string) string {
	return "{apiVersion: v1, kind: ConfigMap, metadata: {name: " + name + "}}"
}

func deployment(name string) string {
	return "{apiVersion: apps/v1, kind: Deployment, metadata: {name: " + name + "}, spec: {replicas: 1}}"
}

// rollOut plays the controllers: what was applied becomes ready a moment later.
func rollOut(server *kubetest.Server, after time.Duration) func(*unstructured.Unstructured) {
	return func(obj *unstructured.Unstructured) {
		if obj.GetKind() != "Deployment" {
			return
		}
		time.AfterFunc(after, func() {
			obj.Object["status"] = map[string]any{
				"observedGeneration": obj.GetGeneration(), "replicas": int64(1), "updatedReplicas": int64(1), "readyReplicas": int64(1),
				"availableReplicas": int64(1), "conditions": []any{map[string]any{"type": "Available", "status": "True"}},
			}
			server.Put(obj)
		})
	}
}

func TestInstallEverySource(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, configMap("from-web")) }))
	defer web.Close()
	sum := sha256.Sum256([]byte(configMap("from-web")))
	dir := tree(t, map[string]string{
		"setup.yaml": header + `
- name: all
  namespace: shop
  manifests:
  - {file: one.yaml}
  - {directory: many}
  - {url: "` + web.URL + `/a.yaml", sha256: ` + hex.EncodeToString(sum[:]) + `}
- name: built
  kustomize: {path: kustom/overlay}
- name: charted
  chart:
    path: chart
    valuesFiles: [values.yaml]
    values: {second: inline, day: 2020-01-01}
`,
		"one.yaml":                          configMap("one"),
		"many/a.yaml":                       configMap("two"),
		"many/deep/b.json":                  `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "three"}}`,
		"kustom/base/kustomization.yaml":    "resources: [c.yaml]",
		"kustom/base/c.yaml":                configMap("c"),
		"kustom/overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: test-\nnamespace: built\n",
		"values.yaml":                       "first: file\nsecond: file\n",
		"chart/Chart.yaml":                  "{apiVersion: v2, name: c, version: 1.0.0}",
		"chart/values.yaml":                 "first: own\nsecond: own\nthird: own\n",
		"chart/templates/c.yaml":            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: values}\ndata: {all: '{{ .Values.first }} {{ .Values.second }} {{ .Values.third }} {{ .Values.day }} {{ .Capabilities.KubeVersion.Version }}'}\n",
	})
	server := kubetest.New(t)
	done, err := setup.Install(t.Context(), plan(t, dir), setup.Options{Client: server.Client(t), Timeout: 20 * time.Second})
	if err != nil || len(done) != 3 {
		t.Fatalf("%d entries installed, error %v", len(done), err)
	}
	for _, at := range []string{"shop/one", "shop/two", "shop/three", "shop/from-web", "built/test-c", "charted/values"} {
		namespace, name, _ := strings.Cut(at, "/")
		if server.Get("ConfigMap", namespace, name) == nil {
			t.Errorf("%s is not there", at)
		}
	}
	data := server.Get("ConfigMap", "charted", "values").Object["data"]
	if fmt.Sprint(data) != "map[all:file inline own 2020-01-01 v1.34.4]" {
		t.Errorf("the chart was rendered with %v", data)
	}
}

func TestInstallOrder(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"setup.yaml": header + `
- {name: after, needs: [slow], manifests: [{file: c.yaml}]}
- {name: slow, manifests: [{file: d.yaml}]}
- {name: aside, manifests: [{file: d.yaml}]}
`,
		"c.yaml": configMap("c"), "d.yaml": deployment("d"),
	})
	server := kubetest.New(t)
	server.OnApply = rollOut(server, 2*time.Second)
	start := time.Now()
	done, err := setup.Install(t.Context(), plan(t, dir), setup.Options{Client: server.Client(t), Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 2*time.Second || took > 3900*time.Millisecond {
		t.Errorf("took %s: slow and aside, two seconds each, should go side by side", took)
	}
	at := func(name string) int {
		return slices.IndexFunc(done, func(i setup.Installed) bool { return i.Name == name })
	}
	if len(done) != 3 || at("after") < at("slow") {
		t.Errorf("ready in order %v, want after later than slow", done)
	}
}

// An entry that uses what one before it defines waits for it without being told.
func TestInstallSeesWhoDefinesWhat(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"setup.yaml": header + "- {name: crds, manifests: [{file: crd.yaml}, {file: d.yaml}]}\n- {name: use, manifests: [{file: w.yaml}]}\n",
		"crd.yaml":   "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: ws.example.org}, spec: {group: example.org, scope: Namespaced, names: {kind: W, plural: ws}, versions: [{name: v1}]}}",
		"d.yaml":     deployment("d"),
		"w.yaml":     "{apiVersion: example.org/v1, kind: W, metadata: {name: w}}",
	})
	server := kubetest.New(t)
	server.OnApply = rollOut(server, 300*time.Millisecond)
	done, err := setup.Install(t.Context(), plan(t, dir), setup.Options{Client: server.Client(t), Timeout: 20 * time.Second})
	if err != nil || done[0].Name != "crds" || done[1].Name != "use" {
		t.Errorf("ready in order %v, error %v; want crds before use", done, err)
	}
}

func TestInstallRunsHooksInTurn(t *testing.T) {
	t.Parallel()
	job := func(name, hook string) string {
		return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: " + name + ", annotations: {helm.sh/hook: " + hook + "}}\n"
	}
	dir := tree(t, map[string]string{
		"setup.yaml":             header + "- {name: c, chart: {path: chart}}\n",
		"chart/Chart.yaml":       "{apiVersion: v2, name: c, version: 1.0.0}",
		"chart/templates/1.yaml": job("before", "pre-install"), "chart/templates/2.yaml": configMap("middle"), "chart/templates/3.yaml": job("after", "post-install"),
	})
	server := kubetest.New(t)
	server.OnApply = func(obj *unstructured.Unstructured) {
		if obj.GetKind() == "Job" {
			obj.Object["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Complete", "status": "True"}}}
			server.Put(obj)
		}
	}
	if _, err := setup.Install(t.Context(), plan(t, dir), setup.Options{Client: server.Client(t), Timeout: 20 * time.Second}); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, request := range server.Requests() {
		if strings.HasPrefix(request, "PATCH") && !strings.Contains(request, "PATCH /api/v1/namespaces/c") || strings.Contains(request, "configmaps") {
			order = append(order, request[strings.LastIndex(request, "/")+1:])
		}
	}
	if got := strings.Join(slices.Compact(order), " "); got != "before middle after" {
		t.Errorf("applied in order %s", got)
	}
}

func TestInstallFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files map[string]string
		code  int
		says  string
	}{
		"not ready, what needs it is not begun": {
			map[string]string{"setup.yaml": header + "- {name: a, timeout: 300ms, manifests: [{file: d.yaml}]}\n- {name: b, needs: [a], manifests: [{file: c.yaml}]}\n", "c.yaml": configMap("c"), "d.yaml": deployment("d")},
			step.ExitFailed, "entry a: 1 of 1 objects not ready",
		},
		"checksum of a file": {
			map[string]string{"setup.yaml": header + "- {name: a, manifests: [{file: c.yaml, sha256: " + strings.Repeat("0", 64) + "}]}\n", "c.yaml": configMap("c")},
			step.ExitInvalid, "is asked for",
		},
		"file is missing":    {map[string]string{"setup.yaml": header + "- {name: a, manifests: [{file: c.yaml}]}\n"}, step.ExitInvalid, "entry a: read c.yaml"},
		"file holds nothing": {map[string]string{"setup.yaml": header + "- {name: a, manifests: [{file: c.yaml}]}\n", "c.yaml": "# later\n"}, step.ExitInvalid, "holds no objects"},
		"path leads out":     {map[string]string{"setup.yaml": header + "- {name: a, manifests: [{file: ../c.yaml}]}\n"}, step.ExitInvalid, "leads out"},
		"kustomization from the network": {
			map[string]string{"setup.yaml": header + "- {name: a, kustomize: {path: k}}\n", "k/kustomization.yaml": "resources: ['https://example.org/x.yaml']"},
			step.ExitInvalid, "on the network",
		},
		"kustomization of another repository": {
			map[string]string{"setup.yaml": header + "- {name: a, kustomize: {path: k}}\n", "k/kustomization.yaml": "resources: ['github.com/example/x//config?ref=v1']"},
			step.ExitInvalid, "is not in the repository",
		},
		"kustomization leads out": {
			map[string]string{"setup.yaml": header + "- {name: a, kustomize: {path: k}}\n", "k/kustomization.yaml": "resources: [../../..]"},
			step.ExitInvalid, "kustomization k",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kubetest.New(t)
			done, err := setup.Install(t.Context(), plan(t, tree(t, test.files)), setup.Options{Client: server.Client(t), Timeout: 20 * time.Second})
			if step.ExitCode(err) != test.code || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v (code %d), want %q, code %d", err, step.ExitCode(err), test.says, test.code)
			}
			if len(done) > 0 || server.Get("ConfigMap", "b", "c") != nil {
				t.Error("something was installed all the same")
			}
		})
	}
}

func TestInstallReportsTheFailureAndNotItsConsequences(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"setup.yaml": header + "- {name: a, manifests: [{file: c.yaml}]}\n- {name: b, manifests: [{file: d.yaml}]}\n",
		"c.yaml":     configMap("c"), "d.yaml": deployment("d"),
	})
	server := kubetest.New(t)
	server.Refuse = func(method, path string) *metav1.Status {
		if method == "PATCH" && strings.Contains(path, "configmaps") {
			return &metav1.Status{Code: 422, Reason: metav1.StatusReasonInvalid, Message: "no such data"}
		}
		return nil
	}
	start := time.Now()
	_, err := setup.Install(t.Context(), plan(t, dir), setup.Options{Client: server.Client(t), Timeout: time.Minute})
	if err == nil || !strings.Contains(err.Error(), "no such data") || strings.Contains(err.Error(), "canceled") || time.Since(start) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}
