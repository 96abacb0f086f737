// Command kind-cluster makes, fills, records and removes throw-away clusters.
// See package kind.
package main

import (
	"github.com/model-delivery/model-delivery/steps/kind"
	"github.com/model-delivery/model-delivery/steps/step"
	"github.com/model-delivery/model-delivery/steps/step/quiet"
)

func main() {
	quiet.Kubernetes()
	step.Main(kind.Command())
}
