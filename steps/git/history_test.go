package git_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/git/gittest"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "repo")
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("init", "--quiet", "--initial-branch=main", dir)
	var commits []string
	for range 3 {
		run("-C", dir, "commit", "--quiet", "--allow-empty", "-m", "x"+strings.Repeat("x", len(commits)))
		commits = append(commits, run("-C", dir, "rev-parse", "HEAD"))
	}
	history := git.NewHistory(dir, "main", git.Options{AllowFile: true})
	none := git.NewHistory("", "", git.Options{})
	for _, tc := range []struct {
		history          *git.History
		commit, revision string
		want             bool
	}{
		{history, commits[1], commits[1], true},
		{history, commits[1], commits[2], true},
		{history, commits[1], commits[0], false},
		{history, strings.Repeat("1", 40), commits[2], false},
		{history, commits[1], "main", false},
		{history, commits[1], commits[1][:12], true},
		{history, commits[1], commits[2][:12], true},
		{history, commits[1], commits[0][:12], false},
		{none, commits[1], commits[1], true},
		{none, commits[1], commits[2], false},
	} {
		if got, err := tc.history.Contains(t.Context(), tc.commit, tc.revision); err != nil || got != tc.want {
			t.Errorf("%.7s contains %.7s: %v, %v, want %v", tc.revision, tc.commit, got, err, tc.want)
		}
	}
}

func TestHistorySame(t *testing.T) {
	t.Parallel()
	bare := gittest.Bare(t, "x.git", map[string]string{"staging/a/x": "1\n"})
	first := gittest.Run(t, bare, "git", "rev-parse", "main")
	second := gittest.Commit(t, bare, "main", "another", map[string]string{"staging/b/x": "1\n"})
	third := gittest.Commit(t, bare, "main", "changed", map[string]string{"staging/a/x": "2\n"})
	history := git.NewHistory(gittest.Serve(t, bare, "", ""), "main", git.Options{})
	for _, tc := range []struct {
		commit, path string
		want         bool
	}{{first, "staging/a", true}, {second, "staging/a", true}, {third, "staging/a", false}, {third, "staging/b", false}, {second, "nothing", true}} {
		if got, err := history.Same(t.Context(), first, tc.commit, tc.path); err != nil || got != tc.want {
			t.Errorf("%.7s, %s: %v, %v, want %v", tc.commit, tc.path, got, err, tc.want)
		}
	}
	if _, err := history.Same(t.Context(), first, strings.Repeat("1", 40), "staging/a"); err == nil {
		t.Error("a commit that is not there is compared")
	}
}
