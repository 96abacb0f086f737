package release_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/model-delivery/model-delivery/steps/git/gittest"
	"github.com/model-delivery/model-delivery/steps/gitops/release"
)

func TestChangelog(t *testing.T) {
	t.Parallel()
	bare := gittest.Bare(t, "models.git", map[string]string{"models/a/x": "1", "models/b/x": "1"})
	first := gittest.Run(t, bare, "git", "rev-parse", "main")
	gittest.Commit(t, bare, "main", "b alone", map[string]string{"models/b/x": "2"})
	last := gittest.Commit(t, bare, "main", "a \x1b[31m changed", map[string]string{"models/a/x": "2"})
	clone := gittest.Clone(t, bare, "main")
	for _, tc := range []struct {
		name, dir, since, until string
		want                    string
	}{
		{"one of two models", "models/a", first, last, "[a [31m changed]"},
		{"both", "models", first, last, "[a [31m changed b alone]"},
		{"nothing new", "models/a", last, last, "[]"},
		{"a commit that the clone does not have", "models/a", "0123456789012345678901234567890123456789", last, "[]"},
		{"no commit", "models/a", "--output=x", last, "[]"},
	} {
		got, err := release.Changelog(t.Context(), clone, filepath.Join(clone, tc.dir), tc.since, tc.until)
		if err != nil || fmt.Sprint(got) != tc.want {
			t.Errorf("%s: %q, %v, want %s", tc.name, got, err, tc.want)
		}
	}
	if _, err := release.Changelog(t.Context(), clone, t.TempDir(), first, last); err == nil {
		t.Error("a directory outside the clone has a history")
	}
}

// A clone that was tampered with runs nothing.
func TestChangelogRunsNothing(t *testing.T) {
	t.Parallel()
	bare := gittest.Bare(t, "models.git", map[string]string{"models/a/x": "1"})
	first := gittest.Run(t, bare, "git", "rev-parse", "main")
	last := gittest.Commit(t, bare, "main", "more", map[string]string{"models/a/x": "2"})
	clone := filepath.Join(t.TempDir(), "clone")
	gittest.Run(t, "", "git", "clone", "--quiet", "--filter=tree:0", "--no-checkout", "file://"+bare, clone)
	mark := filepath.Join(t.TempDir(), "mark")
	run := filepath.Join(t.TempDir(), "run")
	gittest.Write(t, run, "#!/bin/sh\ntouch "+mark+"\n")
	if err := os.Chmod(run, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"remote.origin.uploadpack", "core.fsmonitor", "gpg.program", "core.pager", "pager.log", "diff.external", "core.sshCommand"} {
		gittest.Run(t, clone, "git", "config", setting, run)
	}
	gittest.Run(t, clone, "git", "config", "log.showSignature", "true")
	if _, err := release.Changelog(t.Context(), clone, filepath.Join(clone, "models/a"), first, last); err == nil {
		t.Error("trees that are not there were read")
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("what the clone's configuration names was run")
	}
}
