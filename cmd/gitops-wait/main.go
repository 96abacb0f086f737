// Command gitops-wait waits until a commit of the GitOps repository is live.
package main

import (
	"github.com/model-delivery/model-delivery/steps/gitops"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(gitops.WaitCommand()) }
