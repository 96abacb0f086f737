// Command git-clone checks a git repository out into a workspace.
package main

import (
	"github.com/model-delivery/model-delivery/steps/git/checkout"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(checkout.Command()) }
