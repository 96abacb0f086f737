package checkout_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/git/checkout"
	"github.com/model-delivery/model-delivery/steps/step"
)

// repository makes a repository with a tag, two branches and a few files.
func repository(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "origin")
	sh(t, "", "git", "init", "--quiet", "--initial-branch=main", dir)
	write(t, dir, "models/a/Makefile", "test:\n")
	write(t, dir, "docs/x.md", "x\n")
	commit(t, dir, "first")
	sh(t, dir, "git", "tag", "v1")
	sh(t, dir, "git", "switch", "--quiet", "--create", "feature")
	write(t, dir, "feature", "f\n")
	commit(t, dir, "on a branch")
	sh(t, dir, "git", "switch", "--quiet", "main")
	write(t, dir, "second", "2\n")
	commit(t, dir, "second")
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, dir, message string) {
	t.Helper()
	sh(t, dir, "git", "add", "-A")
	sh(t, dir, "git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", message)
}

func sh(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func clone(t *testing.T, args ...string) (code int, results map[string]string, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = step.Execute(t.Context(), checkout.Command(), args, func(string) string { return "" }, &out, &errOut)
	if code == 0 {
		if err := json.Unmarshal(out.Bytes(), &results); err != nil {
			t.Fatalf("results %q: %v", out.String(), err)
		}
	}
	return code, results, errOut.String()
}

func TestClone(t *testing.T) {
	t.Parallel()
	origin := repository(t)
	rev := func(name string) string { return sh(t, origin, "git", "rev-parse", name+"^{commit}") }
	for _, tc := range []struct {
		name          string
		args          []string
		commit        string
		there, absent string
	}{
		{"default branch", nil, rev("main"), "second", "feature"},
		{"branch", []string{"--revision=feature"}, rev("feature"), "feature", "second"},
		{"tag", []string{"--revision=v1"}, rev("v1"), "docs/x.md", "second"},
		{"commit", []string{"--revision=" + rev("v1"), "--depth=0"}, rev("v1"), "docs/x.md", "second"},
		{"refspec", []string{"--refspec=refs/heads/feature:refs/heads/feature", "--revision=feature"}, rev("feature"), "feature", "second"},
		{"sparse", []string{"--sparse-checkout-directories=models,other"}, rev("main"), "models/a/Makefile", "docs/x.md"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "out/left-over", "of a run before\n")
			args := append([]string{"--url=file://" + origin, "--allow-file", "--output-dir=" + dir, "--subdirectory=out"}, tc.args...)
			for range 2 { // again on what the first left behind
				code, results, stderr := clone(t, args...)
				if code != 0 || results["commit"] != tc.commit || results["url"] != "file://"+origin || results["committer-date"] == "" {
					t.Fatalf("exit code %d, results %v, want commit %s\n%s", code, results, tc.commit, stderr)
				}
				if _, err := os.Stat(filepath.Join(dir, "out", tc.there)); err != nil {
					t.Error(err)
				}
				for _, name := range []string{tc.absent, "left-over"} {
					if _, err := os.Stat(filepath.Join(dir, "out", name)); err == nil {
						t.Errorf("%s is there", name)
					}
				}
			}
		})
	}
}

func TestSubmodules(t *testing.T) {
	t.Parallel()
	part, origin := repository(t), repository(t)
	for _, path := range []string{"parts/a", "parts/b"} {
		sh(t, origin, "git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "file://"+part, path)
	}
	commit(t, origin, "with parts")
	for _, tc := range []struct {
		name string
		args []string
		want string // what is there of the two
	}{
		{"all", nil, "parts/a parts/b"},
		{"some", []string{"--submodule-paths= parts/b ,"}, "parts/b"},
		{"none", []string{"--submodules=false"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			code, _, stderr := clone(t, append(tc.args, "--url=file://"+origin, "--allow-file", "--output-dir="+dir)...)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			var there []string
			for _, path := range []string{"parts/a", "parts/b"} {
				if _, err := os.Stat(filepath.Join(dir, path, "second")); err == nil {
					there = append(there, path)
				}
			}
			if got := strings.Join(there, " "); got != tc.want {
				t.Errorf("the submodules %q are there, want %q", got, tc.want)
			}
		})
	}
}

func TestCloneRefuses(t *testing.T) {
	t.Parallel()
	origin := repository(t)
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"an option for a revision", []string{"--url=file://" + origin, "--revision=--upload-pack=touch /tmp/x"}, 2, "not the name of a branch"},
		{"an option for a refspec", []string{"--url=file://" + origin, "--refspec=--upload-pack=x"}, 2, "not a refspec"},
		{"a password in the URL", []string{"--url=https://u:secret@example.com/x.git"}, 2, "has a password or a token in it"},
		{"another transport", []string{"--url=ext::sh -c id"}, 2, "URL of a repository"},
		{"a way out of the workspace", []string{"--url=file://" + origin, "--subdirectory=../up"}, 2, "leads out of the workspace"},
		{"an option for a submodule", []string{"--url=file://" + origin, "--submodule-paths=a,--upload-pack=x"}, 2, "submodule path"},
		{"a revision that is not there", []string{"--url=file://" + origin, "--revision=nope"}, 2, "has no revision nope"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := clone(t, append(tc.args, "--allow-file", "--output-dir="+t.TempDir())...)
			if code != tc.code || !strings.Contains(stderr, tc.want) || strings.Contains(stderr, "secret") {
				t.Errorf("exit code %d, want %d\n%s", code, tc.code, stderr)
			}
		})
	}
}

// serve serves repositories below dir over HTTP with basic authentication.
func serve(t *testing.T, dir, user, password string) string {
	t.Helper()
	backend := filepath.Join(sh(t, "", "git", "--exec-path"), "git-http-backend")
	handler := &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"}, Stderr: t.Output()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestCredentialsNeverShow(t *testing.T) {
	t.Parallel()
	origin := repository(t)
	const token = "t0k@n:/%+secret"
	url := serve(t, filepath.Dir(origin), "bot", token) + "/origin/.git"
	for _, tc := range []struct {
		name, password string
		code           int
	}{
		{"right", token, 0},
		{"wrong", "wr0ng-secret@%", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			auth, out := t.TempDir(), t.TempDir()
			write(t, auth, "username", "bot\n")
			write(t, auth, "password", tc.password+"\n")
			code, results, stderr := clone(t, "--url="+url, "--output-dir="+out, "--basic-auth-dir="+auth)
			if code != tc.code {
				t.Fatalf("exit code %d, want %d: %s", code, tc.code, stderr)
			}
			seen := stderr + results["url"]
			config, err := os.ReadFile(filepath.Join(out, ".git", "config"))
			if err != nil {
				t.Fatal(err)
			}
			seen += string(config)
			if strings.Contains(seen, "secret") || strings.Contains(seen, "Basic ") {
				t.Errorf("the credential shows:\n%s", seen)
			}
		})
	}
}
