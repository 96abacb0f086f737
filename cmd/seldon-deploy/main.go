// Command seldon-deploy applies SeldonDeployments with their images pinned, and
// waits until they serve what was applied. See package seldon.
package main

import (
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(seldon.DeployCommand()) }
