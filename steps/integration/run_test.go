package integration_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/integration"
	"github.com/model-delivery/model-delivery/steps/step"
)

const (
	digest   = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	makefile = `build install_integration_dev:
	@echo $@ $(IMAGE)
test_integration:
	@echo asking $$MODEL_ENDPOINT with $$KUBECONFIG; exit $(CODE)
`
	manifest = `kind: SeldonDeployment
metadata: {name: news}
spec: {predictors: [{graph: {name: classifier}, componentSpecs: [{spec: {containers: [{name: classifier, image: x}]}}]}]}
`
)

// stand stands in for the steps: it notes what is called, and fails what it is told to.
type stand struct {
	mu       sync.Mutex
	calls    []string
	fail     map[string]int                         // exit code by step, such as "kind-cluster create"
	do       func(ctx context.Context, name string) // may be nil
	attempts string                                 // that the cluster took; "1" when empty
}

func (s *stand) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// command is a step that takes the given flags and sets the given results.
func (s *stand) command(name string, flags []string, results map[string]string) *step.Command {
	values := map[string]*string{}
	parts := strings.Fields(name)
	return &step.Command{
		Name: parts[len(parts)-1], Short: "stands in",
		Flags: func(fs *pflag.FlagSet) {
			for _, flag := range flags {
				values[flag] = fs.String(flag, "", "")
				if flag == "dry-run" || flag == "await-network" {
					fs.Lookup(flag).NoOptDefVal = "true"
				}
			}
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			call := name
			for _, flag := range []string{"strategy", "push", "expect-id", "file", "endpoint", "dry-run", "prefetch", "host-ports"} {
				if value := values[flag]; value != nil && *value != "" {
					call += " --" + flag + " " + filepath.Base(*value)
				}
			}
			s.mu.Lock()
			s.calls = append(s.calls, call)
			s.mu.Unlock()
			if dry := values["dry-run"]; dry != nil && *dry != "" {
				rt.Results.SetArray("images", []string{"operator:1"})
			} else if s.do != nil {
				s.do(ctx, name)
			}
			for key, value := range results {
				rt.Results.Set(key, value)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if code := s.fail[name]; code != 0 {
				return step.WithExitCode(errors.New("told to fail"), code)
			}
			return nil
		},
	}
}

func (s *stand) steps() integration.Steps {
	attempts := cmp.Or(s.attempts, "1")
	kind := func() *step.Command {
		return &step.Command{Name: "kind-cluster", Short: "stands in", Subcommands: []*step.Command{
			s.command("kind-cluster create", []string{"config", "node-image", "registry-mirror", "name", "kubeconfig", "prefetch", "ca-dir", "early-kubeconfig", "host-ports", "logs-dir", "max-log-bytes"}, map[string]string{"node-image": "node@" + digest, "attempts": attempts}),
			s.command("kind-cluster load", []string{"name", "image", "wait"}, nil),
			s.command("kind-cluster logs", []string{"name", "output-dir", "max-size"}, nil),
			s.command("kind-cluster delete", []string{"name", "kubeconfig"}, nil),
		}}
	}
	one := func(name string, results map[string]string, flags ...string) func() *step.Command {
		return func() *step.Command { return s.command(name, flags, results) }
	}
	return integration.Steps{
		DockerWait:   one("docker-wait", nil, "host", "log-file", "exit-file", "timeout", "cli"),
		KindCluster:  kind,
		ClusterSetup: one("cluster-setup", nil, "file", "kubeconfig", "dry-run", "await-network"),
		ModelImage: one("model-image", map[string]string{"image-id": "sha256:1", "IMAGE_DIGEST": digest},
			"strategy", "model-dir", "tag", "push", "expect-id", "base-image"),
		SeldonDeploy:  one("seldon-deploy", nil, "manifests", "image", "namespace", "kubeconfig"),
		SeldonPredict: one("seldon-predict", map[string]string{"passed": "9", "failed": "0"}, "checks", "endpoint", "gateway", "namespace", "deployment", "report-dir"),
	}
}

// newModel writes a repository with one model that has everything.
func newModel(t *testing.T, leaveOut ...string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"Makefile": makefile, "charts/m.yaml": manifest, "integration/setup.yaml": "", "integration/kind_config.yaml": "", "integration/predictions.yaml": "",
	} {
		if slices.Contains(leaveOut, name) {
			continue
		}
		path := filepath.Join(dir, "models", "news_classifier", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// run executes kind-integration, which waits for no route if not told so, and returns its exit code, its results and its output.
func run(t *testing.T, ctx context.Context, s *stand, args ...string) (int, map[string]string, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := step.Execute(ctx, integration.Command(s.steps()), append([]string{"run", "--model=news_classifier", "--results-dir=", "--route-timeout=0"}, args...),
		func(string) string { return "" }, &stdout, &stderr)
	results := map[string]string{}
	if line := strings.TrimSpace(stdout.String()); line != "" {
		if err := json.Unmarshal([]byte(line), &results); err != nil {
			t.Fatalf("results %q: %v", line, err)
		}
	}
	return code, results, stderr.String()
}

func TestAllPhases(t *testing.T) {
	t.Parallel()
	s := &stand{}
	report := t.TempDir()
	log := filepath.Join(t.TempDir(), "dockerd.log")
	os.WriteFile(log, []byte("said something"), 0o644)
	code, results, output := run(t, t.Context(), s, "--repository-dir", newModel(t), "--push", "--source-commit", "0123456",
		"--report-dir", report, "--docker-log", log, "--image", "registry:5000/{model}:v1")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	calls := s.called()
	slices.Sort(calls[:6]) // side by side
	want := []string{
		"cluster-setup --file setup.yaml", "cluster-setup --file setup.yaml --dry-run true", "docker-wait", "kind-cluster create --prefetch operator:1 --host-ports 30188", "kind-cluster load", "model-image --strategy make", "seldon-deploy",
		"seldon-predict --endpoint 127.0.0.1:30188", "model-image --strategy none --push news-classifier:v1 --expect-id sha256:1", "kind-cluster logs", "kind-cluster delete",
	}
	if !slices.Equal(calls, want) {
		t.Errorf("calls %q\nwant  %q", calls, want)
	}
	for name, value := range map[string]string{
		"outcome": "success", "failed-phase": "", "cleanup": "success", "node-image": "node@" + digest, "passed": "9", "failed": "0",
		"IMAGE_URL": "registry:5000/news-classifier:v1", "IMAGE_DIGEST": digest,
		"release": "news_classifier=registry:5000/news-classifier:v1@" + digest + ";deployment=news;source=0123456",
	} {
		if results[name] != value {
			t.Errorf("result %s is %q, want %q", name, results[name], value)
		}
	}
	for _, text := range []string{
		"[test] install_integration_dev registry:5000/news-classifier:v1", "[test] asking http://127.0.0.1:30188/seldon/default/news with /", "[docker] done after",
	} {
		if !strings.Contains(output, text) {
			t.Errorf("the output lacks %q:\n%s", text, output)
		}
	}
	var phases map[string]float64
	if err := json.Unmarshal([]byte(results["phases"]), &phases); err != nil || len(phases) != 12 {
		t.Errorf("phases %s: %v", results["phases"], err)
	}
	if kept, err := os.ReadFile(filepath.Join(report, "news-classifier", "dockerd.log")); string(kept) != "said something" {
		t.Errorf("the daemon's log was not kept: %v", err)
	}
	kept, err := os.ReadFile(filepath.Join(report, "news-classifier", "report.json"))
	if err != nil || !strings.Contains(string(kept), `"kind": "IntegrationReport"`) || !strings.Contains(string(kept), `"outcome": "success"`) {
		t.Errorf("the report is %s, %v", kept, err)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		fail    map[string]int
		make    string // arguments of make, in MAKEFLAGS
		code    int
		phase   string
		without []string // what must not be called
	}{
		{"docker does not come up", map[string]int{"docker-wait": 3}, "", 3, "docker", []string{"kind-cluster create", "model-image", "kind-cluster delete"}},
		{"no cluster", map[string]int{"kind-cluster create": 3}, "", 3, "cluster", []string{"seldon-deploy"}},
		{"no image", map[string]int{"model-image": 1}, "", 1, "build", []string{"kind-cluster load", "seldon-deploy"}},
		{"image not loaded", map[string]int{"kind-cluster load": 3}, "", 3, "load", []string{"seldon-deploy"}},
		{"no set-up", map[string]int{"cluster-setup": 2}, "", 2, "setup", []string{"seldon-deploy"}},
		{"not deployed", map[string]int{"seldon-deploy": 1}, "", 1, "deploy", []string{"seldon-predict"}},
		{"wrong predictions", map[string]int{"seldon-predict": 1}, "", 1, "predict", []string{"--push"}},
		{"failing tests, whose exit code counts", nil, "CODE=7", 2, "test", []string{"--push"}},
		{"tests and clean-up: the tests count", map[string]int{"kind-cluster delete": 3}, "CODE=7", 2, "test", []string{"--push"}},
		{"clean-up alone turns nothing red", map[string]int{"kind-cluster delete": 3, "kind-cluster logs": 3}, "", 0, "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := &stand{fail: tc.fail}
			dir := newModel(t)
			if tc.make != "" {
				path := filepath.Join(dir, "models/news_classifier/Makefile")
				if err := os.WriteFile(path, []byte(tc.make+"\n"+makefile), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			code, results, output := run(t, t.Context(), s, "--repository-dir", dir, "--push", "--report-dir", t.TempDir())
			if code != tc.code || results["failed-phase"] != tc.phase || (results["outcome"] == "success") != (tc.code == 0) {
				t.Errorf("exit code %d, results %v\n%s", code, results, output)
			}
			calls := strings.Join(s.called(), "\n")
			for _, call := range tc.without {
				if strings.Contains(calls, call) {
					t.Errorf("%s was called:\n%s", call, calls)
				}
			}
			if tc.phase != "docker" && !strings.Contains(calls, "kind-cluster delete") {
				t.Errorf("the cluster was not removed:\n%s", calls)
			}
			if _, failing := tc.fail["kind-cluster delete"]; failing != (results["cleanup"] == "failure") {
				t.Errorf("result cleanup is %q", results["cleanup"])
			}
			if tc.code != 0 && results["release"] != "" {
				t.Errorf("there is a release: %s", results["release"])
			}
		})
	}
}

// A build that fails stops what goes on beside it, and alone counts as failed.
func TestFailureStopsWhatIsBeside(t *testing.T) {
	t.Parallel()
	s := &stand{fail: map[string]int{"model-image": 1}}
	s.do = func(ctx context.Context, name string) {
		if name == "kind-cluster create" {
			<-ctx.Done()
		}
	}
	code, results, output := run(t, t.Context(), s, "--repository-dir", newModel(t))
	if code != 1 || results["failed-phase"] != "build" || !strings.Contains(output, "[cluster] stopped after") || strings.Contains(output, "[setup]") {
		t.Errorf("exit code %d, results %v\n%s", code, results, output)
	}
	if calls := s.called(); calls[len(calls)-1] != "kind-cluster delete" {
		t.Errorf("calls %q", calls)
	}
}

// What was loaded into the nodes of an attempt that failed is loaded again.
func TestLoadAfterAnotherAttempt(t *testing.T) {
	t.Parallel()
	s := &stand{attempts: "2"}
	code, _, output := run(t, t.Context(), s, "--repository-dir", newModel(t))
	loads := 0
	for _, call := range s.called() {
		if call == "kind-cluster load" {
			loads++
		}
	}
	if code != 0 || loads != 2 {
		t.Errorf("exit code %d, %d loads\n%s", code, loads, output)
	}
}

func TestModelWithNothingButAMakefile(t *testing.T) {
	t.Parallel()
	s := &stand{}
	dir := newModel(t, "charts/m.yaml", "integration/setup.yaml", "integration/predictions.yaml", "integration/kind_config.yaml")
	path := filepath.Join(dir, "models/news_classifier/Makefile")
	if err := os.WriteFile(path, []byte("kind_setup:\n\t@echo set up in $$KIND_CLUSTER_NAME\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, output := run(t, t.Context(), s, "--repository-dir", dir, "--strategy", "none", "--name", "mine")
	if code != 0 || !strings.Contains(output, "[setup] set up in mine") || strings.Contains(strings.Join(s.called(), " "), "seldon") {
		t.Errorf("exit code %d, %q\n%s", code, s.called(), output)
	}
}

// A cluster of a sidecar's daemon goes with it; one of a daemon elsewhere does not.
func TestSidecarTakesTheCluster(t *testing.T) {
	t.Parallel()
	for host, removed := range map[string]bool{"unix:///dind/docker.sock": false, "tcp://docker.example.org:2375": true} {
		s := &stand{}
		code, results, output := run(t, t.Context(), s, "--repository-dir", newModel(t), "--docker-sidecar", "--docker-host", host)
		if code != 0 || results["cleanup"] != "success" || slices.Contains(s.called(), "kind-cluster delete") != removed {
			t.Errorf("%s: exit code %d, results %v\n%s", host, code, results, output)
		}
		if removed != strings.Contains(output, "http://docker.example.org:30188/seldon/") {
			t.Errorf("%s: the tests were told another endpoint:\n%s", host, output)
		}
	}
}

func TestInvalidInput(t *testing.T) {
	t.Parallel()
	dir := newModel(t)
	model := filepath.Join(dir, "models", "news_classifier")
	if err := os.Symlink("/etc", filepath.Join(model, "out")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--model", "other"}, {"--model", "../x"}, {"--models-dir", "/etc"}, {"--kind-config", "../../x"}, {"--checks", "out/passwd"},
		{"--manifests", "out"}, {"--image", "Not An Image"},
	} {
		s := &stand{}
		code, _, output := run(t, t.Context(), s, append([]string{"--repository-dir", dir}, args...)...)
		if code != step.ExitInvalid || len(s.called()) > 0 {
			t.Errorf("%q: exit code %d, calls %q\n%s", args, code, s.called(), output)
		}
	}
}

func TestStoppedRunRemovesItsCluster(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"docker-wait", "kind-cluster create", "model-image", "cluster-setup", "seldon-deploy", "seldon-predict"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			alive := true
			s := &stand{}
			s.do = func(ctx context.Context, name string) {
				if name == at {
					cancel()
				}
				if name == "kind-cluster delete" {
					alive = ctx.Err() == nil
				}
			}
			code, results, output := run(t, ctx, s, "--repository-dir", newModel(t), "--push", "--report-dir", t.TempDir())
			if code == 0 || results["outcome"] != "failure" || results["release"] != "" || !alive {
				t.Errorf("exit code %d, results %v\n%s", code, results, output)
			}
			calls := strings.Join(s.called(), "\n")
			if strings.Contains(calls, "--push") || strings.Contains(calls, "delete") == (at == "docker-wait") {
				t.Errorf("calls:\n%s", calls)
			}
		})
	}
}

func TestTimeoutKeepsLogs(t *testing.T) {
	t.Parallel()
	s := &stand{do: func(ctx context.Context, name string) {
		if name == "seldon-deploy" {
			<-ctx.Done()
		}
	}}
	code, results, output := run(t, t.Context(), s, "--repository-dir", newModel(t), "--report-dir", t.TempDir(), "--timeout", (200 * time.Millisecond).String())
	calls := strings.Join(s.called(), "\n")
	if code == 0 || results["failed-phase"] != "deploy" || !strings.Contains(calls, "logs\nkind-cluster delete") || !strings.Contains(output, "took longer than 200ms") {
		t.Errorf("exit code %d, results %v, calls\n%s\n%s", code, results, calls, output)
	}
}

func TestInstall(t *testing.T) {
	t.Parallel()
	to := filepath.Join(t.TempDir(), "kind-integration")
	var out bytes.Buffer
	code := step.Execute(t.Context(), integration.Command(integration.Steps{}), []string{"install", "--to", to}, func(string) string { return "" }, &out, &out)
	info, err := os.Stat(to)
	if code != 0 || err != nil || info.Mode().Perm() != 0o755 || info.Size() == 0 {
		t.Errorf("exit code %d, %v, %v\n%s", code, info, err, out.String())
	}
}
