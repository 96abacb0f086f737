// Command model-image is the step of the same name; see package image.
package main

import (
	"github.com/model-delivery/model-delivery/steps/image"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(image.Command()) }
