package seldon

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Kinds that a wait follows beside the SeldonDeployment.
var (
	deploymentKind    = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	podKind           = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	endpointSliceKind = schema.GroupVersionKind{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"}
)

// followers keep the objects of one SeldonDeployment up to date.
type followers struct {
	sdep, workloads, pods, slices *kube.Follower
	changed                       chan struct{}
}

func follow(ctx context.Context, c *kube.Client, namespace, name string) (*followers, error) {
	f := &followers{changed: make(chan struct{}, 1)}
	selector := labelDeployment + "=" + labelValue(name)
	for _, entry := range []struct {
		into **kube.Follower
		what kube.Selection
	}{
		{&f.sdep, kube.Selection{Kind: GroupVersionKind(), Namespace: namespace, Name: name}},
		{&f.workloads, kube.Selection{Kind: deploymentKind, Namespace: namespace, LabelSelector: selector}},
		{&f.pods, kube.Selection{Kind: podKind, Namespace: namespace, LabelSelector: selector}},
		{&f.slices, kube.Selection{Kind: endpointSliceKind, Namespace: namespace, LabelSelector: selector}},
	} {
		follower, err := c.Follow(ctx, entry.what, f.changed)
		if meta.IsNoMatchError(err) {
			c.Mapper.Reset()
			follower, err = c.Follow(ctx, entry.what, f.changed)
		}
		switch {
		case meta.IsNoMatchError(err) && entry.what.Kind.Group == Group:
			return nil, step.WithHint(step.Infraf("wait for SeldonDeployment %s/%s: the cluster does not know this kind", namespace, name),
				"install Seldon Core first, as `cluster-setup` does with its profile seldon-core")
		case err != nil:
			return nil, step.Infraf("wait for SeldonDeployment %s/%s: %w", namespace, name, err)
		}
		*entry.into = follower
	}
	return f, nil
}

// snapshot returns what is known, and an error when something needed is not.
func (f *followers) snapshot() (snapshot, error) {
	var s snapshot
	var synced bool
	var err error
	if s.sdep, synced, err = f.sdep.Object(); !synced {
		return s, orNotHeard(err)
	}
	if s.workloads, synced, err = f.workloads.Objects(); !synced {
		return s, orNotHeard(err)
	}
	if s.pods, synced, err = f.pods.Objects(); !synced {
		return s, orNotHeard(err)
	}
	s.slices, synced, err = f.slices.Objects()
	switch {
	case synced && s.slices == nil:
		s.slices = []*unstructured.Unstructured{}
	case !synced && err != nil && apierrors.IsForbidden(err):
		s.slices = nil // without the right to look, readiness of the pods has to do
	case !synced:
		return s, orNotHeard(err)
	}
	return s, nil
}

var errNotHeard = errors.New("the cluster has not answered yet")

func orNotHeard(err error) error {
	if err != nil {
		return err
	}
	return errNotHeard
}

// labelValue is how the operator writes a name into its label: names that are
// too long for a label are replaced by a digest of them.
func labelValue(name string) string {
	if len(name) <= 63 {
		return name
	}
	return "seldon-" + digest(name)
}
