package seldon

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
)

// Stage is a step of the way from a SeldonDeployment to a model that serves.
type Stage string

// Stages, in the order in which they are passed.
const (
	StageSpec      Stage = "spec"      // the cluster holds the version that is waited for
	StageIdentity  Stage = "identity"  // the live pod templates carry it
	StageRollout   Stage = "rollout"   // its pods run, and no older ones
	StageState     Stage = "state"     // the operator calls it Available
	StageEndpoints Stage = "endpoints" // its services lead to these pods alone
	StageStable    Stage = "stable"    // all of that stays so for a moment
)

// snapshot is what the cluster holds at one moment.
type snapshot struct {
	sdep      *unstructured.Unstructured
	workloads []*unstructured.Unstructured // Deployments with the operator's label
	pods      []*unstructured.Unstructured // pods with the operator's label
	slices    []*unstructured.Unstructured // EndpointSlices with the operator's label; nil: cannot be read
}

// verdict is what a snapshot amounts to.
type verdict struct {
	stage   Stage
	message string // what is missing
	soft    bool   // only something that may never come is missing
	fatal   string // why waiting cannot help; "" when it may
	suspect string // why waiting may not help, if it stays so
	status  *Status
}

// review judges a snapshot. It looks at the cluster's objects alone and not at
// the clock, so the same snapshot always gives the same verdict.
func review(s snapshot, want Want) verdict {
	if s.sdep == nil {
		return verdict{stage: StageSpec, message: "is not in the cluster yet"}
	}
	d, err := parse[deployment](s.sdep)
	if err != nil {
		return verdict{stage: StageSpec, message: err.Error(), fatal: err.Error()}
	}
	if missing := want.missing(d); missing != "" {
		return verdict{stage: StageSpec, message: missing}
	}
	var workloads []*workload
	for _, obj := range s.workloads {
		w, err := parse[workload](obj)
		if err != nil {
			return verdict{stage: StageRollout, message: err.Error(), fatal: err.Error()}
		}
		if w.Metadata.DeletionTimestamp == "" {
			workloads = append(workloads, w)
		}
	}
	slices.SortFunc(workloads, func(a, b *workload) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) })
	c := d.claimed(workloads)
	// What nobody asks for any more may be as broken as it likes: often it is
	// what this version mends, and the operator keeps it until that is ready.
	asked := slices.DeleteFunc(slices.Clone(workloads), func(w *workload) bool { return slices.Contains(c.surplus, w.Metadata.Name) })
	suspect := suspicion(d, s.pods, asked)
	switch {
	case len(workloads) == 0:
		return verdict{stage: StageIdentity, message: "the operator has made no Deployment for it yet" + inState(d), suspect: suspect}
	case len(c.missing) > 0:
		return verdict{stage: StageIdentity, message: strings.Join(c.missing, "; ") + inState(d), suspect: suspect}
	}
	for _, w := range asked {
		if message, fatal := rollout(w); message != "" {
			v := verdict{stage: StageRollout, message: message, suspect: suspect}
			if fatal {
				v.fatal = message
			}
			return v
		}
	}
	if d.Status.State != "Available" {
		return verdict{stage: StageState, message: "its Deployments are ready, but the operator has not called it Available" + inState(d), suspect: suspect}
	}
	names := make([]string, len(workloads))
	for i, w := range workloads {
		names[i] = w.Metadata.Name
	}
	if reported := slices.Sorted(maps.Keys(d.Status.DeploymentStatus)); !slices.Equal(names, reported) {
		return verdict{stage: StageState, message: fmt.Sprintf("the operator reports on Deployments %s, there are %s", list(reported), list(names))}
	}
	if message := d.endpoints(s.slices, s.pods); message != "" {
		return verdict{stage: StageEndpoints, message: message}
	}
	status := d.summary(names, c)
	if len(c.surplus) > 0 {
		return verdict{stage: StageRollout, message: "Deployment " + list(c.surplus) + " of an earlier version is still there", soft: true, status: status}
	}
	return verdict{stage: StageStable, status: status}
}

func inState(d *deployment) string {
	if d.Status.State == "" {
		return " (no state reported)"
	}
	text := " (state " + d.Status.State
	if d.Status.Description != "" {
		text += ": " + d.Status.Description
	}
	return text + ")"
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// rollout says what a Deployment lacks until its pods are all of its current
// template and available, and whether that is final.
func rollout(w *workload) (message string, fatal bool) {
	name, wanted := "Deployment "+w.Metadata.Name, w.replicas()
	switch {
	case w.Status.ObservedGeneration < w.Metadata.Generation:
		return name + " has a change that nobody has acted on yet", false
	case slices.ContainsFunc(w.Status.Conditions, func(c condition) bool {
		return c.Type == "Progressing" && c.Status == "False" && c.Reason == "ProgressDeadlineExceeded"
	}):
		return name + " exceeded its progress deadline", true
	case w.Status.UpdatedReplicas < wanted:
		return fmt.Sprintf("%s has %d of %d pods of the new version", name, w.Status.UpdatedReplicas, wanted), false
	case w.Status.Replicas > w.Status.UpdatedReplicas:
		return fmt.Sprintf("%s still has %d pods of an older version", name, w.Status.Replicas-w.Status.UpdatedReplicas), false
	case w.Status.AvailableReplicas < wanted:
		return fmt.Sprintf("%s has %d of %d pods available", name, w.Status.AvailableReplicas, wanted), false
	case w.Status.Replicas > wanted:
		return fmt.Sprintf("%s still has %d pods too many", name, w.Status.Replicas-wanted), false
	}
	return "", false
}

// suspicion says what will hardly heal: an error of the operator, or pods of
// the current template that cannot start or start and end again and again.
func suspicion(d *deployment, pods []*unstructured.Unstructured, workloads []*workload) string {
	for _, pod := range pods {
		if pod.GetDeletionTimestamp() != nil || !current(pod, workloads) {
			continue
		}
		for _, t := range kube.PodTroubles(pod) {
			switch t.Reason {
			case "InvalidImageName", "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
				return "pod " + pod.GetName() + ": " + t.String()
			case "CrashLoopBackOff", "OOMKilled":
				if t.Restarts >= 3 {
					return "pod " + pod.GetName() + ": " + t.String()
				}
			}
		}
	}
	if d.Status.State == "Failed" {
		return "the operator reports Failed: " + d.Status.Description
	}
	return ""
}

// current tells whether a pod was made from a live template, not an older one.
func current(pod *unstructured.Unstructured, workloads []*workload) bool {
	w := workloadOf(pod, workloads)
	if w == nil {
		return false
	}
	parsed, err := parse[struct {
		Spec podSpec `json:"spec"`
	}](pod)
	if err != nil {
		return false
	}
	for _, asked := range w.Spec.Template.Spec.Containers {
		live := parsed.Spec.container(asked.Name)
		if live == nil || differs(asked, *live) != "" {
			return false
		}
	}
	return true
}

// workloadOf returns the Deployment that a pod was made for.
func workloadOf(pod *unstructured.Unstructured, workloads []*workload) *workload {
	app := pod.GetLabels()["app"]
	for _, w := range workloads {
		if w.Metadata.Name == app {
			return w
		}
	}
	return nil
}

// endpoints says what the predictors' services lack until they lead to pods
// that are there, and to no pod that is going.
func (d *deployment) endpoints(endpointSlices, pods []*unstructured.Unstructured) string {
	if endpointSlices == nil {
		return ""
	}
	alive := map[string]bool{}
	for _, pod := range pods {
		alive[pod.GetName()] = pod.GetDeletionTimestamp() == nil
	}
	ready := map[string]int{}
	for _, slice := range endpointSlices {
		service := slice.GetLabels()["kubernetes.io/service-name"]
		entries, _, _ := unstructured.NestedSlice(slice.Object, "endpoints")
		for _, entry := range entries {
			endpoint, ok := entry.(map[string]any)
			if !ok {
				continue
			}
			if isReady, found, _ := unstructured.NestedBool(endpoint, "conditions", "ready"); found && !isReady {
				continue
			}
			pod, _, _ := unstructured.NestedString(endpoint, "targetRef", "name")
			if pod != "" && !alive[pod] {
				return "service " + service + " still leads to pod " + pod + ", which is going"
			}
			ready[service]++
		}
	}
	for _, p := range d.Spec.Predictors {
		if service := d.service(p); service != "" && ready[service] == 0 {
			return "service " + service + " of predictor " + p.Name + " leads to no ready pod"
		}
	}
	return ""
}

// service is the name of a predictor's own Service as the operator reports it;
// "" when it cannot be told.
func (d *deployment) service(p predictor) string {
	for _, name := range []string{p.Annotations[annotationSvcName], d.Metadata.Name + "-" + p.Name} {
		if _, reported := d.Status.ServiceStatus[name]; reported {
			return name
		}
	}
	if len(d.Spec.Predictors) > 1 {
		return ""
	}
	// A name that was too long was replaced: with one predictor, the service
	// that the deployment's own address leads to is its.
	host, _, _ := strings.Cut(strings.TrimPrefix(d.Status.Address.URL, "http://"), ".")
	return host
}

// settle is how long all has to stay as it is: where an older version was
// there before, long enough for the operator to have looked again.
func settle(d *unstructured.Unstructured, want Want) time.Duration {
	switch {
	case want.Stable > 0:
		return want.Stable
	case d.GetGeneration() > 1:
		return 2 * time.Second
	}
	return 500 * time.Millisecond
}
