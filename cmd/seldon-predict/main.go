// Command seldon-predict checks the predictions of a deployed model. See
// package predict.
package main

import (
	"log/slog"

	"k8s.io/klog/v2"

	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() {
	// The library that forwards ports logs every connection that is closed. What
	// comes of a call is told by the call.
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	step.Main(predict.Command())
}
