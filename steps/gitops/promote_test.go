package gitops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/gitops"
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

func sh(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Human", "GIT_AUTHOR_EMAIL=h@example.com", "GIT_COMMITTER_NAME=Human", "GIT_COMMITTER_EMAIL=h@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// environments makes a bare GitOps repository with another model in it and
// returns its path.
func environments(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	bare, work := filepath.Join(dir, "gitops.git"), filepath.Join(dir, "work")
	sh(t, "", "git", "init", "--quiet", "--bare", "--initial-branch=main", bare)
	sh(t, bare, "git", "config", "uploadpack.allowFilter", "true")
	sh(t, "", "git", "clone", "--quiet", bare, work)
	write(t, filepath.Join(work, "README.md"), "crlf\r\nno newline at the end")
	write(t, filepath.Join(work, "staging/other/x.yaml"), "a:   1\n")
	write(t, filepath.Join(work, "staging/news/gone.yaml"), "old\n")
	sh(t, work, "git", "add", "-A")
	sh(t, work, "git", "-c", "core.autocrlf=false", "commit", "--quiet", "-m", "start")
	sh(t, work, "git", "push", "--quiet", "origin", "HEAD:refs/heads/main")
	return bare
}

// source makes a directory of manifests.
func source(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "news.yaml"), manifest)
	write(t, filepath.Join(dir, "docs/note.txt"), "note\n")
	return dir
}

func promote(t *testing.T, args ...string) (code int, results map[string]string, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = step.Execute(t.Context(), gitops.PromoteCommand(), append([]string{"--allow-file"}, args...), func(string) string { return "" }, &out, &errOut)
	if code == 0 {
		if err := json.Unmarshal(out.Bytes(), &results); err != nil {
			t.Fatalf("results %q: %v", out.String(), err)
		}
	}
	return code, results, errOut.String()
}

func TestPromoteByPush(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	before := sh(t, bare, "git", "rev-parse", "main")
	args := []string{"--repository=" + bare, "--environment=staging", "--model=news", "--source=" + source(t),
		"--image=classifier=registry/news@" + digestA, "--source-commit=0123456789abcdef0123456789abcdef01234567", "--pipeline-run=run-1"}
	code, results, stderr := promote(t, args...)
	if code != 0 || results["changed"] != "true" || results["branch"] != "main" {
		t.Fatalf("exit code %d, results %v\n%s", code, results, stderr)
	}
	if head := sh(t, bare, "git", "rev-parse", "main"); head != results["commit"] {
		t.Errorf("main is at %s, the result says %s", head, results["commit"])
	}
	if got, want := sh(t, bare, "git", "diff", "--name-status", before, "main"), "A\tstaging/news/docs/note.txt\nD\tstaging/news/gone.yaml\nA\tstaging/news/news.yaml"; got != want {
		t.Errorf("changed:\n%s\nwant:\n%s", got, want)
	}
	want := strings.Replace(manifest, `"news:dev"`, `"registry/news@`+digestA+`"`, 1)
	if got := sh(t, bare, "git", "show", "main:staging/news/news.yaml") + "\n"; got != want {
		t.Errorf("manifest:\n%s\nwant:\n%s", got, want)
	}
	message := sh(t, bare, "git", "log", "-1", "--format=%an <%ae>%n%B", "main")
	for _, want := range []string{"model-delivery <model-delivery@localhost>", "Promote news to staging (0123456789ab)", "Source-Commit: 0123456789abcdef0123456789abcdef01234567",
		"Image: registry/news@" + digestA, "Pipeline-Run: run-1", "Model: news"} {
		if !strings.Contains(message, want) {
			t.Errorf("the commit's message lacks %q:\n%s", want, message)
		}
	}

	code, again, stderr := promote(t, args...)
	if code != 0 || again["changed"] != "false" || again["commit"] != results["commit"] {
		t.Errorf("again: exit code %d, results %v\n%s", code, again, stderr)
	}
}

func TestManyAtOnceAllLand(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	src := source(t)
	const many = 8
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			code, results, stderr := promote(t, "--repository="+bare, "--environment=staging", fmt.Sprintf("--model=news-%d", i), "--source="+src)
			if code != 0 || results["changed"] != "true" {
				t.Errorf("promotion %d: exit code %d, %v\n%s", i, code, results, stderr)
			}
		})
	}
	wg.Wait()
	if got := sh(t, bare, "git", "rev-list", "--count", "main"); got != fmt.Sprint(many+1) {
		t.Errorf("%s commits, want %d", got, many+1)
	}
	if got := sh(t, bare, "git", "ls-tree", "-d", "--name-only", "main:staging"); strings.Count(got, "news-") != many {
		t.Errorf("models in staging:\n%s", got)
	}
}

func TestRefusedSources(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		make func(dir string) error
		args []string
		want string
	}{
		{"a symbolic link", func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "x.yaml")) }, nil, `"x.yaml" is no regular file`},
		{"a linked directory", func(dir string) error { return os.Symlink("/etc", filepath.Join(dir, "etc")) }, nil, "is no regular file"},
		{"git attributes", file(".gitattributes", "* filter=x\n"), nil, "git gives a meaning to"},
		{"git's directory in capitals", file("sub/.GIT/config", "x"), nil, "git gives a meaning to"},
		{"git's directory with an invisible letter", file(".g\u200cit/config", "x"), nil, "git gives a meaning to"},
		{"a name with a newline", file("a\nb.yaml", "x"), nil, "a character in its name"},
		{"names that differ in case", func(dir string) error {
			return errors.Join(file("A.txt", "")(dir), file("a.txt", "")(dir))
		}, nil, "differs from"},
		{"a huge file", file("big.bin", strings.Repeat("x", 2<<20)), nil, "more than 1048576 bytes"},
		{"rights", file("rb.yaml", "kind: ClusterRoleBinding\n"), nil, "has a ClusterRoleBinding"},
		{"rights in a second document", file("two.yaml", "kind: Service\n---\nkind: Role\n"), nil, "has a Role"},
		{"another namespace", file("s.yaml", "kind: Service\nmetadata: {namespace: kube-system}\n"), []string{"--namespace=staging"}, "in namespace kube-system"},
		{"broken YAML", file("s.yaml", "a: [\n"), nil, `"s.yaml"`},
		{"an image that no container takes", file("x.txt", ""), []string{"--image=nobody=r/x@" + digestA}, "no container takes"},
		{"an image without a digest", file("x.txt", ""), []string{"--image=classifier=r/x:v1"}, "not pinned by digest"},
		{"a target outside", file("x.txt", ""), []string{"--path=../{model}"}, "not a directory that a model can be promoted to"},
		{"git's directory for a target", file("x.txt", ""), []string{"--path=.git/{model}"}, "not a directory that a model can be promoted to"},
		{"a branch that is an option", file("x.txt", ""), []string{"--branch=--upload-pack=x"}, "not the name of a branch"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			bare, src := environments(t), source(t)
			before := sh(t, bare, "git", "for-each-ref")
			if err := tc.make(src); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"--repository=" + bare, "--environment=staging", "--model=news", "--source=" + src}, tc.args...)
			code, _, stderr := promote(t, args...)
			if code != 2 || !strings.Contains(stderr, tc.want) {
				t.Errorf("exit code %d, want 2 and %q:\n%s", code, tc.want, stderr)
			}
			if after := sh(t, bare, "git", "for-each-ref"); after != before {
				t.Errorf("something was pushed:\n%s", after)
			}
		})
	}
}

func file(name, text string) func(string) error {
	return func(dir string) error {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(text), 0o644)
	}
}

func TestLinkInTheRepositoryIsNotFollowed(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	work := filepath.Join(t.TempDir(), "work")
	sh(t, "", "git", "clone", "--quiet", bare, work)
	if err := os.Symlink("/tmp", filepath.Join(work, "production")); err != nil {
		t.Fatal(err)
	}
	sh(t, work, "git", "add", "-A")
	sh(t, work, "git", "commit", "--quiet", "-m", "link")
	sh(t, work, "git", "push", "--quiet", "origin", "HEAD:refs/heads/main")
	code, results, stderr := promote(t, "--repository="+bare, "--environment=production", "--model=news", "--source="+source(t))
	if code == 0 {
		// Git replaces the link by a directory, in the repository alone.
		t.Errorf("exit code 0, %v\n%s", results, stderr)
	}
}

func TestAProtectedBranchIsNotPushedToAgain(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	log := filepath.Join(t.TempDir(), "log")
	hook := filepath.Join(bare, "hooks", "pre-receive")
	write(t, hook, "#!/bin/sh\necho tried >> "+log+"\necho protected branch >&2\nexit 1\n")
	if err := os.Chmod(hook, 0o755); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := promote(t, "--repository="+bare, "--environment=staging", "--model=news", "--source="+source(t))
	tried, err := os.ReadFile(log)
	if code != 1 || err != nil || string(tried) != "tried\n" || !strings.Contains(stderr, "hint: the branch is protected") {
		t.Errorf("exit code %d, tried %q, %v\n%s", code, tried, err, stderr)
	}
}

// memoryForge keeps pull requests in memory and fails when told to.
type memoryForge struct {
	pulls []forge.PullRequest
	fail  error
	said  []string
}

func (m *memoryForge) PullRequests(_ context.Context, head, base string) ([]forge.PullRequest, error) {
	var out []forge.PullRequest
	for _, pull := range m.pulls {
		if pull.Open && pull.Head == head && pull.Base == base {
			out = append(out, pull)
		}
	}
	return out, nil
}

func (m *memoryForge) CreatePullRequest(_ context.Context, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	if m.fail != nil {
		return forge.PullRequest{}, m.fail
	}
	pull := forge.PullRequest{Number: int64(len(m.pulls) + 1), URL: "https://forge/1", Head: spec.Head, Base: spec.Base, Title: spec.Title, Body: spec.Body, Open: true}
	m.pulls = append(m.pulls, pull)
	return pull, nil
}

func (m *memoryForge) UpdatePullRequest(_ context.Context, number int64, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	m.pulls[number-1].Title, m.pulls[number-1].Body = spec.Title, spec.Body
	return m.pulls[number-1], nil
}

func (m *memoryForge) ClosePullRequest(_ context.Context, number int64, comment string) error {
	m.pulls[number-1].Open = false
	m.said = append(m.said, comment)
	return nil
}

func viaPullRequest(t *testing.T, bare, digest string, f gitops.PullRequests) gitops.Promotion {
	t.Helper()
	files, err := gitops.LoadSource(source(t), gitops.SourceRules{Kinds: gitops.DefaultKinds})
	if err != nil {
		t.Fatal(err)
	}
	image := "r/news@" + digest
	if files, err = gitops.PinImages(files, []gitops.ImagePin{{Container: "classifier", Image: image}}); err != nil {
		t.Fatal(err)
	}
	return gitops.Promotion{
		Repository: bare, Branch: "main", Environment: "production", Model: "news", Target: "production/news", Files: files,
		Strategy: gitops.ViaPullRequest, Forge: f, Logf: t.Logf,
		Message: gitops.Message{Model: "news", Environment: "production", Images: []string{image}},
		Git:     git.Options{AllowFile: true, UntrustedTree: true, Author: git.Identity{Name: "bot", Email: "bot@localhost"}},
	}
}

// The pull request cannot be opened, the run is repeated: it must converge.
func TestPullRequestConverges(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	f := &memoryForge{fail: errors.New("500")}
	if _, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f)); err == nil {
		t.Fatal("no error although the forge failed")
	}
	f.fail = nil
	first, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f))
	if err != nil || !first.Changed || first.PullRequest == nil {
		t.Fatalf("after the failure: %+v, %v", first, err)
	}
	second, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f))
	if err != nil || second.Changed || second.Commit != first.Commit || len(f.pulls) != 1 {
		t.Fatalf("again: %+v, %v, %d pull requests", second, err, len(f.pulls))
	}
	third, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestB, f))
	if err != nil || !third.Changed || third.Commit == first.Commit || len(f.pulls) != 1 || !strings.Contains(f.pulls[0].Body, digestB) {
		t.Fatalf("another image: %+v, %v, %d pull requests", third, err, len(f.pulls))
	}
	sh(t, bare, "git", "update-ref", "refs/heads/main", third.Commit) // merged
	f.pulls[0].Open = true                                            // the forge is late to notice
	fourth, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestB, f))
	if err != nil || fourth.Changed || f.pulls[0].Open || len(f.said) != 1 {
		t.Fatalf("nothing left: %+v, %v, %+v", fourth, err, f.pulls)
	}
}

func TestAHumansCommitIsNotOverwritten(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	f := &memoryForge{}
	if _, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f)); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(t.TempDir(), "work")
	sh(t, "", "git", "clone", "--quiet", "--branch=promote/production/news", bare, work)
	write(t, filepath.Join(work, "production/news/extra.txt"), "by hand\n")
	sh(t, work, "git", "add", "-A")
	sh(t, work, "git", "commit", "--quiet", "-m", "One more thing")
	sh(t, work, "git", "push", "--quiet", "origin", "HEAD")
	human := sh(t, work, "git", "rev-parse", "HEAD")
	_, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestB, f))
	if step.ExitCode(err) != step.ExitFailed || !strings.Contains(fmt.Sprint(err), "no promotion made") {
		t.Errorf("error %v", err)
	}
	if got := sh(t, bare, "git", "rev-parse", "promote/production/news"); got != human {
		t.Errorf("the branch is at %s, not at the human's %s", got, human)
	}
}
