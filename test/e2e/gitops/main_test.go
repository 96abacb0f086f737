//go:build e2e

// Package gitops tests gitops-promote, gitops-revert, gitops-wait and
// forge-report as built binaries against the Gitea and the Argo CD of the local
// platform. Each test has a repository of its own, which goes when it ends.
package gitops

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
	"testing"
	"time"

	"code.gitea.io/sdk/gitea"

	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/stepbin"
)

const organization = "ml"

var (
	binaries string // directory of the built binaries
	platform *local.State
)

func TestMain(m *testing.M) {
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (int, error) {
	var err error
	if platform, err = local.Load(""); err != nil {
		return 1, err
	}
	if platform.Value("forge", "url") == "" {
		return 1, errors.New("the local platform has no forge: go run ./test/platform up")
	}
	if binaries, err = stepbin.Build("gitops-promote", "gitops-revert", "gitops-wait", "forge-report"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(binaries)
	return m.Run(), nil
}

// repository is one on the platform's Gitea that belongs to a test.
type repository struct {
	name, url string
	client    *gitea.Client // as the forge's administrator
	auth      string        // directory with the CI user's credentials
	token     string        // the CI user's
}

func secret(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// newRepository makes a repository that the CI user may write to.
func newRepository(t *testing.T) *repository {
	t.Helper()
	forge := platform.Value("forge", "url")
	tokenFile := platform.Value("forge", "ci-token-file")
	admin := secret(t, filepath.Join(filepath.Dir(tokenFile), "platform-token"))
	client, err := gitea.NewClient(forge, gitea.SetToken(admin), gitea.SetContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("e2e-%d", time.Now().UnixNano())
	if _, _, err := client.CreateOrgRepo(organization, gitea.CreateRepoOption{Name: name, AutoInit: true, DefaultBranch: "main", Readme: "Default"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.SetContext(context.Background())
		if _, err := client.DeleteRepo(organization, name); err != nil {
			t.Errorf("deleting %s: %v", name, err)
		}
	})
	write := gitea.AccessModeWrite
	if _, err := client.AddCollaborator(organization, name, platform.Value("forge", "ci-user"), gitea.AddCollaboratorOption{Permission: &write}); err != nil {
		t.Fatal(err)
	}
	r := &repository{name: name, url: forge + "/" + organization + "/" + name + ".git", client: client, auth: t.TempDir(), token: secret(t, tokenFile)}
	r.write(t, filepath.Join(r.auth, "username"), platform.Value("forge", "ci-user"))
	r.write(t, filepath.Join(r.auth, "password"), r.token)
	return r
}

func (*repository) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// model makes a source: one ConfigMap whose data are a version's.
func (r *repository) model(t *testing.T, name, version string) string {
	t.Helper()
	dir := t.TempDir()
	r.write(t, filepath.Join(dir, "model.yaml"), "# The model.\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+name+"}\n\ndata:\n  version: \""+version+"\"  # of the model\n")
	return dir
}

// outcome is what a step did.
type outcome struct {
	code    int
	results map[string]string
	stderr  string
}

// run runs a step. Its secret must not show.
func (r *repository) run(ctx context.Context, t *testing.T, step string, args ...string) outcome {
	t.Helper()
	args = append([]string{"--repository=" + r.url, "--provider=gitea", "--basic-auth-dir=" + r.auth, "--results-dir=" + t.TempDir()}, args...)
	cmd := exec.CommandContext(ctx, filepath.Join(binaries, step), args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir()) // one that is killed leaves its clone
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	o := outcome{code: cmd.ProcessState.ExitCode(), results: map[string]string{}, stderr: stderr.String()}
	if err != nil && o.code < 0 && ctx.Err() == nil {
		t.Fatalf("%s: %v", step, err)
	}
	if strings.Contains(stdout.String()+stderr.String(), r.token) {
		t.Errorf("%s shows its token:\n%s%s", step, stdout.String(), stderr.String())
	}
	var all map[string]any
	if json.Unmarshal(bytes.TrimSpace(stdout.Bytes()), &all) == nil {
		for name, value := range all {
			if text, ok := value.(string); ok {
				o.results[name] = text
			}
		}
	}
	return o
}

// must fails the test unless the step did what was asked.
func (r *repository) must(t *testing.T, step string, args ...string) outcome {
	t.Helper()
	o := r.run(t.Context(), t, step, args...)
	if o.code != 0 {
		t.Fatalf("%s %v: exit code %d\n%s", step, args, o.code, o.stderr)
	}
	return o
}
