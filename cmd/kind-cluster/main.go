// Command kind-cluster makes, fills, records and removes throw-away clusters.
// See package kind.
package main

import (
	"log/slog"

	"k8s.io/klog/v2"

	"github.com/model-delivery/model-delivery/steps/kind"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() {
	// The library that forwards ports logs every connection that fails. What comes
	// of asking the cluster's DNS is told by what asks.
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	step.Main(kind.Command())
}
