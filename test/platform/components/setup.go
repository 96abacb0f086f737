package components

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/steps/kube/setup"
	"github.com/model-delivery/model-delivery/steps/step"
	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// profileSetup is a profile of the project's own step cluster-setup, which
// installs the same in the throw-away cluster of a run.
type profileSetup struct {
	component string
	profile   string
	namespace string
	values    map[string]any
	chart     string // digest in the platform's registry; "" takes the published charts
}

// install runs the step, unless what it installed last is the same and runs.
func (p profileSetup) install(ctx context.Context, env *local.Env) error {
	file, err := yaml.Marshal(map[string]any{
		"apiVersion": setup.APIVersion, "kind": setup.Kind,
		"install": []any{map[string]any{"profile": p.profile, "values": p.values}},
	})
	if err != nil {
		return fmt.Errorf("write what to install: %w", err)
	}
	cluster, err := env.Kube()
	if err != nil {
		return err
	}
	system, err := cluster.Client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("look at the cluster: %w", err)
	}
	applied := cache.Key(string(system.UID), p.chart, string(file))
	if env.State.Value(p.component, "applied") == applied && installed(ctx, env, p.namespace) == nil {
		return nil
	}
	path := env.StateFile("setup", p.component+".yaml")
	if err := cache.WriteFile(path, file, 0o644); err != nil {
		return fmt.Errorf("write what to install: %w", err)
	}
	args := []string{"--file=" + path, "--kubeconfig=" + env.State.Kubeconfig, "--force-conflicts", "--results-dir=" + env.StateFile("setup", p.component)}
	if p.chart != "" {
		args = append(args, "--chart-registry=oci://"+chartsOf(env))
	}
	said := &lines{logf: env.Logf}
	if code := step.Execute(ctx, setup.Command(), args, noEnviron, io.Discard, said); code != 0 {
		return errors.Join(ctx.Err(), fmt.Errorf("cluster-setup ended with exit code %d:\n%s", code, said.tail(20)))
	}
	return env.Publish(p.component, "applied", applied)
}

// noEnviron keeps variables of the caller from changing what is installed. Only
// where things are on this machine is let through.
func noEnviron(name string) string {
	if name == "HOME" || name == "TMPDIR" {
		return os.Getenv(name)
	}
	return ""
}

// lines passes on each line that is written and remembers all of them.
type lines struct {
	logf func(format string, args ...any)

	mu   sync.Mutex
	rest []byte
	all  []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.all = append(l.all, string(line))
		l.logf("%s", string(line))
		l.rest = rest
	}
}

// tail returns the last n lines.
func (l *lines) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all[max(0, len(l.all)-n):], "\n")
}
