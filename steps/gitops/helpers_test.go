package gitops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/git/gittest"
	"github.com/model-delivery/model-delivery/steps/gitops"
	"github.com/model-delivery/model-delivery/steps/gitops/evidence"
	"github.com/model-delivery/model-delivery/steps/gitops/pin"
	"github.com/model-delivery/model-delivery/steps/gitops/source"
	"github.com/model-delivery/model-delivery/steps/step"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

const manifest = `# The model.
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: news}   # flow style stays
spec:
  predictors:
  - name: default
    componentSpecs:
    - spec:
        containers:
        - name: classifier
          image: "news:dev"  # pinned when promoted

        - image: sidecar:1
          name: sidecar
`

// environments makes a bare GitOps repository with another model in it and
// returns its path.
func environments(t testing.TB) string {
	t.Helper()
	return gittest.Bare(t, "gitops.git", map[string]string{
		"README.md":              "crlf\r\nno newline at the end",
		"staging/other/x.yaml":   "a:   1\n",
		"staging/news/gone.yaml": "old\n",
	})
}

// manifests makes a directory that can be promoted.
func manifests(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	gittest.Write(t, filepath.Join(dir, "news.yaml"), manifest)
	gittest.Write(t, filepath.Join(dir, "docs/note.txt"), "note\n")
	return dir
}

// promote runs gitops-promote.
func promote(t *testing.T, args ...string) (code int, results map[string]string, stderr string) {
	t.Helper()
	return run(t, gitops.PromoteCommand(), args...)
}

func run(t *testing.T, cmd *step.Command, args ...string) (code int, results map[string]string, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = step.Execute(t.Context(), cmd, append([]string{"--allow-file"}, args...), func(string) string { return "" }, &out, &errOut)
	var all map[string]any
	if line := bytes.TrimSpace(out.Bytes()); len(line) > 0 {
		if err := json.Unmarshal(line, &all); err != nil {
			t.Fatalf("results %q: %v", out.String(), err)
		}
	}
	results = map[string]string{}
	for name, value := range all {
		if text, ok := value.(string); ok {
			results[name] = text
		}
	}
	return code, results, errOut.String()
}

// memoryForge keeps pull requests in memory and fails when told to.
type memoryForge struct {
	pulls     []forge.PullRequest
	said      []string
	decorated []forge.PullRequestSpec
	merging   []forge.PullRequest
	// fail is asked before each call that changes something.
	fail func(call string) error
}

func (m *memoryForge) may(call string) error {
	if m.fail == nil {
		return nil
	}
	return m.fail(call)
}

func (m *memoryForge) PullRequests(_ context.Context, head, base string) ([]forge.PullRequest, error) {
	if err := m.may("list"); err != nil {
		return nil, err
	}
	var out []forge.PullRequest
	for _, pull := range m.pulls {
		if pull.Open && pull.Head == head && pull.Base == base {
			out = append(out, pull)
		}
	}
	return out, nil
}

func (m *memoryForge) CreatePullRequest(_ context.Context, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	if err := m.may("create"); err != nil {
		return forge.PullRequest{}, err
	}
	pull := forge.PullRequest{Number: int64(len(m.pulls) + 1), URL: "https://forge/1", Head: spec.Head, Base: spec.Base, Title: spec.Title, Body: spec.Body, Open: true, Draft: spec.Draft}
	m.pulls = append(m.pulls, pull)
	return pull, nil
}

func (m *memoryForge) UpdatePullRequest(_ context.Context, number int64, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	if err := m.may("update"); err != nil {
		return forge.PullRequest{}, err
	}
	pull := &m.pulls[number-1]
	pull.Title, pull.Body, pull.Draft = spec.Title, spec.Body, spec.Draft
	return *pull, nil
}

func (m *memoryForge) Decorate(_ context.Context, _ forge.PullRequest, spec forge.PullRequestSpec) error {
	if err := m.may("decorate"); err != nil {
		return err
	}
	m.decorated = append(m.decorated, spec)
	return nil
}

func (m *memoryForge) ClosePullRequest(_ context.Context, number int64) error {
	if err := m.may("close"); err != nil {
		return err
	}
	m.pulls[number-1].Open = false
	return nil
}

func (m *memoryForge) AddComment(_ context.Context, _ int64, body string) error {
	if err := m.may("comment"); err != nil {
		return err
	}
	m.said = append(m.said, body)
	return nil
}

func (m *memoryForge) AutoMerge(_ context.Context, pull forge.PullRequest) error {
	if err := m.may("auto-merge"); err != nil {
		return err
	}
	m.merging = append(m.merging, pull)
	return nil
}

func (m *memoryForge) Limits() forge.Limits {
	return forge.Limits{Title: 255, Body: 65_000, Comment: 65_000, Description: 140}
}

// open lists the numbers of the open pull requests.
func (m *memoryForge) open() []int64 {
	var numbers []int64
	for _, pull := range m.pulls {
		if pull.Open {
			numbers = append(numbers, pull.Number)
		}
	}
	return slices.Clip(numbers)
}

// viaPullRequest is a promotion of an image to production.
func viaPullRequest(t testing.TB, bare, digest string, f gitops.PullRequests) gitops.Promotion {
	t.Helper()
	files, err := source.Load(manifests(t), nil, source.Rules{Kinds: source.DefaultKinds()})
	if err != nil {
		t.Fatal(err)
	}
	image := "r/news@" + digest
	p, err := pin.Parse("classifier=" + image)
	if err != nil {
		t.Fatal(err)
	}
	if files, err = pin.Apply(files, []pin.Pin{p}); err != nil {
		t.Fatal(err)
	}
	return gitops.Promotion{
		Repository: bare, Branch: "main", Environment: "production", Model: "news", Target: "production/news", Files: files,
		Strategy: gitops.ViaPullRequest, Forge: f, Logf: t.Logf,
		Evidence: evidence.Promotion{Model: "news", Environment: "production", Images: []string{image}},
		Git:      git.Options{AllowFile: true, Author: git.Identity{Name: "bot", Email: "bot@localhost"}},
	}
}
