// Command kind-integration is the step of the same name; see package
// integration.
package main

import (
	"log/slog"

	"k8s.io/klog/v2"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/image"
	"github.com/model-delivery/model-delivery/steps/integration"
	"github.com/model-delivery/model-delivery/steps/kind"
	"github.com/model-delivery/model-delivery/steps/kube/setup"
	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() {
	// The library that forwards ports logs every connection that fails. What comes
	// of asking the cluster's DNS is told by what asks.
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	step.Main(integration.Command(integration.Steps{
		DockerWait:    docker.Command,
		KindCluster:   kind.Command,
		ClusterSetup:  setup.Command,
		ModelImage:    image.Command,
		SeldonDeploy:  seldon.DeployCommand,
		SeldonPredict: predict.Command,
	}))
}
