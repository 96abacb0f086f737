package gitops_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/git/gittest"
	"github.com/model-delivery/model-delivery/steps/gitops"
	"github.com/model-delivery/model-delivery/steps/step"
)

const (
	sourceA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sourceB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func revert(t *testing.T, args ...string) (code int, results map[string]string, stderr string) {
	t.Helper()
	return run(t, gitops.RevertCommand(), args...)
}

// promoted makes a repository with two promotions of news to staging and
// returns it with the commit of each.
func promoted(t *testing.T) (bare, first, second string) {
	t.Helper()
	bare = environments(t)
	src := manifests(t)
	var commits []string
	for _, version := range []struct{ digest, source string }{{digestA, sourceA}, {digestB, sourceB}} {
		code, results, stderr := promote(t, "--repository="+bare, "--environment=staging", "--model=news", "--source="+src,
			"--image=classifier=r/news@"+version.digest, "--source-commit="+version.source)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		commits = append(commits, results["commit"])
	}
	return bare, commits[0], commits[1]
}

func TestRevertByPush(t *testing.T) {
	t.Parallel()
	bare, first, second := promoted(t)
	// Others work on.
	gittest.Commit(t, bare, "main", "Something else", map[string]string{"staging/other/x.yaml": "a: 2\n"})
	args := []string{"--repository=" + bare, "--environment=staging", "--model=news", "--pipeline-run=run-9"}
	code, results, stderr := revert(t, append(args, "--commit="+second)...)
	if code != 0 || results["changed"] != "true" {
		t.Fatalf("exit code %d, %v: %s", code, results, stderr)
	}
	if diff := gittest.Run(t, bare, "git", "diff", "--stat", first, "main", "--", "staging/news"); diff != "" {
		t.Errorf("it is not as it was:\n%s", diff)
	}
	if got := gittest.Run(t, bare, "git", "show", "main:staging/other/x.yaml"); got != "a: 2" {
		t.Errorf("the other model has %q", got)
	}
	message := gittest.Run(t, bare, "git", "log", "-1", "--format=%B", "main")
	for _, want := range []string{"Revert the promotion of news to staging", "This reverts commit " + second, "Reverts: " + second,
		"Source-Commit: " + sourceA, "Image: r/news@" + digestA, "Pipeline-Run: run-9"} {
		if !strings.Contains(message, want) {
			t.Errorf("the message lacks %q:\n%s", want, message)
		}
	}
	code, results, stderr = revert(t, append(args, "--commit="+second)...)
	if code != 0 || results["changed"] != "false" || !strings.Contains(stderr, "nothing to take back") {
		t.Errorf("again: exit code %d, %v: %s", code, results, stderr)
	}
}

func TestRevertOfTheFirstPromotion(t *testing.T) {
	t.Parallel()
	bare, first, _ := promoted(t)
	gittest.Run(t, bare, "git", "update-ref", "refs/heads/main", first)
	if code, _, stderr := revert(t, "--repository="+bare, "--environment=staging", "--model=news"); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if got := gittest.Run(t, bare, "git", "ls-tree", "-r", "--name-only", "main", "staging/news"); got != "staging/news/gone.yaml" {
		t.Errorf("there is %q, not what was before the promotion", got)
	}
}

func TestRevertOfAMergedPullRequest(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	f := &memoryForge{}
	merge := func(digest, source string) string {
		t.Helper()
		p := viaPullRequest(t, bare, digest, f)
		p.Evidence.SourceCommit = source
		outcome, err := gitops.Promote(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		work := gittest.Clone(t, bare, "main")
		gittest.Run(t, work, "git", "merge", "--quiet", "--no-ff", "-m", "Merge", outcome.Commit)
		gittest.Run(t, work, "git", "push", "--quiet", "origin", "main", ":promote/production/news")
		f.pulls[outcome.PullRequest.Number-1].Open = false
		return gittest.Run(t, work, "git", "rev-parse", "HEAD")
	}
	merge(digestA, sourceA)
	want := gittest.Run(t, bare, "git", "rev-parse", "main:production/news")
	second := merge(digestB, sourceB)

	p := viaPullRequest(t, bare, digestA, f)
	p.Files, p.Evidence.Images = nil, nil
	outcome, err := gitops.Revert(t.Context(), p, second)
	if err != nil || !outcome.Changed || outcome.PullRequest == nil || outcome.Branch != "revert/production/news" {
		t.Fatalf("%+v, %v", outcome, err)
	}
	if got := gittest.Run(t, bare, "git", "rev-parse", "revert/production/news:production/news"); got != want {
		t.Error("the branch does not hold what was before")
	}
	body := f.pulls[outcome.PullRequest.Number-1].Body
	for _, want := range []string{digestA, sourceA, second, "Takes the promotion of **news** back in **production**"} {
		if !strings.Contains(body, want) {
			t.Errorf("the body lacks %q:\n%s", want, body)
		}
	}
	again, err := gitops.Revert(t.Context(), p, second)
	if err != nil || again.Changed || again.Commit != outcome.Commit {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestNothingToRevert(t *testing.T) {
	t.Parallel()
	bare, first, second := promoted(t)
	for _, tc := range []struct {
		name, args, want string
		code             int
	}{
		{"a newer promotion came", "--commit=" + first, "nothing to take back", 0},
		{"never promoted", "--model=other-model", "was never promoted", 1},
		{"a commit that is not on the branch", "--commit=" + strings.Repeat("1", 40), "is not among the newest", 1},
		{"no commit", "--commit=main", "is not the full hash", 2},
		{"no branch", "--branch=nothing", "has no branch", 2},
	} {
		code, results, stderr := revert(t, "--repository="+bare, "--environment=staging", "--model=news", tc.args)
		if code != tc.code || code == 0 && results["changed"] != "false" || !strings.Contains(stderr, tc.want) {
			t.Errorf("%s: exit code %d, %v, want %q\n%s", tc.name, code, results, tc.want, stderr)
		}
	}
	if head := gittest.Run(t, bare, "git", "rev-parse", "main"); head != second {
		t.Errorf("main moved to %s", head)
	}
}

// A promotion that lies further back than is fetched at first.
func TestRevertInALongHistory(t *testing.T) {
	t.Parallel()
	bare, first, second := promoted(t)
	var history strings.Builder
	for i := range 120 {
		fmt.Fprintf(&history, "commit refs/heads/main\ncommitter x <x@x> %d +0000\ndata 1\nx\n", i)
		if i == 0 {
			fmt.Fprintf(&history, "from %s\n", second)
		}
		fmt.Fprintf(&history, "M 100644 inline staging/other/x.yaml\ndata <<END\na: %d\nEND\n\n", i)
	}
	gittest.Write(t, bare+"/stream", history.String())
	gittest.Run(t, bare, "sh", "-c", "git fast-import --quiet --force < stream")
	// Over HTTP, where no more is there than was fetched.
	code, results, stderr := revert(t, "--repository="+gittest.Serve(t, bare, "", ""), "--environment=staging", "--model=news")
	if code != step.ExitDone || results["changed"] != "true" {
		t.Fatalf("exit code %d, %v: %s", code, results, stderr)
	}
	if diff := gittest.Run(t, bare, "git", "diff", "--stat", first, "main", "--", "staging/news"); diff != "" {
		t.Errorf("it is not as it was:\n%s", diff)
	}
}
