//go:build e2e

// Package integration tests the Task kind-integration-test as TaskRuns on the
// cluster of the local platform, in a namespace of its own.
package integration

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	tekton "github.com/tektoncd/pipeline/pkg/client/clientset/versioned"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

const root = "../../.."

var (
	platform  *local.State
	runs      *tekton.Clientset
	api       *kubernetes.Clientset
	config    *rest.Config
	namespace = fmt.Sprintf("e2e-integration-%d", os.Getpid())
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
	ctx := context.Background()
	var err error
	if platform, err = local.Load(""); err != nil {
		return 1, err
	}
	if platform.Value("builder", "model-builder") == "" || platform.RegistryNodeImage == "" {
		return 1, errors.New("the local platform is not complete: go run ./test/platform up")
	}
	if config, err = clientcmd.BuildConfigFromFlags("", platform.Kubeconfig); err != nil {
		return 1, err
	}
	if runs, err = tekton.NewForConfig(config); err != nil {
		return 1, err
	}
	if api, err = kubernetes.NewForConfig(config); err != nil {
		return 1, err
	}
	if _, err := api.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		return 1, err
	}
	defer api.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{})
	if err := install(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// pushStep puts a step of this work tree into the platform's registry, as ko
// would.
func pushStep(name string) (string, error) {
	dir, err := os.MkdirTemp("", "e2e-integration-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, name)
	build := exec.Command("go", "build", "-o", binary, "./cmd/"+name)
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", name, err, out)
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return "", err
	}
	base, err := crane.Pull(platform.Images["static"])
	if err != nil {
		return "", err
	}
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	if err := errors.Join(writer.WriteHeader(&tar.Header{Name: "ko-app/" + name, Mode: 0o755, Size: int64(len(data))}), second(writer.Write(data)), writer.Close()); err != nil {
		return "", err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
	if err != nil {
		return "", err
	}
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return "", err
	}
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	repository := platform.Registry + "/e2e/" + name
	return repository + "@" + digest.String(), crane.Push(image, repository+":"+namespace)
}

func second(_ int, err error) error { return err }

// Names of the Tasks, and of those whose engine has little room and just enough.
const (
	taskName   = "kind-integration-test"
	smallTask  = "kind-integration-test-small"
	boundTask  = "kind-integration-test-bound"
	reaperTask = "kind-reaper"
)

// rooms are how much the engines of Tasks have room for.
var rooms = map[string]resource.Quantity{smallTask: resource.MustParse("700Mi"), boundTask: resource.MustParse("3Gi")}

// install installs the Tasks with the steps of this work tree.
func install(ctx context.Context) error {
	for _, step := range []struct {
		name, file string
		tasks      []string
	}{
		{"kind-integration", taskName, []string{taskName, smallTask, boundTask}},
		{"kind-cluster", reaperTask, []string{reaperTask}},
	} {
		image, err := pushStep(step.name)
		if err != nil {
			return err
		}
		for _, task := range step.tasks {
			if err := installTask(ctx, task, step.file, image); err != nil {
				return fmt.Errorf("install the Task %s: %w", task, err)
			}
		}
	}
	return nil
}

// readTask is a Task of this work tree.
func readTask(file string) (*pipelinev1.Task, error) {
	data, err := os.ReadFile(filepath.Join(root, "tasks", file, file+".yaml"))
	if err != nil {
		return nil, err
	}
	task := &pipelinev1.Task{}
	return task, yaml.Unmarshal(data, task)
}

func installTask(ctx context.Context, name, file, image string) error {
	task, err := readTask(file)
	if err != nil {
		return err
	}
	task.Name, task.Spec.Steps[0].Image = name, image
	for i := range task.Spec.Volumes {
		if room, bound := rooms[name]; bound && task.Spec.Volumes[i].Name == "docker-storage" {
			task.Spec.Volumes[i].EmptyDir = &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &room}
		}
	}
	// The webhook may have been asked for the first time in a while.
	for try := 1; ; try++ {
		if _, err = runs.TektonV1().Tasks(namespace).Create(ctx, task, metav1.CreateOptions{}); err == nil || try == 5 {
			return err
		}
		time.Sleep(time.Second)
	}
}
