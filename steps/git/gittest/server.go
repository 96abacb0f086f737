package gittest

import (
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Handler serves the repositories below root over HTTP with git's own server.
// With a password only that user gets in.
func Handler(root, username, password string) (http.Handler, error) {
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("looking for git's programs: %w", err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1"},
		// The protocol's version comes in a header, which CGI hands on.
		InheritEnv: []string{"PATH"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		if password != "" && (user != username || pass != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		if password != "" {
			// git's server takes pushes from users that somebody vouches for.
			vouched := *backend
			vouched.Env = append([]string{"REMOTE_USER=" + user}, backend.Env...)
			vouched.ServeHTTP(w, r)
			return
		}
		backend.ServeHTTP(w, r)
	}), nil
}

// Serve serves the directory that a repository is in and returns the
// repository's URL.
func Serve(t testing.TB, bare, username, password string) string {
	t.Helper()
	handler, err := Handler(filepath.Dir(bare), username, password)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + "/" + filepath.Base(bare)
}
