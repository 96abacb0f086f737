//go:build e2e

package kind

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/moby/moby/client"
)

const alpha3 = `kind: Cluster
apiVersion: kind.sigs.k8s.io/v1alpha3
nodes:
- role: control-plane
  extraPortMappings:
  - containerPort: 30080
    hostPort: 0
kubeadmConfigPatches:
- |
  apiVersion: kubeadm.k8s.io/v1beta1
  kind: ClusterConfiguration
  metadata:
    name: config
  apiServer:
    extraArgs:
      v: "3"
`

// A cluster comes up from a configuration of the old format, takes images
// from all three places, pulls from a registry of a private authority, keeps its
// logs within bounds, and goes.
func TestLife(t *testing.T) {
	cluster := clusterName(t)
	w := watch(t, cluster)
	dir := t.TempDir()
	config, kubeconfig := filepath.Join(dir, "kind_config.yaml"), filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(config, []byte(alpha3), 0o600); err != nil {
		t.Fatal(err)
	}
	archive, archived := imageArchive(t, dir)
	pushed := imageInRegistry(t)
	authorities := t.TempDir()
	private := privateRegistry(t, authorities)

	created := run(t, 0, "kind-cluster", "create", "--name", cluster, "--config", config, "--node-image", platform.NodeImage,
		"--kubeconfig", kubeconfig, "--archive", archive, "--image", pushed, "--ca-dir", authorities,
		"--registry-mirror", platform.Registry)
	t.Logf("phases: %v", phases(t, created))
	if got := kubectl(t, kubeconfig, "get", "nodes", "-o", "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"); got != "True" {
		t.Errorf("node Ready is %q", got)
	}
	if got := kubectl(t, kubeconfig, "-n", "kube-system", "get", "pod", "-l", "component=kube-apiserver", "-o", "jsonpath={.items[0].spec.containers[0].command}"); !strings.Contains(got, "--v=3") {
		t.Errorf("the API server runs without what the patch says: %s", got)
	}
	for _, image := range []string{archived, pushed} {
		if !hasImage(t, cluster, image) {
			t.Errorf("%s is not in the node", image)
		}
	}
	local := imageInDaemon(t)
	run(t, 0, "kind-cluster", "load", "--name", cluster, "--image", local, "--image", pushed, "--source", "auto")
	if !hasImage(t, cluster, local) {
		t.Errorf("%s is not in the node", local)
	}
	loadsOverBase(t, cluster)
	refusesStrays(t, cluster)
	pullsByPod(t, cluster, kubeconfig, private)
	logs := filepath.Join(dir, "logs")
	run(t, 0, "kind-cluster", "logs", "--name", cluster, "--output-dir", logs, "--max-size", "300000")
	if size := sizeOf(t, logs); size > 300000 || size < 100000 {
		t.Errorf("%d bytes of logs are kept", size)
	}
	if _, err := os.Stat(filepath.Join(logs, cluster+"-control-plane", "kubelet.log")); err != nil {
		t.Error(err)
	}
	run(t, 2, "kind-cluster", "create", "--name", cluster, "--node-image", platform.NodeImage) // it is there already
	run(t, 0, "kind-cluster", "delete", "--name", cluster, "--kubeconfig", kubeconfig)
	run(t, 0, "kind-cluster", "delete", "--name", cluster, "--kubeconfig", kubeconfig)
	if _, err := os.Stat(kubeconfig); !os.IsNotExist(err) {
		t.Errorf("the kubeconfig is still there: %v", err)
	}
	w.nothingLeft()
}

func kubectl(t *testing.T, kubeconfig string, args ...string) string {
	t.Helper()
	// The node has a kubectl of the cluster's version; this machine may not.
	data, err := os.ReadFile(kubeconfig)
	if err != nil || !strings.Contains(string(data), "current-context: kind-") {
		t.Fatalf("kubeconfig: %v", err)
	}
	_, context, _ := strings.Cut(string(data), "current-context: kind-")
	node := strings.TrimSpace(strings.SplitN(context, "\n", 2)[0]) + "-control-plane"
	return dockerCommand(t, append([]string{"exec", node, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"}, args...)...)
}

func dockerCommand(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("docker", args...)
	cmd.Env = environ(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// refusesStrays sees that what is sent to the address of a Service that there is
// not is refused at once, in a node and in a pod: it does not leave the cluster.
func refusesStrays(t *testing.T, cluster string) {
	t.Helper()
	const ask = `timeout 3 bash -c "</dev/tcp/10.96.200.200/80" 2>&1`
	for _, from := range []string{"", "nsenter --net --target $(pgrep -o coredns) "} {
		if got := dockerCommand(t, "exec", cluster+"-control-plane", "sh", "-c", from+ask+" || true"); !strings.Contains(got, "refused") {
			t.Errorf("%sno Service says %q", from, got)
		}
	}
}

func hasImage(t *testing.T, cluster, image string) bool {
	t.Helper()
	list := dockerCommand(t, "exec", cluster+"-control-plane", "ctr", "-n", "k8s.io", "images", "ls", "-q")
	return strings.Contains(list, image)
}

func imageArchive(t *testing.T, dir string) (path, reference string) {
	t.Helper()
	image, err := random.Image(10_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	ref := name.MustParseReference("example.test/archived:v1")
	path = filepath.Join(dir, "image.tar")
	if err := tarball.WriteToFile(path, ref, image); err != nil {
		t.Fatal(err)
	}
	return path, ref.Name()
}

func imageInRegistry(t *testing.T) string {
	t.Helper()
	image, err := random.Image(10_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	reference := platform.Registry + "/e2e/" + clusterName(t) + ":v1"
	if err := crane.Push(image, reference); err != nil {
		t.Fatal(err)
	}
	return reference
}

func imageInDaemon(t *testing.T) string {
	t.Helper()
	image, err := random.Image(10_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	reference := "example.test/" + clusterName(t) + ":v1"
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(path, mustParse(t, reference), image); err != nil {
		t.Fatal(err)
	}
	dockerCommand(t, "load", "-i", path)
	t.Cleanup(func() {
		engine(t).ImageRemove(context.WithoutCancel(t.Context()), reference, client.ImageRemoveOptions{})
	})
	return reference
}

// loadsOverBase sends an image without the layers of its base, which the node
// fetches, and one that is not made of that base as a whole.
func loadsOverBase(t *testing.T, cluster string) {
	t.Helper()
	base := imageInRegistry(t)
	dockerCommand(t, "pull", "--quiet", base)
	other := imageInDaemon(t)
	dir := t.TempDir()
	for file, text := range map[string]string{"Dockerfile": "FROM " + base + "\nCOPY model /model\nUSER 8888\n", "model": "weights"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	model := "example.test/over/" + clusterName(t) + ":v1"
	dockerCommand(t, "build", "--quiet", "--tag", model, dir)
	t.Cleanup(func() {
		for _, image := range []string{model, base} {
			engine(t).ImageRemove(context.WithoutCancel(t.Context()), image, client.ImageRemoveOptions{})
		}
	})
	p := run(t, 0, "kind-cluster", "load", "--name", cluster, "--image", model, "--image", other, "--base-image", base)
	log := p.text()
	for _, want := range []string{"loaded " + model + " into " + cluster + "-control-plane over " + base + ": 0.0 MiB", other + " is sent as a whole: " + other + " is not made of the layers of " + base} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	checked := dockerCommand(t, "exec", cluster+"-control-plane", "ctr", "-n", "k8s.io", "images", "check", "--quiet")
	for _, image := range []string{model, other} {
		if !slices.Contains(strings.Fields(checked), image) {
			t.Errorf("%s is not whole in the node:\n%s", image, checked)
		}
	}
	if tags := dockerCommand(t, "images", "--quiet", "127.0.0.1:*/model-delivery/"+cluster); tags != "" {
		t.Errorf("images are left under a name of the hand-over: %s", tags)
	}
}

func sizeOf(t *testing.T, dir string) int64 {
	t.Helper()
	var total int64
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		total += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// A command runs in a cluster of its own: its exit code comes through, the
// logs are kept, the cluster goes.
func TestRun(t *testing.T) {
	cluster := clusterName(t)
	w := watch(t, cluster)
	logs := filepath.Join(t.TempDir(), "logs")
	p := run(t, 7, "kind-cluster", "run", "--name", cluster, "--node-image", platform.NodeImage, "--logs-dir", logs,
		"--", "sh", "-c", `test -s "$KUBECONFIG" && docker exec `+cluster+`-control-plane true && exit 7`)
	if got := p.result("exit-code"); got != "7" {
		t.Errorf("result exit-code is %q", got)
	}
	if got := p.result("cleanup"); got != "done" {
		t.Errorf("result cleanup is %q", got)
	}
	if _, err := os.Stat(filepath.Join(logs, "kind-version.txt")); err != nil {
		t.Error(err)
	}
	w.nothingLeft()
}

// A step that is told to stop ends in time and leaves nothing, whatever it
// was at. Tekton's entrypoint signals the group; a person's kill only the
// process.
func TestStop(t *testing.T) {
	for _, tc := range []struct {
		name, at string
		after    time.Duration
		group    bool
		config   string
	}{
		{name: "boot", at: "kind: Preparing nodes", after: 300 * time.Millisecond},
		{name: "boot as Tekton does", at: "kind: Preparing nodes", after: 300 * time.Millisecond, group: true},
		{name: "kubeadm", at: "kind: Starting control-plane", after: 2 * time.Second},
		{name: "kubeadm as Tekton does", at: "kind: Starting control-plane", after: 2 * time.Second, group: true},
		// A cluster that has all it needs is ready by then.
		{name: "readiness", at: "waiting for nodes", after: 100 * time.Millisecond, config: "networking: {disableDefaultCNI: true}\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cluster := clusterName(t)
			w := watch(t, cluster)
			p := start(t, "kind-cluster", "create", "--name", cluster, "--node-image", platform.NodeImage, "--config", config(t, tc.config))
			p.await(tc.at, 3*time.Minute)
			time.Sleep(tc.after)
			pid := p.cmd.Process.Pid
			if tc.group {
				pid = -pid
			}
			told := time.Now()
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if code := p.wait(20 * time.Second); code != 143 {
				t.Errorf("exit code %d, want 143", code)
			}
			if took := time.Since(told); took > 10*time.Second {
				t.Errorf("ended after %s, want 10 s at most", took)
			} else {
				t.Logf("ended %s after the signal", took.Round(10*time.Millisecond))
			}
			w.nothingLeft()
		})
	}
}

// A command of `run` is stopped too, and its cluster goes.
func TestStopRun(t *testing.T) {
	cluster := clusterName(t)
	w := watch(t, cluster)
	p := start(t, "kind-cluster", "run", "--name", cluster, "--node-image", platform.NodeImage, "--", "sh", "-c", "echo the test runs; sleep 300")
	p.await("the test runs", 5*time.Minute)
	syscall.Kill(p.cmd.Process.Pid, syscall.SIGTERM)
	told := time.Now()
	if code := p.wait(20 * time.Second); code != 143 || time.Since(told) > 10*time.Second {
		t.Errorf("exit code %d after %s", code, time.Since(told))
	}
	w.nothingLeft()
}

// Running out of time is an error that says what was missing.
func TestTimeout(t *testing.T) {
	cluster := clusterName(t)
	w := watch(t, cluster)
	logs := filepath.Join(t.TempDir(), "logs")
	p := run(t, 3, "kind-cluster", "create", "--name", cluster, "--node-image", platform.NodeImage, "--timeout", "6s", "--logs-dir", logs)
	if took := time.Since(p.started); took > 40*time.Second {
		t.Errorf("took %s", took)
	}
	if !strings.Contains(p.text(), "the timeout of 6s passed") {
		t.Error("the output does not name the timeout")
	}
	w.nothingLeft()
}

func mustParse(t *testing.T, reference string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}
