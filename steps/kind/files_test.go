package kind

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

func kubeconfigOf(name string) []byte {
	return []byte(strings.ReplaceAll(`apiVersion: v1
kind: Config
clusters: [{name: NAME, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: NAME, user: {token: secret}}]
contexts: [{name: NAME, context: {cluster: NAME, user: NAME}}]
current-context: NAME
`, "NAME", name))
}

// A kubeconfig keeps what others put there, and loses only what was added.
func TestKubeconfig(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "config")
	for _, name := range []string{"kind-other", "kind-mine"} {
		if err := writeKubeconfig(path, kubeconfigOf(name)); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	config, err := clientcmd.LoadFromFile(path)
	if err != nil || config.CurrentContext != "kind-mine" || len(config.Contexts) != 2 {
		t.Fatalf("got %+v, %v", config, err)
	}
	if err := removeFromKubeconfig(path, "mine"); err != nil {
		t.Fatal(err)
	}
	config, err = clientcmd.LoadFromFile(path)
	if err != nil || config.CurrentContext != "" || len(config.Contexts) != 1 || config.Clusters["kind-other"] == nil {
		t.Fatalf("got %+v, %v", config, err)
	}
	if err := removeFromKubeconfig(path, "other"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the empty file is still there: %v", err)
	}
	if err := removeFromKubeconfig(path, "other"); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKubeconfigThatIsNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte("{not yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeKubeconfig(path, kubeconfigOf("kind-mine")); err == nil {
		t.Error("a file that cannot be parsed was replaced")
	}
}

// The largest files lose their beginnings, the small ones stay whole.
func TestShrink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, size int, end string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		data := append(bytes.Repeat([]byte("x"), size-len(end)), end...)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("small", 500, "end")
	write("a/large", 40_000, "the end")
	write("a/larger", 80_000, "the very end")
	all := func(string, fs.FileInfo) bool { return true }
	kept, cut, err := shrink(dir, 10_000, all)
	if err != nil || kept > 10_000 || kept < 9_900 || cut != 2 {
		t.Fatalf("kept %d, cut %d, %v", kept, cut, err)
	}
	for name, want := range map[string]string{"small": "end", "a/large": "the end", "a/larger": "the very end"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasSuffix(string(data), want) {
			t.Errorf("%s ends in %q, %v", name, data[max(0, len(data)-20):], err)
		}
		if name != "small" && !strings.HasPrefix(string(data), "[the first ") {
			t.Errorf("%s does not say that it was cut", name)
		}
	}
	if _, cut, err := shrink(dir, 10_000, all); cut != 0 || err != nil {
		t.Errorf("cut %d again, %v", cut, err)
	}
}

// Only what collecting the logs wrote is shortened.
func TestShrinkLeavesOtherFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &session{Target: Target{Name: "test"}}
	write := func(names ...string) {
		t.Helper()
		for _, name := range names {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, bytes.Repeat([]byte(name[:1]), 10_000+len(name)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	others := []string{"model.bin", "src/main.go", "test-notes.txt", "test-worker/old.log"}
	write(others...)
	write("kind-version.txt", "test-control-plane/kubelet.log")
	past := time.Now().Add(-time.Hour)
	for _, name := range []string{"kind-version.txt", "test-control-plane/kubelet.log"} {
		if err := os.Chtimes(filepath.Join(dir, name), past, past); err != nil {
			t.Fatal(err)
		}
	}
	before, err := filesIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	mine := []string{"kind-version.txt", "pods.txt", "test-control-plane/kubelet.log", "test-control-plane/pods/x.log"}
	write(mine...)
	write("another.log") // by somebody else, meanwhile
	kept, cut, err := shrink(dir, 4000, func(path string, info fs.FileInfo) bool { return s.wrote(path, info, before[path]) })
	if err != nil || kept > 4000 || cut != len(mine) {
		t.Errorf("kept %d, cut %d, %v", kept, cut, err)
	}
	for _, name := range append(others, "another.log") {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 10_000 {
			t.Errorf("%s was cut: %v", name, err)
		}
	}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	p := Phases{Docker: 500 * time.Millisecond, Boot: 2 * time.Second, Total: 3 * time.Second}
	if got, want := p.String(), "docker 0.5s, pull 0.0s, boot 2.0s, kubeadm 0.0s, ready 0.0s, load 0.0s; total 3.0s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	data, err := json.Marshal(p)
	if want := `{"boot":2.000,"docker":0.500,"kubeadm":0.000,"load":0.000,"pull":0.000,"ready":0.000,"total":3.000}`; err != nil || string(data) != want {
		t.Errorf("got %s, %v", data, err)
	}
}

func TestIsDockerRun(t *testing.T) {
	t.Parallel()
	args := func(line string) [][]byte { return bytes.Fields([]byte(line)) }
	for line, want := range map[string]bool{
		"/dind/bin/docker run --name mine-control-plane --detach": true,
		"docker run --name other-control-plane --detach":          false,
		"docker logs -f mine-control-plane":                       false,
		"docker run":                                              false,
	} {
		if got := isDockerRun(args(line), "mine"); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
	if dockerRunning("no-such-cluster") {
		t.Error("a docker run was seen that is not there")
	}
}

func TestTargetCheck(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"kind": true, "pr-12.a": true, strings.Repeat("a", 49): true,
		"": false, "-a": false, "a-": false, "A": false, "a b": false, "a/b": false, strings.Repeat("a", 50): false,
	} {
		if err := (Target{Name: name}).check(); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
