// Package components holds what the local platform runs in and beside its
// cluster: Tekton, Seldon Core, the gateway, the forge and the GitOps
// controller.
package components

import "github.com/model-delivery/model-delivery/test/platform/local"

// Components returns the components in the order they are started.
func Components() []local.Component {
	return []local.Component{forge{}, pipelines(), triggers(), seldon{}, gatewayRouter{}, argocd{}}
}
