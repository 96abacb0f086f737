package seldon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// DeployOptions says what to deploy, where, and how long to wait.
type DeployOptions struct {
	Client    *kube.Client
	Manifests *Manifests
	// Images to run, by container name; see [Manifests.PinImages].
	Images map[string]string
	// Namespace for everything that is namespaced, over what the manifests
	// say. Empty: what they say, else the client's.
	Namespace string
	// Timeout bounds all of it. Zero: five minutes.
	Timeout time.Duration
	// Force takes over fields that others own.
	Force bool
	// Want is how each SeldonDeployment is waited for. Its generation, images,
	// timeout and progress are filled in.
	Want Want
	// Progress gets a line now and then. May be nil.
	Progress func(format string, args ...any)
}

// Deploy applies manifests with images pinned, and waits until each
// SeldonDeployment serves what was applied and nothing older does; see [Wait].
func Deploy(ctx context.Context, o DeployOptions) ([]*Status, error) {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Progress == nil {
		o.Progress = func(string, ...any) {}
	}
	if err := o.Manifests.PinImages(o.Images); err != nil {
		return nil, err
	}
	namespace := o.Namespace
	if namespace == "" {
		namespace = o.Client.Namespace
	}
	o.Manifests.inNamespace(namespace, o.Namespace != "")
	start := time.Now()
	apply := kube.ApplyOptions{
		Namespace: namespace, CreateNamespaces: true, Force: o.Force, Timeout: o.Timeout, Progress: o.Progress,
	}
	others, err := kube.Apply(ctx, o.Client, o.Manifests.Others, apply)
	if err != nil {
		return nil, err
	}
	served, err := servedVersions(o.Client, o.Manifests.SeldonDeployments)
	if err != nil {
		return nil, err
	}
	applied, err := kube.Apply(ctx, o.Client, served, apply)
	if err != nil {
		return nil, fmt.Errorf("deploy: %w", err)
	}
	for _, obj := range applied {
		o.Progress("applied SeldonDeployment %s/%s, generation %d", obj.GetNamespace(), obj.GetName(), obj.GetGeneration())
	}
	left := func() time.Duration { return max(o.Timeout-time.Since(start), time.Second) }
	if err := kube.WaitReady(ctx, o.Client, others, kube.WaitOptions{Timeout: left(), Progress: o.Progress}); err != nil {
		return nil, err
	}
	var statuses []*Status
	for _, obj := range applied {
		want := o.Want
		want.Generation, want.Timeout, want.Progress = obj.GetGeneration(), left(), o.Progress
		status, err := Wait(ctx, o.Client, obj.GetNamespace(), obj.GetName(), want)
		if err != nil {
			return statuses, err
		}
		statuses = append(statuses, status)
		o.Progress("SeldonDeployment %s/%s serves generation %d after %s", status.Namespace, status.Name, status.Generation,
			time.Since(start).Round(100*time.Millisecond))
	}
	return statuses, nil
}

// servedVersions gives SeldonDeployments of a version that the cluster does not
// serve the version that it does: the schema is one and the same.
func servedVersions(c *kube.Client, objs []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	out := slices.Clone(objs)
	for i, obj := range objs {
		gvk := obj.GroupVersionKind()
		if gvk.Version == Version {
			continue
		}
		_, err := c.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if meta.IsNoMatchError(err) {
			out[i] = obj.DeepCopy()
			out[i].SetAPIVersion(Group + "/" + Version)
		} else if err != nil {
			return nil, step.Infraf("ask the cluster for SeldonDeployments of version %s: %w", gvk.Version, err)
		}
	}
	return out, nil
}
