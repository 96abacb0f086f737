package gitops_test

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/model-delivery/model-delivery/steps/git/gittest"
	"github.com/model-delivery/model-delivery/steps/kube/chart"
)

// A version: bumped where it stands, released as a chart, tagged, and told with
// what is new since the one before.
func TestVersions(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	charts := "oci://" + strings.TrimPrefix(server.URL, "http://") + "/charts"

	models := gittest.Bare(t, "models.git", map[string]string{
		"models/news/charts/Chart.yaml":           "apiVersion: v2\nname: news # the chart\nversion: 0.1.0 # bumped\nappVersion: \"0.1.0\"\n",
		"models/news/charts/values.yaml":          "image: news:dev\n",
		"models/news/charts/templates/model.yaml": "kind: SeldonDeployment\n",
		"models/news/charts/deploy/release.yaml":  "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  source: {chart: news, targetRevision: 0.1.0}\n",
	})
	first := gittest.Run(t, models, "git", "rev-parse", "main")
	gittest.Commit(t, models, "main", "Another thing", map[string]string{"models/other/x": "1\n"})
	second := gittest.Commit(t, models, "main", "Train with *more* data", map[string]string{"models/news/charts/data.txt": "more\n"})
	clone := gittest.Clone(t, models, "main")
	bare := environments(t)
	args := []string{"--repository=" + bare, "--environment=staging", "--model=news", "--source=" + filepath.Join(clone, "models/news/charts"), "--source-dir=" + clone,
		"--image=values.yaml:image=r/news@" + digestA, "--chart=" + charts, "--tag={model}-{version}", "--allow-kind=Application", "--allow-kind=SeldonDeployment"}

	gittest.Run(t, clone, "git", "checkout", "--quiet", first)
	if code, _, stderr := promote(t, append(args, "--model-version=1.0.0", "--source-commit="+first)...); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	gittest.Run(t, clone, "git", "checkout", "--quiet", second)
	last := append(args, "--model-version=1.1.0", "--source-commit="+second)
	code, results, stderr := promote(t, last...)
	if code != 0 || !strings.HasPrefix(results["chart"], charts+"/news:1.1.0@sha256:") {
		t.Fatalf("exit code %d, %v\n%s", code, results, stderr)
	}
	if got, want := gittest.Run(t, bare, "git", "show", "main:staging/news/Chart.yaml"), "apiVersion: v2\nname: news # the chart\nversion: 1.1.0 # bumped\nappVersion: \"1.1.0\""; got != want {
		t.Errorf("the chart is\n%s", got)
	}
	if got := gittest.Run(t, bare, "git", "show", "main:staging/news/deploy/release.yaml"); !strings.Contains(got, "{chart: news, targetRevision: 1.1.0}") {
		t.Errorf("what names the chart is\n%s", got)
	}
	tag := gittest.Run(t, bare, "git", "for-each-ref", "--format=%(*objectname) %(contents)", "refs/tags/news-1.1.0")
	if !strings.HasPrefix(tag, results["commit"]+" news 1.1.0") || !strings.Contains(tag, "- Train with *more* data") || strings.Contains(tag, "Another thing") {
		t.Errorf("the tag is %s", tag)
	}
	if message := gittest.Run(t, bare, "git", "log", "-1", "--format=%B", "main"); !strings.Contains(message, "Version: 1.1.0") || !strings.Contains(message, "Promote news to staging 1.1.0") {
		t.Errorf("the message is\n%s", message)
	}

	// What was released can be had as any chart.
	got, err := chart.Fetch(t.Context(), chart.Source{OCI: charts, Name: "news", Version: "1.1.0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Metadata.Version != "1.1.0" || got.Values["image"] != "r/news@"+digestA || len(got.Templates) != 1 {
		t.Errorf("the chart is %+v", got)
	}

	// The same again is nothing done; the same version with another content is refused.
	if code, again, stderr := promote(t, last...); code != 0 || again["changed"] != "false" || again["chart"] != results["chart"] {
		t.Errorf("again: exit code %d, %v\n%s", code, again, stderr)
	}
	if err := os.WriteFile(filepath.Join(clone, "models/news/charts/data.txt"), []byte("other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := promote(t, last...); code != 1 || !strings.Contains(stderr, "there already, with other content") {
		t.Errorf("another content: exit code %d\n%s", code, stderr)
	}
	for _, wrong := range [][]string{{"--model-version=latest"}, {"--model-version="}, {"--model-version=1.2.0", "--strategy=pull-request"}, {"--model-version=1.2.0", "--chart=https://x"}} {
		if code, _, stderr := promote(t, append(args, wrong...)...); code != 2 {
			t.Errorf("%v: exit code %d\n%s", wrong, code, stderr)
		}
	}
}
