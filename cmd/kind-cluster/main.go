// Command kind-cluster makes, fills, records and removes throw-away clusters.
// See package kind.
package main

import (
	"github.com/model-delivery/model-delivery/steps/kind"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(kind.Command()) }
