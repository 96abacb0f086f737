package kube

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// State is how far an object is.
type State string

// States of an object.
const (
	Ready      State = "ready"
	InProgress State = "in progress"
	Failed     State = "failed" // and will not heal by waiting
)

// Status is how far an object is, and what it lacks.
type Status struct {
	State   State
	Message string
}

// silenceGrace is how long a new custom resource whose definition promises
// conditions may have none before its silence is taken for consent: kstatus
// alone would call it ready before its controller has seen it.
const silenceGrace = 5 * time.Second

// crashLimit is how often a container may end before its pod has failed.
const crashLimit = 3

// StatusOf tells how far obj is by the rules of kstatus: built-in kinds by what
// their controllers report, custom resources by their conditions and observed
// generation. It is stricter in a few cases: a Job is ready when it is complete
// and not when it has started, a Pod that ended badly has failed, an aggregated
// API is ready when it is available, and a SeldonDeployment when its state says
// so (it has no conditions at first and no observed generation ever). And more
// patient in one: a Pod that cannot be scheduled yet, or ended once or twice, may
// still make it.
func StatusOf(obj *unstructured.Unstructured) Status {
	if obj == nil {
		return Status{State: InProgress, Message: errGone.Error()}
	}
	result, err := status.Compute(obj)
	if err != nil {
		return Status{State: InProgress, Message: err.Error()}
	}
	if obj.GroupVersionKind().GroupKind().String() == "Pod" {
		return podStatus(obj, result)
	}
	switch result.Status {
	case status.FailedStatus:
		return Status{State: Failed, Message: failureMessage(obj, result)}
	case status.CurrentStatus:
	default:
		return Status{State: InProgress, Message: result.Message}
	}
	switch obj.GroupVersionKind().GroupKind().String() {
	case "Job.batch":
		if Condition(obj, "Complete")["status"] != "True" {
			return Status{State: InProgress, Message: result.Message}
		}
	case "APIService.apiregistration.k8s.io":
		if c := Condition(obj, "Available"); c["status"] != "True" {
			return Status{State: InProgress, Message: conditionText("Available", c)}
		}
	case "SeldonDeployment.machinelearning.seldon.io":
		return seldonStatus(obj)
	}
	return Status{State: Ready, Message: result.Message}
}

// podStatus corrects what kstatus makes of a pod.
func podStatus(obj *unstructured.Unstructured, result *status.Result) Status {
	phase, _, _ := unstructured.NestedString(obj.Object, "status", "phase")
	switch {
	case phase == "Failed":
		return Status{State: Failed, Message: result.Message}
	case result.Status == status.CurrentStatus:
		return Status{State: Ready, Message: result.Message}
	case result.Status != status.FailedStatus:
	case Condition(obj, "PodScheduled")["status"] == "False":
	case slices.ContainsFunc(PodTroubles(obj), func(t ContainerTrouble) bool { return t.Restarts >= crashLimit }):
		return Status{State: Failed, Message: result.Message}
	}
	return Status{State: InProgress, Message: result.Message}
}

// failureMessage says more than "failed" where a condition does.
func failureMessage(obj *unstructured.Unstructured, result *status.Result) string {
	for _, c := range result.Conditions {
		if c.Message != "" && !strings.Contains(result.Message, c.Message) {
			return result.Message + ": " + c.Message
		}
	}
	return result.Message
}

func seldonStatus(obj *unstructured.Unstructured) Status {
	state, _, _ := unstructured.NestedString(obj.Object, "status", "state")
	description, _, _ := unstructured.NestedString(obj.Object, "status", "description")
	switch {
	case state == "Available":
		return Status{State: Ready, Message: state}
	case state == "":
		return Status{State: InProgress, Message: "the operator has reported no state yet"}
	case state == "Failed":
		return Status{State: InProgress, Message: "state Failed: " + description} // errors of the operator heal by themselves
	}
	return Status{State: InProgress, Message: "state " + state}
}

// silent tells whether nobody has reported on obj yet.
func silent(obj *unstructured.Unstructured) bool {
	content, _, _ := unstructured.NestedMap(obj.Object, "status")
	return len(content) == 0
}

// Condition returns the status condition of that type; nil when there is none.
func Condition(obj *unstructured.Unstructured, conditionType string) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, entry := range conditions {
		if c, ok := entry.(map[string]any); ok && c["type"] == conditionType {
			return c
		}
	}
	return nil
}

func conditionText(conditionType string, c map[string]any) string {
	if c == nil {
		return "condition " + conditionType + " is not reported yet"
	}
	text := fmt.Sprintf("condition %s is %v", conditionType, c["status"])
	if reason, _ := c["reason"].(string); reason != "" {
		text += ", " + reason
	}
	if message, _ := c["message"].(string); message != "" {
		text += ": " + message
	}
	return text
}
