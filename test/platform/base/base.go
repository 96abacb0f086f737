// Package base holds the components that everything else on the local platform
// stands on: the Docker engine, base images, the registry, the node image and
// the cluster.
package base

import "github.com/model-delivery/model-delivery/test/platform/local"

// Components returns the base components in the order they are started.
func Components() []local.Component {
	return nil
}
