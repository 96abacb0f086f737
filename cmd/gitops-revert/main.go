// Command gitops-revert takes the promotion of a model back.
package main

import (
	"github.com/model-delivery/model-delivery/steps/gitops"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(gitops.RevertCommand()) }
