// Command gitops-promote brings a model to an environment by changing the
// repository that the environment follows.
package main

import (
	"github.com/model-delivery/model-delivery/steps/gitops"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(gitops.PromoteCommand()) }
