// Package chart fetches Helm charts from a repository, an OCI registry or a
// directory, and renders them with Helm's own library.
//
// Nothing is recorded in the cluster as a Helm release: what comes out are the
// objects of the chart, for [kube.Apply] to apply. Hooks for installation are
// kept apart, since they have to run before or after.
package chart
