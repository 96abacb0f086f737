//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/delivery"
)

// root is the repository, seen from this package.
var root = filepath.Join("..", "..")

// started is how tkn says which run it has made.
var started = regexp.MustCompile(`(?m)^(?:Task|Pipeline)Run started: (\S+)$`)

// tkn runs Tekton's command line in the repository, as a user would, and
// returns the name of the run that it started.
func tkn(t *testing.T, s *delivery.Session, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.Platform.Value("tkn", "path"), args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), s.Platform.Environ()...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("tkn %s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
	match := started.FindStringSubmatch(out.String())
	if match == nil {
		t.Fatalf("tkn %s started nothing:\n%s", strings.Join(args, " "), out.String())
	}
	return match[1]
}

// settings are the values with which the EventListener of this platform starts
// runs.
func settings(t *testing.T, s *delivery.Session) map[string]string {
	t.Helper()
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	bindings := schema.GroupVersionResource{Group: "triggers.tekton.dev", Version: "v1beta1", Resource: "triggerbindings"}
	binding, err := client.Resource(bindings).Namespace(delivery.RunNamespace).Get(t.Context(), "model-delivery-settings", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := binding.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var typed struct {
		Spec struct {
			Params []struct{ Name, Value string } `json:"params"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(data, &typed); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, param := range typed.Spec.Params {
		values[param.Name] = param.Value
	}
	return values
}

// readmeCommand returns the words of the README's command that begins so.
func readmeCommand(t *testing.T, begin string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), "\\\n", " ")
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); strings.HasPrefix(strings.Join(words, " "), begin) {
			for i := range words {
				words[i] = strings.Trim(words[i], "'")
			}
			return words
		}
	}
	t.Fatalf("the README has no command %q", begin)
	return nil
}

// A run that is started with the README's command does what a push does. Its
// params are those that the README names, with this platform's values, and
// those with which a platform without public registries differs.
func TestPipelineStartFromTheREADME(t *testing.T) {
	s := connect(t)
	before, err := s.Lead.Head(s.GitopsRepo, "main")
	if err != nil {
		t.Fatal(err)
	}
	commit := push(t, s, fresh("by-hand"), "Deliver by hand", nil)
	values := settings(t, s)
	values["repository"], values["revision"] = values["models-repository"], commit
	values["image"] = values["image-prefix"] + "/{model}:" + commit
	args := readmeCommand(t, "tkn pipeline start model-delivery")[1:]
	for i, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if args[max(i-1, 0)] != "--param" || !ok {
			continue
		}
		if replaced, ok := values[name]; ok {
			value = replaced
		}
		args[i] = name + "=" + value
	}
	for _, name := range []string{"provider", "base-image", "dind-image", "node-image", "insecure-registries", "node-registry-mirrors", "chart-registry"} {
		args = append(args, "--param", name+"="+values[name])
	}
	// The README's run is followed on the terminal; here it is followed below.
	args = without(args, "--showlog")
	name := tkn(t, s, args...)
	run, tasks := finish(t, s, name)
	if !run.IsSuccessful() {
		t.Fatal(failure(t, s, run))
	}
	digest := delivery.Result(tasks[delivery.Integration], "IMAGE_DIGEST")
	released := delivery.DeploymentName(model)
	file, err := s.Lead.File(s.GitopsRepo, "main", "staging/"+released+"/"+released+".yaml")
	if err != nil || digest == "" || !strings.Contains(file, digest) {
		t.Errorf("staging does not pin %q: %v\n%s", digest, err, file)
	}
	if after, err := s.Lead.Head(s.GitopsRepo, "main"); err != nil || after == before {
		t.Errorf("nothing was promoted: %v", err)
	}
	if pull, err := s.Lead.PullRequestFor(s.GitopsRepo, released); err != nil || !strings.Contains(pull.Body, digest) {
		t.Errorf("no pull request offers %s to production: %v", digest, err)
	}
}

func without(words []string, word string) []string {
	var kept []string
	for _, w := range words {
		if w != word {
			kept = append(kept, w)
		}
	}
	return kept
}

// claim makes a volume for TaskRuns to share, which goes with the test.
func claim(t *testing.T, s *delivery.Session) string {
	t.Helper()
	claims := s.Runs.Kube.CoreV1().PersistentVolumeClaims(delivery.RunNamespace)
	var spec corev1.PersistentVolumeClaim
	data, err := os.ReadFile(filepath.Join(root, "pipelines", "model-delivery", "samples", "source-claim.yaml"))
	if err == nil {
		err = yaml.UnmarshalStrict(data, &spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	spec.Name, spec.GenerateName = "", "by-hand-"
	made, err := claims.Create(t.Context(), &spec, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := claims.Delete(cleanup(t), made.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return made.Name
}

// taskStarter starts Tasks one at a time with tkn.
type taskStarter struct {
	s       *delivery.Session
	common  []string // flags of all
	timeout time.Duration
}

// run starts a Task, waits for its end and returns it.
func (r taskStarter) run(t *testing.T, task string, args ...string) *pipelinev1.TaskRun {
	t.Helper()
	name := tkn(t, r.s, append(append([]string{"task", "start", task, "--namespace", delivery.RunNamespace, "--use-param-defaults", "--skip-optional-workspace"}, r.common...), args...)...)
	return r.wait(t, task, name)
}

// wait waits for the end of a TaskRun and returns it. The TaskRun goes with the
// test.
func (r taskStarter) wait(t *testing.T, task, name string) *pipelinev1.TaskRun {
	t.Helper()
	runs := r.s.Runs.Tekton.TektonV1().TaskRuns(delivery.RunNamespace)
	t.Cleanup(func() {
		if err := runs.Delete(cleanup(t), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	deadline := time.Now().Add(r.timeout)
	for {
		run, err := runs.Get(t.Context(), name, metav1.GetOptions{})
		if err == nil && run.IsDone() {
			if !run.IsSuccessful() {
				logs, err := r.s.Runs.TaskLogs(t.Context(), run, 80)
				t.Fatalf("task %s: %s (%v)\n%s", task, delivery.Reason(&run.Status), err, logs)
			}
			t.Logf("%s: %s in %s", task, delivery.Reason(&run.Status), run.Status.CompletionTime.Sub(run.Status.StartTime.Time))
			return run
		}
		if time.Now().After(deadline) {
			t.Fatalf("task %s did not end within %s: %v", task, r.timeout, err)
		}
		time.Sleep(time.Second)
	}
}

// params are --param flags.
func params(pairs ...string) []string {
	var args []string
	for i := 0; i+1 < len(pairs); i += 2 {
		args = append(args, "--param", pairs[i]+"="+pairs[i+1])
	}
	return args
}

// on is a --workspace flag for a part of the volume.
func on(volume, workspace, path string) []string {
	return []string{"--workspace", fmt.Sprintf("name=%s,claimName=%s,subPath=%s", workspace, volume, path)}
}
