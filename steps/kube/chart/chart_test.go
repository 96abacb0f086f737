package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/kube/chart"
	"github.com/model-delivery/model-delivery/steps/step"
)

// files of the chart that the tests use.
func files(version string) map[string]string {
	return map[string]string{
		"Chart.yaml":             "{apiVersion: v2, name: shop, version: " + version + "}",
		"values.yaml":            "replicas: 1\nday: 2020-01-01\n",
		"templates/_helpers.tpl": `{{ define "title" }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}`,
		"templates/NOTES.txt":    "thank you",
		"templates/all.yaml": `
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ include "title" . }}}
data: {replicas: "{{ .Values.replicas }}", namespace: {{ .Release.Namespace }}, install: "{{ .Release.IsInstall }}"}
---
apiVersion: batch/v1
kind: Job
metadata: {name: late, annotations: {helm.sh/hook: post-install, helm.sh/hook-delete-policy: hook-succeeded}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: second, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "2"}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: first, annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: "-1"}}
---
apiVersion: v1
kind: Pod
metadata: {name: test, annotations: {helm.sh/hook: test}}
`,
		"crds/w.yaml": "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: w.example.org}}",
	}
}

func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	pack := tar.NewWriter(zip)
	for file, text := range files {
		if err := pack.WriteHeader(&tar.Header{Name: "shop/" + file, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(pack, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := pack.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// directory writes a chart to a directory and returns its root.
func directory(t *testing.T, files map[string]string) *os.Root {
	t.Helper()
	dir := t.TempDir()
	for file, text := range files {
		path := filepath.Join(dir, "shop", file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// repository serves versions of the chart over HTTP.
func repository(t *testing.T, versions ...string) string {
	t.Helper()
	mux := http.NewServeMux()
	index := "entries:\n  shop:\n"
	for _, version := range versions {
		data := archive(t, files(version))
		sum := sha256.Sum256(data)
		path := "/charts/shop-" + version + ".tgz"
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { w.Write(data) })
		index += fmt.Sprintf("  - {version: %q, digest: %s, urls: [charts/shop-%s.tgz]}\n", version, hex.EncodeToString(sum[:]), version)
	}
	mux.HandleFunc("/stable/index.yaml", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, index) })
	mux.HandleFunc("/stable/charts/", func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/stable")
		mux.ServeHTTP(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/stable"
}

// ociRegistry serves versions of the chart as a registry in plain HTTP.
func ociRegistry(t *testing.T, versions ...string) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	for _, version := range versions {
		push(t, host+"/charts/shop:"+strings.ReplaceAll(version, "+", "_"), static.NewLayer(archive(t, files(version)), "application/vnd.cncf.helm.chart.content.v1.tar+gzip"))
	}
	return "oci://" + host + "/charts"
}

func push(t *testing.T, reference string, layer v1.Layer) {
	t.Helper()
	image, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json"), layer)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
}

func TestFetchChoosesTheVersion(t *testing.T) {
	t.Parallel()
	versions := []string{"1.2.0", "1.10.0", "2.0.0-rc.1", "1.9.0"}
	web, oci := repository(t, versions...), ociRegistry(t, versions...)
	tests := map[string]string{"": "1.10.0", "1.2.0": "1.2.0", "~1.9": "1.9.0", ">=1.0.0 <1.10.0": "1.9.0", "2.0.0-rc.1": "2.0.0-rc.1"}
	for asked, want := range tests {
		for kind, source := range map[string]chart.Source{
			"repository": {Repository: web, Name: "shop", Version: asked},
			"OCI":        {OCI: oci, Name: "shop", Version: asked},
			"OCI, whole": {OCI: oci + "/shop", Version: asked},
		} {
			got, err := chart.Fetch(t.Context(), source, nil)
			if err != nil || got.Metadata.Version != want {
				t.Errorf("%s, version %q: got %v, error %v; want %s", kind, asked, got, err, want)
			}
		}
	}
}

func TestFetchSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	web, oci := repository(t, "1.0.0"), ociRegistry(t, "1.0.0")
	push(t, strings.TrimPrefix(oci, "oci://")+"/image:1", static.NewLayer([]byte("x"), types.OCILayer))
	closed := httptest.NewServer(nil)
	closed.Close()
	tests := map[string]struct {
		source chart.Source
		code   int
		says   string
	}{
		"no such chart":           {chart.Source{Repository: web, Name: "none", Version: "1.0.0"}, step.ExitInvalid, "no chart of that name"},
		"no such version":         {chart.Source{Repository: web, Name: "shop", Version: "3.0.0"}, step.ExitInvalid, "there are 1.0.0"},
		"no such version, OCI":    {chart.Source{OCI: oci, Name: "shop", Version: "3.0.0"}, step.ExitInvalid, "not in the registry"},
		"no index":                {chart.Source{Repository: web + "/x", Name: "shop", Version: "1.0.0"}, step.ExitInfra, "404"},
		"an image":                {chart.Source{OCI: oci, Name: "image", Version: "1"}, step.ExitInvalid, "no Helm chart"},
		"other checksum":          {chart.Source{Repository: web, Name: "shop", Version: "1.0.0", SHA256: strings.Repeat("0", 64)}, step.ExitInvalid, "is asked for"},
		"path out of its root":    {chart.Source{Path: "../shop"}, step.ExitInvalid, "escapes"},
		"directory without chart": {chart.Source{Path: "shop/templates"}, step.ExitInvalid, "Chart.yaml"},
	}
	root := directory(t, files("1.0.0"))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := chart.Fetch(t.Context(), test.source, root)
			if err == nil || step.ExitCode(err) != test.code || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v (code %d), want %q, code %d", err, step.ExitCode(err), test.says, test.code)
			}
		})
	}
}

func TestFetchStopsWhenTold(t *testing.T) {
	t.Parallel()
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := chart.Fetch(ctx, chart.Source{Repository: slow.URL, Name: "shop", Version: "1.0.0"}, nil); err == nil {
		t.Error("no error")
	}
}

func TestFetchDoesNotFollowLinksOut(t *testing.T) {
	t.Parallel()
	root := directory(t, files("1.0.0"))
	secret := filepath.Join(t.TempDir(), "secret.yaml")
	if err := os.WriteFile(secret, []byte("a: b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(root.Name(), "shop/templates/stolen.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := chart.Fetch(t.Context(), chart.Source{Path: "shop"}, root); step.ExitCode(err) != step.ExitInvalid {
		t.Errorf("error %v, want one with code 2", err)
	}
}

func TestDependenciesAreFetched(t *testing.T) {
	t.Parallel()
	web := repository(t, "1.0.0", "1.1.0")
	parent := map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies:\n- {name: shop, version: 1.x, repository: " + web + ", condition: shop.enabled}\n",
		"Chart.lock": "dependencies:\n- {name: shop, version: 1.0.0, repository: " + web + "}\ndigest: sha256:x\ngenerated: \"2020-01-01T00:00:00Z\"\n",
	}
	c, err := chart.Fetch(t.Context(), chart.Source{Path: "shop"}, directory(t, parent))
	if err != nil {
		t.Fatal(err)
	}
	for enabled, want := range map[bool]int{true: 1, false: 0} {
		release, err := chart.Render(chart.Clone(c), chart.RenderOptions{Release: "r", Namespace: "ns", Values: map[string]any{"shop": map[string]any{"enabled": enabled}}})
		if err != nil || len(release.Objects) != want {
			t.Errorf("enabled %v: %d objects, error %v; want %d", enabled, len(release.Objects), err, want)
		}
	}
	if version := c.Dependencies()[0].Metadata.Version; version != "1.0.0" {
		t.Errorf("got version %s of the dependency, the lock file says 1.0.0", version)
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	c, err := chart.Fetch(t.Context(), chart.Source{Path: "shop"}, directory(t, files("1.0.0")))
	if err != nil {
		t.Fatal(err)
	}
	release, err := chart.Render(c, chart.RenderOptions{Release: "r", Namespace: "ns", Values: map[string]any{"replicas": 3}})
	if err != nil {
		t.Fatal(err)
	}
	var before, after []string
	for _, hook := range release.Before {
		before = append(before, kube.Ref(hook.Object))
	}
	for _, hook := range release.After {
		after = append(after, fmt.Sprintf("%s delete-after=%v delete-before=%v", kube.Ref(hook.Object), hook.DeleteAfter, hook.DeleteBefore))
	}
	data := release.Objects[0].Object["data"]
	switch {
	case len(release.CRDs) != 1 || len(release.Objects) != 1:
		t.Errorf("%d definitions and %d objects, want 1 and 1", len(release.CRDs), len(release.Objects))
	case fmt.Sprint(data) != "map[install:true namespace:ns replicas:3]" || release.Objects[0].GetName() != "r-shop":
		t.Errorf("object %s has data %v", kube.Ref(release.Objects[0]), data)
	case strings.Join(before, ",") != "Job first,Job second":
		t.Errorf("hooks before: %v", before)
	case strings.Join(after, ",") != "Job late delete-after=true delete-before=false":
		t.Errorf("hooks after: %v", after)
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ file, text, says string }{
		"newer Kubernetes":   {"Chart.yaml", "{apiVersion: v2, name: shop, version: 1.0.0, kubeVersion: '>=9.0.0'}", "needs Kubernetes >=9.0.0"},
		"failing template":   {"templates/bad.yaml", `{{ required "say who" .Values.who }}`, "say who"},
		"schema":             {"values.schema.json", `{"properties": {"replicas": {"type": "string"}}}`, "replicas"},
		"no object rendered": {"templates/bad.yaml", "just: text", "apiVersion and kind"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := files("1.0.0")
			content[test.file] = test.text
			c, err := chart.Fetch(t.Context(), chart.Source{Path: "shop"}, directory(t, content))
			if err != nil {
				t.Fatal(err)
			}
			_, err = chart.Render(c, chart.RenderOptions{Release: "r", Namespace: "ns"})
			if step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v (code %d), want %q, code 2", err, step.ExitCode(err), test.says)
			}
		})
	}
}
