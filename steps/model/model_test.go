package model_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/model"
	"github.com/model-delivery/model-delivery/steps/step"
)

const (
	digest   = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	manifest = `apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: news}
spec:
  predictors:
  - graph: {name: transformer}
    componentSpecs:
    - spec:
        containers:
        - {name: transformer, image: registry:5000/transformer:1}
        - {name: classifier, image: "IMAGE"}
`
)

// clone is a git work tree that tests commit to.
type clone struct {
	t   *testing.T
	dir string
}

func newClone(t *testing.T) clone {
	t.Helper()
	c := clone{t, t.TempDir()}
	c.git("init", "--quiet", "--initial-branch=main")
	return c
}

func (c clone) git(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes the files, removes those with the content "-", and commits.
func (c clone) commit(message string, files map[string]string) string {
	c.t.Helper()
	for name, content := range files {
		path := filepath.Join(c.dir, name)
		if content == "-" {
			if err := os.RemoveAll(path); err != nil {
				c.t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
	c.git("add", "--all")
	c.git("commit", "--quiet", "--allow-empty", "--message", message)
	return c.git("rev-parse", "HEAD")
}

// run executes a step and returns its exit code, its results and what it said.
func run(t *testing.T, cmd *step.Command, args ...string) (int, map[string]any, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := step.Execute(t.Context(), cmd, append(args, "--results-dir="), func(string) string { return "" }, &stdout, &stderr)
	results := map[string]any{}
	if line := strings.TrimSpace(stdout.String()); line != "" {
		if err := json.Unmarshal([]byte(line), &results); err != nil {
			t.Fatalf("results %q: %v", line, err)
		}
	}
	return code, results, stderr.String()
}

func TestFindChanges(t *testing.T) {
	t.Parallel()
	repo := newClone(t)
	first := repo.commit("first", map[string]string{
		"models/news_classifier/Makefile": "test:", "models/image-classifier/Makefile": "test:",
		"models/image-classifier/m.py": "", "models/builder/Dockerfile": "FROM x", "README.md": "",
	})
	second := repo.commit("one model, and what is no model", map[string]string{
		"models/news_classifier/a/b.py": "1", "models/builder/Dockerfile": "FROM y", "README.md": "1", "models/note": "1",
	})
	third := repo.commit("one model goes, a file of another moves", map[string]string{
		"models/news_classifier": "-", "models/image-classifier/m.py": "-", "models/image-classifier/n.py": "",
	})
	for _, tc := range []struct {
		name          string
		checkout      string
		before, after string
		models        string
		want          []string
	}{
		{"a changed model", second, first, second, "", []string{"news_classifier"}},
		{"the commit checked out is the default", second, first, "", "", []string{"news_classifier"}},
		{"a deleted model is not delivered", third, second, third, "", []string{"image-classifier"}},
		{"several commits", third, first, third, "", []string{"image-classifier"}},
		{"nothing changed", second, second, second, "", nil},
		{"a new branch", second, strings.Repeat("0", 40), second, "", []string{"image-classifier", "news_classifier"}},
		{"no commit before", second, "", second, "", []string{"image-classifier", "news_classifier"}},
		{"a commit that is not in the clone", second, strings.Repeat("a", 40), second, "", []string{"image-classifier", "news_classifier"}},
		{"an option is no commit", second, "--help", second, "", []string{"image-classifier", "news_classifier"}},
		{"all", second, second, second, "all", []string{"image-classifier", "news_classifier"}},
		{"by name", second, second, second, "news_classifier, news_classifier", []string{"news_classifier"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			repo.git("checkout", "--quiet", "--detach", tc.checkout)
			got, err := model.FindChanges(t.Context(), model.ChangesOptions{
				RepositoryDir: repo.dir, ModelsDir: "models", Before: tc.before, After: tc.after, Models: tc.models,
			})
			if err != nil || !slices.Equal(got.Models, tc.want) {
				t.Errorf("%v, %v (%s), want %v", got.Models, err, got.Reason, tc.want)
			}
		})
	}
	for _, tc := range []struct{ name, modelsDir, after, models string }{
		{"a model that is not there", "models", "", "other"},
		{"a commit that is not there", "models", "nothing", ""},
		{"a directory outside", "../models", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := model.ChangesOptions{RepositoryDir: repo.dir, ModelsDir: tc.modelsDir, Before: first, After: tc.after, Models: tc.models}
			if got, err := model.FindChanges(t.Context(), o); step.ExitCode(err) != step.ExitInvalid {
				t.Errorf("%v, %v, want invalid input", got, err)
			}
		})
	}
}

func TestShallowCloneTakesEveryModel(t *testing.T) {
	t.Parallel()
	repo := newClone(t)
	first := repo.commit("first", map[string]string{"models/a/Makefile": "", "models/b/Makefile": ""})
	repo.commit("second", map[string]string{"models/a/x": ""})
	shallow := clone{t, t.TempDir()}
	shallow.git("clone", "--quiet", "--depth=1", "file://"+repo.dir, ".")
	code, results, stderr := run(t, model.ChangesCommand(), "--repository-dir", shallow.dir, "--before", first)
	if code != 0 || results["count"] != "2" || !strings.Contains(stderr, "a, b") {
		t.Errorf("exit code %d, results %v, %s", code, results, stderr)
	}
}

func TestNoModelsAreAnEmptyArray(t *testing.T) {
	t.Parallel()
	repo := newClone(t)
	repo.commit("first", map[string]string{"README.md": ""})
	code, results, _ := run(t, model.ChangesCommand(), "--repository-dir", repo.dir)
	if models, ok := results["models"].([]any); code != 0 || !ok || len(models) != 0 || results["count"] != "0" {
		t.Errorf("exit code %d, results %v", code, results)
	}
}

func TestListRefusesNamesAndLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := t.TempDir()
	for _, d := range []string{filepath.Join(dir, "good"), outside} {
		os.MkdirAll(d, 0o755)
		os.WriteFile(filepath.Join(d, "Makefile"), nil, 0o644)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if got, err := model.List(dir); err != nil || !slices.Equal(got, []string{"good"}) {
		t.Errorf("%v, %v, want only good", got, err)
	}
	os.MkdirAll(filepath.Join(dir, "Bad\nName"), 0o755)
	os.WriteFile(filepath.Join(dir, "Bad\nName", "Makefile"), nil, 0o644)
	if got, err := model.List(dir); step.ExitCode(err) != step.ExitInvalid {
		t.Errorf("%v, %v, want invalid input", got, err)
	}
}

func TestParseRelease(t *testing.T) {
	t.Parallel()
	image := "172.18.0.1:5000/models/news-classifier:v1@" + digest
	commit := strings.Repeat("c", 40)
	for _, want := range []model.Release{
		{Model: "news_classifier", Image: image},
		{Model: "news_classifier", Image: image, Source: commit},
		{Model: "n", Image: "n@" + digest, Deployment: "d", Source: commit, Commit: commit},
	} {
		got, err := model.ParseRelease(want.String())
		if err != nil || got != want || got.Digest() != digest {
			t.Errorf("%q: %+v, %v", want.String(), got, err)
		}
	}
	for _, text := range []string{
		"", "n", "n=", "n=image:tag", "=" + image, "N=" + image, "n=$(x)@" + digest, "n=" + image + "\n",
		"n=" + image + ";source=main", "n=" + image + ";deployment=a/b", "n=" + image + ";other=" + commit, "n=" + image + ";source=",
	} {
		got, err := model.ParseRelease(text)
		if step.ExitCode(err) != step.ExitInvalid {
			t.Errorf("%q: %+v, %v, want invalid input", text, got, err)
		}
	}
}

func FuzzParseRelease(f *testing.F) {
	f.Add("news_classifier=registry/news:v1@" + digest + ";source=0123456;commit=0123456")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := model.ParseRelease(text)
		if err != nil {
			return
		}
		again, err := model.ParseRelease(r.String())
		if err != nil || again != r {
			t.Errorf("%q: %+v, then %+v, %v", text, r, again, err)
		}
	})
}

func TestFindDeployment(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, files, want, invalid string }{
		{"the container whose image is called like the model", strings.Replace(manifest, "IMAGE", "r/news:1@"+digest, 1), "news classifier r/news:1@" + digest, ""},
		{"else the one that the graph starts with", manifest, "news transformer registry:5000/transformer:1", ""},
		{"among others", "kind: ConfigMap\n---\n" + manifest, "news transformer registry:5000/transformer:1", ""},
		{"none", "kind: ConfigMap", "", "no SeldonDeployment"},
		{"two", manifest + "---\n" + manifest, "", "2 SeldonDeployments"},
		{"no name", "kind: SeldonDeployment", "", "has no name"},
		{"not YAML", "kind: [", "", "m.yaml"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "m.yaml"), []byte(tc.files), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := model.FindDeployment(dir, "news")
			if tc.invalid != "" {
				if step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), tc.invalid) {
					t.Errorf("%v, want invalid: %s", err, tc.invalid)
				}
				return
			}
			if text := strings.Join([]string{got.Name, got.Container, got.Image}, " "); err != nil || text != tc.want {
				t.Errorf("%q, %v, want %q", text, err, tc.want)
			}
		})
	}
}

func TestReleaseShow(t *testing.T) {
	t.Parallel()
	repo := newClone(t)
	repo.commit("first", map[string]string{
		"models/news_classifier/Makefile": "", "models/news_classifier/charts/m.yaml": strings.Replace(manifest, "IMAGE", "news-classifier:dev", 1),
	})
	image := "r/x:1@" + digest
	for _, name := range []string{"news_classifier", "news-classifier"} {
		code, results, stderr := run(t, model.ReleaseCommand(), "show", "--repository-dir", repo.dir, "--release", name+"="+image+";source=0123456")
		want := map[string]any{
			"release": name + "=" + image + ";deployment=news;source=0123456", "model": "news-classifier", "model-dir": "models/news_classifier", "image": image,
			"digest": digest, "container": "classifier", "image-pin": "classifier=" + image, "deployment": "news", "source-commit": "0123456", "commit": "",
		}
		for key := range want {
			if results[key] != want[key] {
				t.Errorf("%s: exit code %d, %s is %v, want %v (%s)", name, code, key, results[key], want[key], stderr)
			}
		}
	}
	// Without a clone the parts given stand alone, and nothing at all is fine too.
	code, results, _ := run(t, model.ReleaseCommand(), "show", "--repository-dir", t.TempDir(), "--deployment", "other")
	if code != 0 || results["deployment"] != "other" || results["release"] != "" || results["image-pin"] != "" {
		t.Errorf("exit code %d, results %v", code, results)
	}
	if code, _, _ := run(t, model.ReleaseCommand(), "show", "--repository-dir", repo.dir, "--release", "other="+image); code != step.ExitInvalid {
		t.Errorf("a model that is not there: exit code %d", code)
	}
}

func TestReleaseFind(t *testing.T) {
	t.Parallel()
	repo := newClone(t)
	pinned := func(image string) string { return strings.Replace(manifest, "IMAGE", image+"@"+digest, 1) }
	first := repo.commit("first", map[string]string{
		"staging/news/m.yaml": pinned("r/news:1"), "production/news/m.yaml": pinned("r/news:1"), "production/README.md": "",
	})
	repo.git("checkout", "--quiet", "-b", "promote")
	repo.commit("promote news\n\nModel: news\nSource-Commit: 1111111111111111111111111111111111111111\nImage: x", map[string]string{"production/news/m.yaml": pinned("r/news:2")})
	repo.git("checkout", "--quiet", "main")
	staging := repo.commit("staging only\n\nSource-Commit: 2222222222222222222222222222222222222222", map[string]string{"staging/news/m.yaml": pinned("r/news:3")})
	repo.git("merge", "--quiet", "--no-ff", "--message", "merge", "promote")
	merged := repo.git("rev-parse", "HEAD")

	code, results, stderr := run(t, model.ReleaseCommand(), "find", "--repository-dir", repo.dir, "--before", staging)
	want := "news=r/news:2@" + digest + ";deployment=news;source=1111111111111111111111111111111111111111;commit=" + merged
	if got, _ := results["releases"].([]any); code != 0 || len(got) != 1 || got[0] != want || results["count"] != "1" {
		t.Errorf("exit code %d, results %v, want %s (%s)", code, results, want, stderr)
	}
	code, results, _ = run(t, model.ReleaseCommand(), "find", "--repository-dir", repo.dir, "--before", first, "--after", staging)
	if got, _ := results["releases"].([]any); code != 0 || len(got) != 0 {
		t.Errorf("a change of staging only: exit code %d, results %v", code, results)
	}
	if code, _, stderr := run(t, model.ReleaseCommand(), "find", "--repository-dir", repo.dir, "--after", first); code != step.ExitInvalid || !strings.Contains(stderr, "Source-Commit") {
		t.Errorf("no trailer: exit code %d, %s", code, stderr)
	}
}
