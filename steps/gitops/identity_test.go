package gitops_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/git/gittest"
)

// Commits are signed so that git itself says so.
func TestSigning(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ssh", "gpg", "gpg with a passphrase"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			bare, dir := environments(t), t.TempDir()
			env := gittest.Environment()
			verify := []string{"-C", bare}
			if kind == "ssh" {
				gittest.Run(t, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "private-key"))
				public, err := os.ReadFile(filepath.Join(dir, "private-key.pub"))
				if err != nil {
					t.Fatal(err)
				}
				signers := filepath.Join(dir, "signers")
				gittest.Write(t, signers, "bot@example.com "+string(public))
				verify = append(verify, "-c", "gpg.format=ssh", "-c", "gpg.ssh.allowedSignersFile="+signers)
			} else {
				env = append(env, "GNUPGHOME="+gpgKey(t, dir, strings.HasSuffix(kind, "passphrase")))
			}
			code, results, stderr := promote(t, "--repository="+bare, "--environment=staging", "--model=news", "--source="+manifests(t),
				"--signing-dir="+dir, "--author-name=Bot", "--author-email=bot@example.com", "--model-version=1.0.0", "--tag={model}-{version}")
			if code != 0 {
				t.Fatalf("exit code %d\n%s", code, stderr)
			}
			for command, object := range map[string]string{"verify-commit": results["commit"], "verify-tag": "news-1.0.0"} {
				cmd := exec.CommandContext(t.Context(), "git", append(verify, command, object)...)
				cmd.Env = env
				if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "ood") {
					t.Errorf("%s: %v\n%s", command, err, out)
				}
			}
			gittest.Run(t, bare, "git", "fsck", "--strict")
		})
	}
	code, _, stderr := promote(t, "--repository="+environments(t), "--environment=staging", "--model=news", "--source="+manifests(t), "--signing-key="+filepath.Join(manifests(t), "news.yaml"))
	if code != 2 || !strings.Contains(stderr, "neither a GPG nor an SSH private key") {
		t.Errorf("a key that is none: exit code %d\n%s", code, stderr)
	}
}

// TestBadPassphrase: a key that cannot be used is told before anything is made.
func TestBadPassphrase(t *testing.T) {
	t.Parallel()
	bare, dir := environments(t), t.TempDir()
	gpgKey(t, dir, true)
	before := gittest.Run(t, bare, "git", "rev-parse", "main")
	for passphrase, want := range map[string]string{"": "has a passphrase", "wrong horse\n": "not that of the signing key"} {
		if err := os.Remove(filepath.Join(dir, "passphrase")); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if passphrase != "" {
			gittest.Write(t, filepath.Join(dir, "passphrase"), passphrase)
		}
		code, _, stderr := promote(t, "--repository="+bare, "--environment=staging", "--model=news", "--source="+manifests(t), "--signing-dir="+dir)
		if code != 2 || !strings.Contains(stderr, want) || strings.Contains(stderr, "horse") {
			t.Errorf("exit code %d, want 2 and %q\n%s", code, want, stderr)
		}
	}
	if after := gittest.Run(t, bare, "git", "rev-parse", "main"); after != before {
		t.Errorf("main moved from %s to %s", before, after)
	}
}

// gpgKey makes a key, puts it into dir as a secret has it, and returns the key
// ring that it came from.
func gpgKey(t *testing.T, dir string, protected bool) string {
	t.Helper()
	// A socket's path may not be as long as those of a test.
	ring, err := os.MkdirTemp("", "gpg-")
	if err != nil {
		t.Fatal(err)
	}
	passphrase := ""
	if protected {
		passphrase = "correct horse"
		gittest.Write(t, filepath.Join(dir, "passphrase"), passphrase+"\n")
	}
	gpg := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "gpg", append([]string{"--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase=" + passphrase}, args...)...)
		cmd.Env = append(os.Environ(), "GNUPGHOME="+ring)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg %v: %v", args, err)
		}
		return string(out)
	}
	t.Cleanup(func() {
		cmd := exec.Command("gpgconf", "--kill", "all")
		cmd.Env = append(os.Environ(), "GNUPGHOME="+ring)
		_ = cmd.Run()
		_ = os.RemoveAll(ring)
	})
	gpg("--quick-generate-key", "Bot <bot@example.com>", "ed25519", "sign", "never")
	gittest.Write(t, filepath.Join(dir, "private-key"), gpg("--armor", "--export-secret-keys"))
	return ring
}

func TestPromoteOverSSH(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	repository, dir := gittest.ServeSSH(t, bare)
	args := []string{"--repository=" + repository, "--environment=staging", "--model=news", "--source=" + manifests(t)}
	code, results, stderr := promote(t, append(args, "--ssh-dir="+dir)...)
	if code != 0 || results["commit"] != gittest.Run(t, bare, "git", "rev-parse", "main") {
		t.Fatalf("exit code %d, %v\n%s", code, results, stderr)
	}
	// Without its host key no server is trusted.
	if err := os.Remove(filepath.Join(dir, "known_hosts")); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = promote(t, append(args, "--ssh-dir="+dir)...)
	if code != 3 || !strings.Contains(stderr, "hint: put the host's keys into known_hosts") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// A secret shows nowhere: not in what is printed, in results, in arguments of
// git, in files that are left, in errors of git or of the forge.
func TestSecretsNeverShow(t *testing.T) {
	const password = "s3cr:t@/+%w0rd"
	dir, real := t.TempDir(), gittest.Run(t, "", "which", "git")
	arguments := filepath.Join(dir, "arguments")
	gittest.Write(t, filepath.Join(dir, "bin/git"), "#!/bin/sh\nprintf '%s\\n' \"$@\" >> "+arguments+"\nfor f in config FETCH_HEAD; do test -f $f && cat $f >> "+arguments+"; done\nexec "+real+" \"$@\"\n")
	if err := os.Chmod(filepath.Join(dir, "bin/git"), 0o755); err != nil {
		t.Fatal(err)
	}
	bare := environments(t)
	handler, err := gittest.Handler(filepath.Dir(bare), "bot", password)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			// A forge that repeats what it was told.
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprintf(w, `{"message":%q}`, r.Header.Get("Authorization")+" "+password)
			return
		}
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/ml")
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	left := filepath.Join(dir, "tmp")
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	src := manifests(t)
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	t.Setenv("TMPDIR", left)
	for name, given := range map[string]string{"right": password, "wrong": "wr0ng" + password} {
		auth, results := filepath.Join(dir, name), filepath.Join(dir, name+"-results")
		gittest.Write(t, filepath.Join(auth, "username"), "bot")
		gittest.Write(t, filepath.Join(auth, "password"), given)
		if err := os.Mkdir(results, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, strategy := range []string{"push", "pull-request"} {
			code, _, stderr := promote(t, "--repository="+server.URL+"/ml/gitops.git", "--environment="+strategy, "--model=news", "--source="+src,
				"--strategy="+strategy, "--provider=gitea", "--basic-auth-dir="+auth, "--results-dir="+results)
			if good := name == "right" && strategy == "push"; good != (code == 0) {
				t.Errorf("%s, %s: exit code %d\n%s", name, strategy, code, stderr)
			}
			hidden(t, name+", "+strategy+": what is printed", stderr, given)
		}
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Base(path) == "password" {
			return err
		}
		data, err := os.ReadFile(path)
		hidden(t, path, string(data), password)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(left); err != nil || len(entries) > 0 {
		t.Errorf("%d files are left: %v, %v", len(entries), entries, err)
	}
	if data, err := os.ReadFile(arguments); err != nil || !strings.Contains(string(data), "push\n") {
		t.Errorf("git's arguments were not looked at: %v", err)
	}
}

// hidden fails the test when a secret shows in any spelling.
func hidden(t *testing.T, where, text, secret string) {
	t.Helper()
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), "Basic Ym90", "czNjcjp0QC8r"} {
		if strings.Contains(text, form) {
			t.Errorf("%s has the secret as %q:\n%s", where, form, text)
		}
	}
}
