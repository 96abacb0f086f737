// Command cluster-setup installs what a setup file lists in a cluster, and waits
// until all of it is ready.
package main

import (
	"github.com/model-delivery/model-delivery/steps/kube/setup"
	"github.com/model-delivery/model-delivery/steps/step"
	"github.com/model-delivery/model-delivery/steps/step/quiet"
)

func main() {
	quiet.Kubernetes()
	step.Main(setup.Command())
}
