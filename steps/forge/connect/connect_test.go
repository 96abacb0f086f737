package connect

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/step"
)

func parsed(t *testing.T, args ...string) *Flags {
	t.Helper()
	var f Flags
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	f.Register(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &f
}

func TestProviders(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ repository, provider, url, want string }{
		{"https://github.com/o/r", "auto", "", "*github.Client"},
		{"git@gitlab.com:g/s/r.git", "auto", "", "*gitlab.Client"},
		{"https://codeberg.org/o/r", "auto", "", "*gitea.Client"},
		{"https://bitbucket.org/o/r", "auto", "", "*bitbucket.Client"},
		{"git@ssh.dev.azure.com:v3/o/p/r", "auto", "", "*azure.Client"},
		{"https://git.example/o/r", "gitea", "", "*gitea.Client"},
		{"git@git.example:o/r", "gitlab", "https://pages.example", "*gitlab.Client"},
		{"https://git.example/o/r", "none", "", "<nil>"},
		{"https://github.evil.example/o/r", "auto", "", "is not known"},
		{"https://git.example/o/r", "bitbucket", "", "is not bitbucket.org"},
		{"https://git.example/o/r", "svn", "", "unknown provider"},
		{"https://git.example/o/r", "gitea", "https://user:pw@x", "the forge's URL is not one"},
	} {
		f := parsed(t, "--repository="+tc.repository, "--provider="+tc.provider, "--forge-url="+tc.url)
		got, err := f.Forge(t.Context(), git.Auth{Password: "t0k"}, t.Logf)
		said := fmt.Sprintf("%T", got)
		if err != nil {
			said = err.Error()
		}
		if !strings.Contains(said, tc.want) || err != nil && step.ExitCode(err) != step.ExitInvalid {
			t.Errorf("%s as %s: %s, want %s", tc.repository, tc.provider, said, tc.want)
		}
	}
}

func TestOneOrigin(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"https://github.com/o/r":    "https://api.github.com",
		"https://ghe.example/o/r":   "https://ghe.example",
		"https://bitbucket.org/o/r": "https://api.bitbucket.org",
	} {
		r, err := forge.ParseRepository(remote)
		if err != nil {
			t.Fatal(err)
		}
		provider := forge.GitHub
		if r.Host == "bitbucket.org" {
			provider = forge.Bitbucket
		}
		if got := origin(provider, r); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

func TestGitHubApp(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v3/app/installations/9/access_tokens" || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey") {
			t.Errorf("asked %s with %q", r.URL, r.Header.Get("Authorization"))
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"token":"ghs_token"}`)
	}))
	t.Cleanup(server.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"app-id": []byte("42\n"), "installation-id": []byte("9\n"),
		"private-key": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--repository=" + server.URL + "/o/r", "--github-app-dir=" + dir}
	redact := &step.Redactor{}
	auth, err := parsed(t, append(args, "--provider=github")...).Auth(t.Context(), redact, t.Logf)
	if err != nil || auth.Username != "x-access-token" || auth.Password != "ghs_token" || redact.String("ghs_token") != step.Redacted {
		t.Errorf("%v, user %q", err, auth.Username)
	}
	if _, err := parsed(t, append(args, "--provider=gitea")...).Auth(t.Context(), redact, t.Logf); step.ExitCode(err) != step.ExitInvalid {
		t.Errorf("for a Gitea: %v", err)
	}
	if _, err := parsed(t, "--repository="+server.URL+"/o/r", "--github-app-dir="+t.TempDir()).Auth(t.Context(), redact, t.Logf); step.ExitCode(err) != step.ExitInvalid {
		t.Errorf("an empty directory: %v", err)
	}
}
