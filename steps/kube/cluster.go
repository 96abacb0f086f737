package kube

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resources of what the cluster is asked about beside the objects at hand.
var (
	crdResource          = schema.GroupVersionResource{Group: crdKind.Group, Version: "v1", Resource: "customresourcedefinitions"}
	storageClassResource = schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}
	eventResource        = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	replicaSetResource   = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
	podResource          = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
)

// waitEstablished waits until the cluster serves the kinds that crds define.
func waitEstablished(ctx context.Context, c *Client, crds []*unstructured.Unstructured, o ApplyOptions) error {
	timeout := o.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	err := WaitReady(ctx, c, crds, WaitOptions{Timeout: max(timeout, time.Millisecond), Progress: o.Progress})
	c.Mapper.Reset()
	return err
}

// promisesConditions tells whether the definition of obj's kind has a status
// subresource with conditions, so that a controller can be expected to set them.
func (c *Client) promisesConditions(ctx context.Context, obj *unstructured.Unstructured) bool {
	gvk := obj.GroupVersionKind()
	mapping, err := c.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return false
	}
	crd, err := c.Dynamic.Resource(crdResource).Get(ctx, mapping.Resource.Resource+"."+gvk.Group, metav1.GetOptions{})
	if err != nil {
		return false
	}
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, entry := range versions {
		version, ok := entry.(map[string]any)
		if !ok || version["name"] != gvk.Version {
			continue
		}
		_, hasStatus, _ := unstructured.NestedFieldNoCopy(version, "subresources", "status")
		_, hasConditions, _ := unstructured.NestedFieldNoCopy(version,
			"schema", "openAPIV3Schema", "properties", "status", "properties", "conditions")
		return hasStatus && hasConditions
	}
	return false
}

// bindsLate tells whether a claim waits for its first pod by design.
func (c *Client) bindsLate(ctx context.Context, claim *unstructured.Unstructured) bool {
	name, named, _ := unstructured.NestedString(claim.Object, "spec", "storageClassName")
	classes, err := c.Dynamic.Resource(storageClassResource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return false
	}
	for _, class := range classes.Items {
		isDefault := class.GetAnnotations()["storageclass.kubernetes.io/is-default-class"] == "true"
		if class.GetName() == name || (!named && isDefault) {
			mode, _, _ := unstructured.NestedString(class.Object, "volumeBindingMode")
			return mode == "WaitForFirstConsumer"
		}
	}
	return false
}
