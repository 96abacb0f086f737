//go:build e2e

package integration

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tektoncd/pipeline/pkg/apis/pipeline/pod"
	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// makefile is a model that has nothing but this and a kind_config.yaml.
const makefile = `build:
	docker pull --quiet BUSYBOX
	docker tag BUSYBOX $(IMAGE)
	@echo the build runs; sleep SECONDS_TO_BUILD
kind_setup:
	kubectl create namespace made-by-setup
	test ! -e crd.yaml || kubectl create -f crd.yaml
	@echo the set-up runs; sleep SECONDS_TO_SET_UP
test_integration:
	@kubectl get namespace made-by-setup -o name
	@echo the tests run; sleep SECONDS_TO_TEST
	@exit EXIT_CODE
`

// model is what a run tests: how many seconds its targets sleep, and the exit
// code of its tests.
type model struct {
	build, setUp, test, code int
	deployed                 bool // with Seldon's kind, and nobody who acts on it
}

func (m model) makefile() string {
	return strings.NewReplacer("BUSYBOX", platform.Images["busybox"], "SECONDS_TO_BUILD", strconv.Itoa(m.build), "SECONDS_TO_SET_UP", strconv.Itoa(m.setUp),
		"SECONDS_TO_TEST", strconv.Itoa(m.test), "EXIT_CODE", strconv.Itoa(m.code)).Replace(makefile)
}

const kindConfig = `kind: Cluster
apiVersion: kind.sigs.k8s.io/v1alpha3
networking: {podSubnet: 10.246.0.0/16, serviceSubnet: 10.112.0.0/16}
nodes: [{role: control-plane}]
`

const (
	seldonKind = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: seldondeployments.machinelearning.seldon.io}
spec:
  group: machinelearning.seldon.io
  scope: Namespaced
  names: {kind: SeldonDeployment, plural: seldondeployments}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`
	seldonModel = `apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: tiny}
spec:
  predictors:
  - name: default
    graph: {name: tiny, type: MODEL}
    componentSpecs: [{spec: {containers: [{name: tiny, image: tiny:dev}]}}]
`
)

// taskRun is a run under way.
type taskRun struct {
	t    *testing.T
	name string
	pod  *corev1.Pod // as it was first seen
}

// begin starts a run of a model.
func begin(t *testing.T, task string, m model, timeout time.Duration, with ...func(*pipelinev1.TaskRun)) *taskRun {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", " ", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	files := map[string]string{"Makefile": m.makefile(), "integration/kind_config.yaml": kindConfig}
	if m.deployed {
		files["crd.yaml"], files["charts/model.yaml"] = seldonKind, seldonModel
	}
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{}}
	projection := &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: name}}
	for path, text := range files {
		key := strings.ReplaceAll(path, "/", ".")
		config.Data[key] = text
		projection.Items = append(projection.Items, corev1.KeyToPath{Key: key, Path: "models/tiny/" + path})
	}
	if _, err := api.CoreV1().ConfigMaps(namespace).Create(t.Context(), config, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	run := &pipelinev1.TaskRun{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: pipelinev1.TaskRunSpec{
			TaskRef: &pipelinev1.TaskRef{Name: task},
			Timeout: &metav1.Duration{Duration: timeout},
			Workspaces: []pipelinev1.WorkspaceBinding{{Name: "source", Projected: &corev1.ProjectedVolumeSource{
				Sources: []corev1.VolumeProjection{{ConfigMap: projection}},
			}}, {Name: "reports", EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	}
	for param, value := range map[string]string{
		"model": "tiny", "builder-image": platform.Value("builder", "model-builder"), "dind-image": platform.DindImage, "node-image": platform.RegistryNodeImage,
		"insecure-registries": platform.Registry, "node-registry-mirrors": platform.Registry, "gateway": "none",
	} {
		run.Spec.Params = append(run.Spec.Params, pipelinev1.Param{Name: param, Value: *pipelinev1.NewStructuredValues(value)})
	}
	return create(t, run, with...)
}

// create starts a run as it is, but for what the functions change.
func create(t *testing.T, run *pipelinev1.TaskRun, with ...func(*pipelinev1.TaskRun)) *taskRun {
	t.Helper()
	token := false
	run.Spec.PodTemplate = &pod.PodTemplate{AutomountServiceAccountToken: &token}
	for _, change := range with {
		change(run)
	}
	name := run.Name
	if _, err := runs.TektonV1().TaskRuns(namespace).Create(t.Context(), run, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r := &taskRun{t: t, name: name}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		_ = runs.TektonV1().TaskRuns(namespace).Delete(ctx, name, metav1.DeleteOptions{})
	})
	r.until("its pod", time.Minute, func() bool {
		pods, err := api.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "tekton.dev/taskRun=" + name})
		if err == nil && len(pods.Items) > 0 {
			r.pod = &pods.Items[0]
		}
		return r.pod != nil
	})
	return r
}

// resultsOf are the results of a run that are text.
func resultsOf(run *pipelinev1.TaskRun) map[string]string {
	results := map[string]string{}
	for _, result := range run.Status.Results {
		results[result.Name] = result.Value.StringVal
	}
	return results
}

// until waits for something.
func (r *taskRun) until(what string, limit time.Duration, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %s in vain for %s\n%s", limit, what, r.log())
		}
	}
}

// log is what the step has said so far.
func (r *taskRun) log() string {
	stream, err := api.CoreV1().Pods(namespace).GetLogs(r.pod.Name, &corev1.PodLogOptions{Container: "step-integration"}).Stream(context.WithoutCancel(r.t.Context()))
	if err != nil {
		return ""
	}
	defer stream.Close()
	data, _ := io.ReadAll(stream)
	return string(data)
}

// says waits until the step has said a text.
func (r *taskRun) says(text string) {
	r.t.Helper()
	r.until("the step to say "+text, 4*time.Minute, func() bool { return strings.Contains(r.log(), text) })
}

// ended waits for the end of the run and returns it.
func (r *taskRun) ended(limit time.Duration) *pipelinev1.TaskRun {
	r.t.Helper()
	var run *pipelinev1.TaskRun
	r.until("the end of the run", limit, func() bool {
		found, err := runs.TektonV1().TaskRuns(namespace).Get(r.t.Context(), r.name, metav1.GetOptions{})
		run = found
		return err == nil && found.IsDone()
	})
	return run
}

// node runs a script in the node of the platform's cluster.
func node(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(platform.DockerPath, "docker"), "exec", "-i", platform.Cluster+"-control-plane", "sh", "-s")
	if platform.DockerPath == "" {
		cmd.Path = "docker"
	}
	cmd.Env, cmd.Stdin = append(os.Environ(), platform.Environ()...), strings.NewReader(script)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("in the node: %v: %s", err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// left lists what is on the node of a pod: processes, groups, mounts, files.
func (r *taskRun) left() string {
	uid := string(r.pod.UID)
	return node(r.t, strings.NewReplacer("UID", uid, "ALT", strings.ReplaceAll(uid, "-", "_")).Replace(`
for f in /proc/[0-9]*/cgroup; do if grep -q -e UID -e ALT "$f" 2>/dev/null; then echo "process $f: $(tr '\0' ' ' <"${f%/cgroup}/cmdline")"; fi; done
find /sys/fs/cgroup -type d \( -name '*UID*' -o -name '*ALT*' \) 2>/dev/null | sed 's/^/group /'
grep -e UID /proc/1/mountinfo | sed 's/^/mount /'
if [ -e /var/lib/kubelet/pods/UID ]; then echo "files of the pod"; fi
`))
}

// nothingLeft waits until nothing of the pod is on the node.
func (r *taskRun) nothingLeft() {
	r.t.Helper()
	r.until("nothing to be left", 90*time.Second, func() bool { return r.left() == "" })
}

// remove deletes the run, whose ended pod stays to read its logs.
func (r *taskRun) remove() {
	r.t.Helper()
	if err := runs.TektonV1().TaskRuns(namespace).Delete(r.t.Context(), r.name, metav1.DeleteOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *taskRun) killStep()       { r.t.Helper(); r.kill("^/tools/kind-integration run") }
func (r *taskRun) killDaemon()     { r.t.Helper(); r.kill("^dockerd --host") }
func (r *taskRun) killContainerd() { r.t.Helper(); r.kill("^containerd --config") }

// kill ends, with SIGKILL, the processes of the pod whose command line has a text.
func (r *taskRun) kill(text string) {
	r.t.Helper()
	uid := string(r.pod.UID)
	killed := node(r.t, strings.NewReplacer("UID", uid, "ALT", strings.ReplaceAll(uid, "-", "_"), "TEXT", text).Replace(`
for f in /proc/[0-9]*/cgroup; do
  pid=${f#/proc/}; pid=${pid%/cgroup}
  if grep -q -e UID -e ALT "$f" 2>/dev/null && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -e 'TEXT'; then kill -9 "$pid" && echo "$pid"; fi
done`))
	if killed == "" {
		r.t.Fatalf("no process of the pod has %q", text)
	}
}

// traces counts what on the node could grow from run to run.
func traces(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	for name, script := range map[string]string{
		"interfaces": "ls /sys/class/net | grep -c . ",
		"mounts":     "grep -c . /proc/1/mountinfo",
		"groups":     "find /sys/fs/cgroup -type d | grep -v -e kubepods | wc -l",
		"docker":     "find /sys/fs/cgroup -type d -name docker | wc -l",
	} {
		count, err := strconv.Atoi(node(t, script))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = count
	}
	return out
}
