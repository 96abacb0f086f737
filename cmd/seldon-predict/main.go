// Command seldon-predict checks the predictions of a deployed model. See
// package predict.
package main

import (
	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(predict.Command()) }
