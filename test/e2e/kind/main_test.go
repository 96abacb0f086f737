//go:build e2e

// Package kind tests docker-wait and kind-cluster as built binaries against
// the docker engine and the node image of the local platform. Every cluster
// has a name of its own, and every test counts what is left of it.
package kind

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
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/stepbin"
)

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
	if platform.NodeImage == "" {
		return 1, errors.New("the local platform has no node image")
	}
	if binaries, err = stepbin.Build("docker-wait", "kind-cluster"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(binaries)
	return m.Run(), nil
}

// environ is what a step's process gets: the platform's engine, and a home
// and kubeconfig of its own.
func environ(t *testing.T) []string {
	env := append(os.Environ(), platform.Environ()...)
	home := t.TempDir()
	return append(env, "HOME="+home, "KUBECONFIG="+filepath.Join(home, "kubeconfig"))
}

// process is a step that runs.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	results string
	started time.Time
	done    chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
	lines  chan struct{} // gets a token when there is more output
}

func (p *process) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output.Write(data)
	select {
	case p.lines <- struct{}{}:
	default:
	}
	return len(data), nil
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// start runs a binary in a process group of its own, as Tekton's entrypoint
// does.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return startWith(t, nil, name, args...)
}

// startWith is start with variables of the environment, NAME=value.
func startWith(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, results: t.TempDir(), started: time.Now(), done: make(chan struct{}), lines: make(chan struct{}, 1)}
	p.cmd = exec.Command(filepath.Join(binaries, name), withResults(args, p.results)...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(environ(t), env...), p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			<-p.done
		}
		if t.Failed() {
			t.Logf("%s %s printed:\n%s", name, strings.Join(args, " "), p.text())
		}
	})
	return p
}

// withResults puts the flag before a "--" that begins a command.
func withResults(args []string, dir string) []string {
	out := append([]string{}, args[:1]...)
	return append(append(out, "--results-dir", dir), args[1:]...)
}

// await waits until the output holds a text.
func (p *process) await(text string, limit time.Duration) {
	p.t.Helper()
	timeout := time.After(limit)
	for !strings.Contains(p.text(), text) {
		select {
		case <-p.lines:
		case <-p.done:
			if !strings.Contains(p.text(), text) {
				p.t.Fatalf("ended (%v) without %q", p.cmd.ProcessState, text)
			}
		case <-timeout:
			p.t.Fatalf("no %q within %s", text, limit)
		}
	}
}

// wait returns the exit code.
func (p *process) wait(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.t.Fatalf("still runs after %s", limit)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) result(name string) string {
	data, err := os.ReadFile(filepath.Join(p.results, name))
	if err != nil {
		p.t.Error(err)
	}
	return string(data)
}

// run starts a binary and requires an exit code.
func run(t *testing.T, want int, name string, args ...string) *process {
	t.Helper()
	p := start(t, name, args...)
	if code := p.wait(6 * time.Minute); code != want {
		t.Fatalf("%s %s: exit code %d, want %d", name, args[0], code, want)
	}
	return p
}

// engine is a client of the platform's engine.
func engine(t *testing.T) *client.Client {
	t.Helper()
	cli, _, err := docker.Connect(platform.DockerHost, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cli.Close() })
	return cli
}

// watched notes the volumes of a cluster's containers while it comes and
// goes, so that it can be said afterwards what is left.
type watched struct {
	t       *testing.T
	cluster string
	engine  *client.Client
	stop    func()
	volumes map[string]bool
}

func watch(t *testing.T, cluster string) *watched {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w := &watched{t: t, cluster: cluster, engine: engine(t), volumes: map[string]bool{}}
	ended := make(chan struct{})
	w.stop = sync.OnceFunc(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			for _, c := range w.containers(ctx) {
				info, err := w.engine.ContainerInspect(ctx, c, client.ContainerInspectOptions{})
				if err != nil {
					continue
				}
				for _, m := range info.Container.Mounts {
					if m.Name != "" {
						w.volumes[m.Name] = true
					}
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		w.stop()
		for _, id := range w.containers(context.Background()) { // of a test that failed
			w.engine.ContainerRemove(context.Background(), id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		}
	})
	return w
}

func (w *watched) containers(ctx context.Context) []string {
	list, err := w.engine.ContainerList(ctx, client.ContainerListOptions{All: true,
		Filters: make(client.Filters).Add("label", "io.x-k8s.kind.cluster="+w.cluster)})
	if err != nil && ctx.Err() == nil {
		w.t.Error(err)
	}
	var ids []string
	for _, c := range list.Items {
		ids = append(ids, c.ID)
	}
	return ids
}

// nothingLeft fails the test when a container, volume or network is left.
// It looks for a while, since what was under way may still appear.
func (w *watched) nothingLeft() {
	w.t.Helper()
	time.Sleep(time.Second)
	w.stop()
	ctx := context.WithoutCancel(w.t.Context())
	if left := w.containers(ctx); len(left) > 0 {
		w.t.Errorf("containers are left: %v", left)
	}
	for name := range w.volumes {
		if _, err := w.engine.VolumeInspect(ctx, name, client.VolumeInspectOptions{}); err == nil {
			w.t.Errorf("volume %s is left", name)
		}
	}
	probes, err := w.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", "model-delivery.dev/probe")})
	if err != nil || len(probes.Items) > 0 {
		w.t.Errorf("probe containers are left: %d, %v", len(probes.Items), err)
	}
}

// phases are the seconds by phase that a result holds.
func phases(t *testing.T, p *process) map[string]float64 {
	t.Helper()
	var seconds map[string]float64
	if err := json.Unmarshal([]byte(p.result("phases")), &seconds); err != nil {
		t.Fatal(err)
	}
	return seconds
}

// clusterName is one that no other test has.
func clusterName(t *testing.T) string {
	text := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", " ", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	return fmt.Sprintf("e2e-%s-%d", strings.Trim(text[:min(len(text), 30)], "-"), os.Getpid()%10000)
}
