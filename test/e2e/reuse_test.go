//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/delivery"
)

// reused is the Task that others take: it needs nothing but its image.
const reused = "forge-report"

// resolved is the Task's manifest with the image of its steps, as a release has
// it and as the platform has installed it.
func resolved(t *testing.T, s *delivery.Session) []byte {
	t.Helper()
	task, err := s.Runs.Tekton.TektonV1().Tasks(delivery.RunNamespace).Get(t.Context(), reused, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	task.ObjectMeta = metav1.ObjectMeta{Name: task.Name, Labels: task.Labels}
	task.TypeMeta = metav1.TypeMeta{APIVersion: "tekton.dev/v1", Kind: "Task"}
	data, err := yaml.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// reference is a Task by a resolver.
func reference(resolver string, pairs ...string) *pipelinev1.TaskRef {
	ref := &pipelinev1.TaskRef{ResolverRef: pipelinev1.ResolverRef{Resolver: pipelinev1.ResolverName(resolver)}}
	for i := 0; i+1 < len(pairs); i += 2 {
		ref.Params = append(ref.Params, pipelinev1.Param{Name: pairs[i], Value: *pipelinev1.NewStructuredValues(pairs[i+1])})
	}
	return ref
}

// One Task is taken into somebody else's pipeline in each way that the
// documentation shows: from the cluster, from a Tekton bundle and from git.
func TestOneTaskByResolvers(t *testing.T) {
	s := connect(t)
	for name, take := range map[string]func(t *testing.T) *pipelinev1.TaskRef{
		"cluster": func(*testing.T) *pipelinev1.TaskRef {
			return reference("cluster", "kind", "task", "name", reused, "namespace", delivery.RunNamespace)
		},
		"bundle": func(t *testing.T) *pipelinev1.TaskRef {
			file := filepath.Join(t.TempDir(), "bundle.yaml")
			if err := os.WriteFile(file, resolved(t, s), 0o600); err != nil {
				t.Fatal(err)
			}
			bundle := s.Platform.Registry + "/e2e/bundle:0.1.0"
			push := exec.CommandContext(t.Context(), s.Platform.Value("tkn", "path"), "bundle", "push", bundle, "-f", file)
			if out, err := push.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return reference("bundles", "bundle", bundle, "kind", "task", "name", reused)
		},
		"git": func(t *testing.T) *pipelinev1.TaskRef {
			path := filepath.Join("tasks", reused, reused+".yaml")
			dir := filepath.Join(t.TempDir(), "catalog")
			repository, err := s.CloneModels(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, path), resolved(t, s), 0o644); err != nil {
				t.Fatal(err)
			}
			commit, err := repository.Push(t.Context(), "catalog-"+time.Now().Format("150405"), "Publish a Task")
			if err != nil {
				t.Fatal(err)
			}
			return reference("git", "url", s.ForgeURL+"/"+s.ModelsRepo+".git", "revision", commit, "pathInRepo", filepath.ToSlash(path),
				"gitToken", "forge-credentials", "gitTokenKey", "password")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := &pipelinev1.TaskRun{ObjectMeta: metav1.ObjectMeta{GenerateName: "by-" + name + "-"}, Spec: pipelinev1.TaskRunSpec{TaskRef: take(t)}}
			for _, pair := range [][2]string{{"provider", "none"}, {"repository", "https://forge.example.org/x/y.git"}, {"commit", "0123456789abcdef0123456789abcdef01234567"}, {"state", "success"}} {
				run.Spec.Params = append(run.Spec.Params, pipelinev1.Param{Name: pair[0], Value: *pipelinev1.NewStructuredValues(pair[1])})
			}
			made, err := s.Runs.Tekton.TektonV1().TaskRuns(delivery.RunNamespace).Create(t.Context(), run, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			done := taskStarter{s: s, timeout: 3 * time.Minute}.wait(t, reused, made.Name)
			if state := delivery.Result(done, "state"); state != "success" {
				t.Errorf("the Task reports %q", state)
			}
		})
	}
}
