// Command gitops-wait waits until a commit of the GitOps repository is live.
package main

import (
	"github.com/model-delivery/model-delivery/steps/gitops/wait"
	"github.com/model-delivery/model-delivery/steps/step"
	"github.com/model-delivery/model-delivery/steps/step/quiet"
)

func main() {
	quiet.Kubernetes()
	step.Main(wait.Command())
}
