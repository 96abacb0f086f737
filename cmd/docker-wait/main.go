// Command docker-wait waits until a docker daemon is usable, or says why it
// is not. See package docker.
package main

import (
	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/step"
)

func main() { step.Main(docker.Command()) }
