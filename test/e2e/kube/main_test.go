//go:build e2e

// Package kube tests cluster-setup, seldon-deploy and seldon-predict as built
// binaries against the cluster of the local platform. Each test has a namespace of its own, which
// goes when it ends.
package kube

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

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/model-delivery/model-delivery/steps/kube"
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
	if platform.Kubeconfig == "" || platform.Images["busybox"] == "" {
		return 1, errors.New("the local platform has no cluster or no busybox image: go run ./test/platform up")
	}
	if binaries, err = stepbin.Build("cluster-setup", "seldon-deploy", "seldon-predict"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(binaries)
	return m.Run(), nil
}

// outcome is how a step ended.
type outcome struct {
	code    int
	stderr  string
	results map[string]any
	took    time.Duration
}

// run runs a step on the platform's cluster.
func run(t *testing.T, step string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(binaries, step), append(args, "--kubeconfig", platform.Kubeconfig, "--results-dir", t.TempDir())...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	out := outcome{stderr: stderr.String(), took: time.Since(start)}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		out.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	_ = json.Unmarshal([]byte(lines[len(lines)-1]), &out.results)
	t.Logf("%s ended with %d after %s:\n%s", step, out.code, out.took.Round(10*time.Millisecond), out.stderr)
	return out
}

// cluster connects to the platform's cluster.
func cluster(t *testing.T) *kube.Client {
	t.Helper()
	client, err := kube.NewClient(kube.Options{Kubeconfig: platform.Kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// namespace names a namespace for the test, which is deleted at its end.
func namespace(t *testing.T) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", " ", "-").Replace(t.Name()))
	name = strings.Trim(fmt.Sprintf("e2e-%.40s", name), "-") + fmt.Sprintf("-%d", os.Getpid())
	client := cluster(t)
	t.Cleanup(func() {
		resource := client.Dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
		if err := resource.Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("delete namespace %s: %v", name, err)
		}
	})
	return name
}

// get reads an object of the cluster.
func get(t *testing.T, apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	resource, err := cluster(t).Resource(schema.FromAPIVersionAndKind(apiVersion, kind), namespace)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := resource.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// tree writes files to a directory. IMAGE stands for an image with a shell, NS
// for the namespace.
func tree(t *testing.T, namespace string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		text = strings.NewReplacer("IMAGE", platform.Images["busybox"], "NS", namespace).Replace(text)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// deleteObject deletes an object without waiting for it to be gone.
func deleteObject(client *kube.Client, apiVersion, kind, namespace, name string) error {
	resource, err := client.Resource(schema.FromAPIVersionAndKind(apiVersion, kind), namespace)
	if err != nil {
		return err
	}
	return resource.Delete(context.Background(), name, metav1.DeleteOptions{})
}
