package gitops_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/model-delivery/model-delivery/steps/git/gittest"
)

func TestPromoteByPush(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	before := gittest.Run(t, bare, "git", "rev-parse", "main")
	args := []string{"--repository=" + bare, "--environment=staging", "--model=news", "--source=" + manifests(t),
		"--image=classifier=registry/news@" + digestA, "--source-commit=0123456789abcdef0123456789abcdef01234567", "--pipeline-run=run-1"}
	code, results, stderr := promote(t, args...)
	if code != 0 || results["changed"] != "true" || results["branch"] != "main" {
		t.Fatalf("exit code %d, results %v\n%s", code, results, stderr)
	}
	if head := gittest.Run(t, bare, "git", "rev-parse", "main"); head != results["commit"] {
		t.Errorf("main is at %s, the result says %s", head, results["commit"])
	}
	if got, want := gittest.Run(t, bare, "git", "diff", "--name-status", before, "main"), "A\tstaging/news/docs/note.txt\nD\tstaging/news/gone.yaml\nA\tstaging/news/news.yaml"; got != want {
		t.Errorf("changed:\n%s\nwant:\n%s", got, want)
	}
	want := strings.Replace(manifest, `"news:dev"`, `"registry/news@`+digestA+`"`, 1)
	if got := gittest.Run(t, bare, "git", "show", "main:staging/news/news.yaml") + "\n"; got != want {
		t.Errorf("manifest:\n%s\nwant:\n%s", got, want)
	}
	message := gittest.Run(t, bare, "git", "log", "-1", "--format=%an <%ae>%n%B", "main")
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

func TestDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	before := gittest.Run(t, bare, "git", "for-each-ref")
	for _, strategy := range []string{"push", "pull-request"} {
		code, results, stderr := promote(t, "--repository="+bare, "--environment=staging", "--model=news", "--source="+manifests(t), "--strategy="+strategy, "--provider=none", "--dry-run")
		if code != 0 || results["changed"] != "true" || !strings.Contains(stderr, "+++ b/staging/news/news.yaml") || !strings.Contains(stderr, "-old") {
			t.Errorf("%s: exit code %d, results %v\n%s", strategy, code, results, stderr)
		}
	}
	if after := gittest.Run(t, bare, "git", "for-each-ref"); after != before {
		t.Errorf("something was pushed:\n%s", after)
	}
}

// Twenty promotions at once over HTTP: each lands once, none is lost.
func TestManyAtOnceAllLand(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	repository := gittest.Serve(t, bare, "", "")
	src := manifests(t)
	const many = 20
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			code, results, stderr := promote(t, "--repository="+repository, "--environment=staging", fmt.Sprintf("--model=news-%d", i), "--source="+src, fmt.Sprintf("--pipeline-run=run-%d", i))
			if code != 0 || results["changed"] != "true" {
				t.Errorf("promotion %d: exit code %d, %v\n%s", i, code, results, stderr)
			}
		})
	}
	wg.Wait()
	if got := gittest.Run(t, bare, "git", "rev-list", "--count", "main"); got != fmt.Sprint(many+1) {
		t.Errorf("%s commits, want %d", got, many+1)
	}
	if got := gittest.Run(t, bare, "git", "rev-list", "--min-parents=2", "main"); got != "" {
		t.Errorf("history is not straight: %s", got)
	}
	runs := gittest.Run(t, bare, "git", "log", "--format=%(trailers:key=Pipeline-Run,valueonly)", "main")
	for i := range many {
		if got := strings.Count("\n"+runs+"\n", fmt.Sprintf("\nrun-%d\n", i)); got != 1 {
			t.Errorf("run %d landed %d times", i, got)
		}
		gittest.Run(t, bare, "git", "cat-file", "-e", fmt.Sprintf("main:staging/news-%d/news.yaml", i))
	}
}

// What is refused before anything is pushed, with exit code 2.
func TestRefusedPromotions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, want string
		args       []string
	}{
		{"a source that is refused", "is one that git gives a meaning to", []string{"--source=DIR/hostile"}},
		{"no source", "no such file", []string{"--source=DIR/nothing"}},
		{"an image that no container takes", "no container takes", []string{"--image=nobody=r/x@" + digestA}},
		{"an image without a digest", "not pinned by digest", []string{"--image=classifier=r/x:v1"}},
		{"a target outside", "not a directory that a model can be promoted to", []string{"--path=../{model}"}},
		{"a target at the root of the machine", "not a directory that a model can be promoted to", []string{"--path=/etc/{model}"}},
		{"the whole repository", "not a directory that a model can be promoted to", []string{"--path=."}},
		{"git's directory for a target", "not a directory that a model can be promoted to", []string{"--path=.git/{model}"}},
		{"a model that is a path", "not the name of a branch", []string{"--model=../../x"}},
		{"a branch that is an option", "not the name of a branch", []string{"--branch=--upload-pack=x"}},
		{"a password in the URL", "has a password or a token in it", []string{"--repository=https://user:pw-in-url@host/a/b"}},
		{"a token in the URL", "has a password or a token in it", []string{"--repository=https://glpat-pw-in-url@host/a/b"}},
		{"a URL that is none", "is not the URL of a repository", []string{"--repository=https://user:pw-in-url%@host/a/b"}},
		{"a repository by a program", `not fetched by "ext"`, []string{"--repository=ext://sh -c true"}},
		{"a strategy that is none", "unknown strategy", []string{"--strategy=yolo"}},
		{"evidence that is a link", "is a symbolic link", []string{"--evidence=DIR/link.md"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			bare := environments(t)
			before := gittest.Run(t, bare, "git", "for-each-ref")
			dir := t.TempDir()
			gittest.Write(t, filepath.Join(dir, "hostile/.gitattributes"), "* filter=x\n")
			if err := os.Symlink(os.DevNull, filepath.Join(dir, "link.md")); err != nil {
				t.Fatal(err)
			}
			args := []string{"--repository=" + bare, "--environment=staging", "--model=news", "--source=" + manifests(t)}
			for _, arg := range tc.args {
				args = append(args, strings.ReplaceAll(arg, "DIR", dir))
			}
			code, _, stderr := promote(t, args...)
			if code != 2 || !strings.Contains(stderr, tc.want) || strings.Contains(stderr, "pw-in-url") {
				t.Errorf("exit code %d, want 2 and %q:\n%s", code, tc.want, stderr)
			}
			if after := gittest.Run(t, bare, "git", "for-each-ref"); after != before {
				t.Errorf("something was pushed:\n%s", after)
			}
		})
	}
}

// What stands in the target's way in the GitOps repository is not followed.
func TestRepositoryIsNotFollowed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, want string
		plant      func(work string) error
	}{
		{"a link for the environment", "is a symbolic link", func(work string) error { return os.Symlink("/tmp", filepath.Join(work, "production")) }},
		{"a link into .git", "is a symbolic link", func(work string) error { return os.Symlink(".git", filepath.Join(work, "production")) }},
		{"a file for the environment", "is a file, not a directory", func(work string) error { return os.WriteFile(filepath.Join(work, "production"), nil, 0o644) }},
		{"the environment in capitals", "has the same name as", func(work string) error {
			return os.MkdirAll(filepath.Join(work, "Production"), 0o755)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			bare := environments(t)
			work := gittest.Clone(t, bare, "main")
			if err := tc.plant(work); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Lstat(filepath.Join(work, "Production")); err == nil && info.IsDir() {
				gittest.Write(t, filepath.Join(work, "Production/x"), "x")
			}
			gittest.Run(t, work, "git", "add", "-A")
			gittest.Run(t, work, "git", "commit", "--quiet", "-m", "plant")
			gittest.Run(t, work, "git", "push", "--quiet", "origin", "HEAD:refs/heads/main")
			code, results, stderr := promote(t, "--repository="+bare, "--environment=production", "--model=news", "--source="+manifests(t))
			if code != 2 || !strings.Contains(stderr, tc.want) {
				t.Errorf("exit code %d, %v, want %q\n%s", code, results, tc.want, stderr)
			}
		})
	}
}

// Refusals that mean no race are final: the push is tried once.
func TestRefusedPushesAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, says, hint string }{
		{"a protected branch", "GH006: Protected branch update failed", "hint: the branch is protected"},
		{"a merge queue", "GH006: Changes must be made through a merge queue", "hint: the branch has a merge queue"},
		{"required signatures", "Commits must have verified signatures", "hint: the branch takes signed commits only"},
		{"another hook", "no pushes on Friday", "hint: the server's own rules refuse the commit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			bare := environments(t)
			log := filepath.Join(t.TempDir(), "log")
			hook := filepath.Join(bare, "hooks", "pre-receive")
			gittest.Write(t, hook, "#!/bin/sh\necho tried >> "+log+"\necho '"+tc.says+"' >&2\nexit 1\n")
			if err := os.Chmod(hook, 0o755); err != nil {
				t.Fatal(err)
			}
			code, _, stderr := promote(t, "--repository="+bare, "--environment=staging", "--model=news", "--source="+manifests(t))
			tried, err := os.ReadFile(log)
			if code != 1 || err != nil || string(tried) != "tried\n" || !strings.Contains(stderr, tc.hint) || !strings.Contains(stderr, tc.says) {
				t.Errorf("exit code %d, tried %q, %v\n%s", code, tried, err, stderr)
			}
		})
	}
}
