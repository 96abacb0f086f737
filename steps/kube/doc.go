// Package kube talks to a Kubernetes cluster on behalf of the steps: it
// applies objects server-side in an order that works, waits until they are
// ready through watches, and explains from the cluster's own evidence (events,
// pod states, last log lines) why something is not.
//
// It works on unstructured objects, so that anything a chart, a kustomization
// or a manifest holds can be handled, custom resources included.
package kube
