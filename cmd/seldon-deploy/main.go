// Command seldon-deploy applies SeldonDeployments with their images pinned, and
// waits until they serve what was applied. See package seldon.
package main

import (
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
	"github.com/model-delivery/model-delivery/steps/step/quiet"
)

func main() {
	quiet.Kubernetes()
	step.Main(seldon.DeployCommand())
}
