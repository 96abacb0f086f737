// Command model-release is the step of the same name; see package model.
package main

import (
	"github.com/model-delivery/model-delivery/steps/model"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(model.ReleaseCommand()) }
