// Package gittest has real git repositories and a real git server for tests.
package gittest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Run runs a program in dir, git as a person named Human, and returns what it
// printed. The test ends when it fails.
func Run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, Environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Environment is that of the process, with git's configuration left out and a
// name to commit with.
func Environment() []string {
	return append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Human", "GIT_AUTHOR_EMAIL=human@example.com", "GIT_COMMITTER_NAME=Human", "GIT_COMMITTER_EMAIL=human@example.com")
}

// Write writes a file and the directories that it is in.
func Write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Bare makes a bare repository called name in a directory of its own, with one
// commit of the files on the branch main, and returns its path.
func Bare(t testing.TB, name string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	bare := filepath.Join(dir, name)
	Run(t, "", "git", "init", "--quiet", "--bare", "--initial-branch=main", bare)
	Run(t, bare, "git", "config", "uploadpack.allowFilter", "true")
	Run(t, bare, "git", "config", "http.receivepack", "true")
	Commit(t, bare, "main", "start", files)
	return bare
}

// Clone clones a branch of a repository, or an empty repository, into a
// directory of its own and returns that.
func Clone(t testing.TB, repository, branch string) string {
	t.Helper()
	work := filepath.Join(t.TempDir(), "work")
	Run(t, "", "git", "clone", "--quiet", repository, work)
	Run(t, work, "git", "checkout", "--quiet", "-B", branch)
	if Run(t, repository, "git", "branch", "--list", branch) != "" {
		Run(t, work, "git", "reset", "--quiet", "--hard", "origin/"+branch)
	}
	return work
}

// Commit adds a person's commit of the files to a branch of a bare repository
// and returns its hash.
func Commit(t testing.TB, bare, branch, message string, files map[string]string) string {
	t.Helper()
	work := Clone(t, bare, branch)
	for name, text := range files {
		Write(t, filepath.Join(work, name), text)
	}
	Run(t, work, "git", "add", "-A")
	Run(t, work, "git", "-c", "core.autocrlf=false", "commit", "--quiet", "-m", message)
	Run(t, work, "git", "push", "--quiet", "origin", "HEAD:refs/heads/"+branch)
	return Run(t, work, "git", "rev-parse", "HEAD")
}
