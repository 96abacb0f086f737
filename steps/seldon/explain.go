package seldon

import (
	"context"
	"crypto/md5" //nolint:gosec // the operator's own choice, no secret depends on it
	"encoding/hex"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

const explainTimeout = 10 * time.Second

var (
	sdepResource       = schema.GroupVersionResource{Group: Group, Version: Version, Resource: "seldondeployments"}
	deploymentResource = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
)

// digest is how the operator shortens what is too long for a label.
func digest(text string) string {
	sum := md5.Sum([]byte(text)) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

// explain makes the error of a wait that failed, with the cluster's evidence.
// It has its own few seconds, since the wait's deadline may be over.
func (w *waiter) explain(ctx context.Context, timedOut bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), explainTimeout)
	defer cancel()
	e := &NotReadyError{
		Namespace: w.namespace, Name: w.name, Stage: w.last.stage, Message: w.last.message,
		TimedOut: timedOut, After: time.Since(w.start),
	}
	if w.last.suspect != "" && !strings.Contains(e.Message, w.last.suspect) {
		e.Message += "; " + w.last.suspect
	}
	e.Because = Explain(ctx, w.client, w.namespace, w.name)
	hint := e.Because.Hint
	if hint == "" {
		hint = w.hint(ctx)
	}
	return step.WithHint(step.Failed(e), hint)
}

// Explain gathers what the cluster knows about a SeldonDeployment: its
// description, conditions and events, its Deployments, and why their pods wait
// or end, with the last lines of the model's initializer and of the model.
func Explain(ctx context.Context, c *kube.Client, namespace, name string) kube.Explanation {
	obj, err := c.Dynamic.Resource(sdepResource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return kube.Explanation{}
	}
	obj.SetGroupVersionKind(GroupVersionKind())
	return kube.Explain(ctx, c, obj, kube.ExplainOptions{LogLines: 20})
}

// hint says what the stage alone suggests.
func (w *waiter) hint(ctx context.Context) string {
	switch w.last.stage {
	case StageSpec:
		if others := w.others(ctx); others != "" {
			return "SeldonDeployments of namespace " + w.namespace + ": " + others
		}
		return "is it the right namespace, and was it applied or synced there?"
	case StageIdentity:
		if !w.operatorRuns(ctx) {
			return "the operator of Seldon Core does not seem to run; its Deployment is usually seldon-controller-manager in seldon-system"
		}
		return "the operator has not acted on it: does it watch namespace " + w.namespace + "? Its log says more"
	}
	return "see the evidence above; if it was only slow, raise --timeout"
}

// others lists the SeldonDeployments that are there.
func (w *waiter) others(ctx context.Context) string {
	list, err := w.client.Dynamic.Resource(sdepResource).Namespace(w.namespace).List(ctx, metav1.ListOptions{Limit: 10})
	if err != nil {
		return ""
	}
	var names []string
	for _, item := range list.Items {
		names = append(names, item.GetName())
	}
	if slices.Contains(names, w.name) {
		return ""
	}
	return strings.Join(names, ", ")
}

// operatorRuns tells whether the operator can be seen to run; true when it
// cannot be told.
func (w *waiter) operatorRuns(ctx context.Context) bool {
	list, err := w.client.Dynamic.Resource(deploymentResource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return true
	}
	for _, item := range list.Items {
		if strings.Contains(item.GetName(), "seldon-controller-manager") {
			available, _, _ := unstructured.NestedInt64(item.Object, "status", "availableReplicas")
			return available > 0
		}
	}
	return false
}
