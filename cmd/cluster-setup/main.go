// Command cluster-setup installs what a setup file lists in a cluster, and waits
// until all of it is ready.
package main

import (
	"github.com/model-delivery/model-delivery/steps/kube/setup"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(setup.Command()) }
