package kube

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Delete removes an object with what it owns and waits until it is gone. One
// that is not there is no error.
func Delete(ctx context.Context, c *Client, obj *unstructured.Unstructured, timeout time.Duration) error {
	doing := "delete " + Ref(obj)
	resource, err := c.Resource(obj.GroupVersionKind(), obj.GetNamespace())
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return step.Infraf("%s: %w", doing, err)
	}
	foreground := metav1.DeletePropagationForeground
	err = resource.Delete(ctx, obj.GetName(), metav1.DeleteOptions{PropagationPolicy: &foreground})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return describeAPI(doing, err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	changed := make(chan struct{}, 1)
	follower, err := c.Follow(ctx, Selection{Kind: obj.GroupVersionKind(), Namespace: obj.GetNamespace(), Name: obj.GetName()}, changed)
	if err != nil {
		return step.Infraf("%s: %w", doing, err)
	}
	for {
		if left, synced, _ := follower.Object(); synced && left == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return step.WithHint(step.Infraf("%s: not gone after %s", doing, timeout.Round(time.Second)),
				"a finalizer may hold it: see its metadata.finalizers and who should act on them")
		case <-changed:
		}
	}
}
