// Package versions pins everything the local platform installs, in one place.
package versions

// Kubernetes and what a node is made of.
const (
	Kubernetes        = "v1.34.4"
	KubernetesStaging = "v0.34.4" // version of the modules that k8s.io/kubernetes keeps in its staging directory
	Etcd              = "v3.6.7"
	CoreDNS           = "v1.12.4"
	Kind              = "v0.32.0" // node image recipe; equals the library's version in go.mod
)

// Tools and servers built from their Go modules.
const (
	Ko           = "v0.19.1"
	Tkn          = "v0.46.0"
	Distribution = "v3.0.0" // container registry
	Pipelines    = "v1.15.0"
	Triggers     = "v0.37.0"
	SeldonCore   = "v1.16.0"
	Gitea        = "v1.26.0"
	ArgoCD       = "v3.2.1"
)

// Debian is the release that base images and the Docker engine come from.
const Debian = "trixie"

// NodeImage is the node image that kind publishes for this release of Kind and
// this minor version of Kubernetes, from Kind's release notes.
const NodeImage = "docker.io/kindest/node:v1.34.8@sha256:02722c2dedddcfc00febf5d27fbeb9b7b2c14294c82109ff4a85d89ac9ba3256"

// DindImage is Docker's own image of an engine that runs in a container.
const DindImage = "docker.io/library/docker:29.7.2-dind"
