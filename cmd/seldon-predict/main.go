// Command seldon-predict checks the predictions of a deployed model. See
// package predict.
package main

import (
	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/step"
	"github.com/model-delivery/model-delivery/steps/step/quiet"
)

func main() {
	quiet.Kubernetes()
	step.Main(predict.Command())
}
