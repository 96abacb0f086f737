// Package kind makes, fills, records and removes throw-away Kubernetes
// clusters with kind's own library.
//
// [Create] returns when the cluster can run a model: its nodes are Ready, DNS
// answers and does not ask itself, and the default service account is there. It
// stops in time when its context ends, although kind's library takes no
// context, and then leaves no container behind. A failure is named from what the
// nodes, the kubelet and the Docker daemon left as evidence; one that is known
// to pass is tried again. [Load], [Logs] and [Delete] work on a cluster by its
// name, and [Run] does all of it around one command.
//
// kind's library runs the docker command line found on PATH.
package kind
