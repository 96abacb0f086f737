package bundle_test

import (
	"strings"
	"testing"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/model-delivery/model-delivery/test/bundle"
)

const koPrefix = "ko://github.com/model-delivery/model-delivery/"

// mergedSteps are a Task's steps as they run, with the step template applied.
func mergedSteps(t *testing.T, task *pipelinev1.Task) []pipelinev1.Step {
	t.Helper()
	steps, err := pipelinev1.MergeStepsWithStepTemplate(task.Spec.StepTemplate, task.Spec.Steps)
	if err != nil {
		t.Fatalf("%s: %v", task.Name, err)
	}
	return steps
}

// TestStepsAreRestricted: every step satisfies the restricted Pod Security
// Standard and asks for what it needs.
func TestStepsAreRestricted(t *testing.T) {
	t.Parallel()
	for name, task := range bundle.Of[pipelinev1.Task](load(t, "tasks")) {
		for _, step := range mergedSteps(t, task) {
			s := step.SecurityContext
			restricted := s != nil && isTrue(s.RunAsNonRoot) && s.RunAsUser != nil && *s.RunAsUser > 0 &&
				s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation && !isTrue(s.Privileged) &&
				s.Capabilities != nil && len(s.Capabilities.Add) == 0 && len(s.Capabilities.Drop) == 1 && s.Capabilities.Drop[0] == "ALL" &&
				s.SeccompProfile != nil && s.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault
			if !restricted {
				t.Errorf("%s: step %s is not restricted: %+v", name, step.Name, s)
			}
			if strings.HasPrefix(step.Image, "ko://") && !isTrue(s.ReadOnlyRootFilesystem) {
				t.Errorf("%s: step %s writes to the root of its own image", name, step.Name)
			}
			requests, limits := step.ComputeResources.Requests, step.ComputeResources.Limits
			if requests.Cpu().IsZero() || requests.Memory().IsZero() || limits.Memory().IsZero() {
				t.Errorf("%s: step %s: resources %+v", name, step.Name, step.ComputeResources)
			}
		}
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

// TestStepsRunNoShell: no step has a script, and where a sidecar has one, what
// users give reaches it by its environment.
func TestStepsRunNoShell(t *testing.T) {
	t.Parallel()
	for name, task := range bundle.Of[pipelinev1.Task](load(t, "tasks")) {
		for _, step := range task.Spec.Steps {
			if step.Script != "" || len(step.Command) == 0 {
				t.Errorf("%s: step %s must have a command and no script", name, step.Name)
			}
			if len(step.Command) > 0 && strings.HasSuffix(step.Command[0], "sh") {
				t.Errorf("%s: step %s runs a shell", name, step.Name)
			}
			if image, ok := strings.CutPrefix(step.Image, koPrefix+"cmd/"); ok && step.Command[0] != "/ko-app/"+image {
				t.Errorf("%s: step %s runs %s of image %s", name, step.Name, step.Command[0], image)
			}
		}
		for _, sidecar := range task.Spec.Sidecars {
			if strings.Contains(sidecar.Script, "$(params.") || strings.Contains(sidecar.Script, "$(workspaces.") {
				t.Errorf("%s: the script of sidecar %s has variables of Tekton's in it", name, sidecar.Name)
			}
		}
	}
}

// TestOnlyDockerIsPrivileged: the one privileged container is the sidecar dind,
// the same in each Task that has it.
func TestOnlyDockerIsPrivileged(t *testing.T) {
	t.Parallel()
	script := ""
	for name, task := range bundle.Of[pipelinev1.Task](load(t, "tasks")) {
		for _, sidecar := range task.Spec.Sidecars {
			if sidecar.Name != "dind" {
				t.Errorf("%s: sidecar %s", name, sidecar.Name)
			}
			if sidecar.ComputeResources.Requests.Memory().IsZero() {
				t.Errorf("%s: sidecar %s asks for no memory", name, sidecar.Name)
			}
			if script != "" && sidecar.Script != script {
				t.Errorf("%s: the script of dind differs from another Task's", name)
			}
			script = sidecar.Script
		}
		for _, volume := range task.Spec.Volumes {
			if volume.HostPath != nil && volume.HostPath.Path != "/lib/modules" {
				t.Errorf("%s: volume %s is %s of the node", name, volume.Name, volume.HostPath.Path)
			}
		}
	}
	if script == "" {
		t.Error("no Task has the sidecar dind")
	}
}
