// Command kind-integration is the step of the same name; see package
// integration.
package main

import (
	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/image"
	"github.com/model-delivery/model-delivery/steps/integration"
	"github.com/model-delivery/model-delivery/steps/kind"
	"github.com/model-delivery/model-delivery/steps/kube/setup"
	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
	"github.com/model-delivery/model-delivery/steps/step/quiet"
)

func main() {
	quiet.Kubernetes()
	step.Main(integration.Command(integration.Steps{
		DockerWait:    docker.Command,
		KindCluster:   kind.Command,
		ClusterSetup:  setup.Command,
		ModelImage:    image.Command,
		SeldonDeploy:  seldon.DeployCommand,
		SeldonPredict: predict.Command,
	}))
}
