// Package integration proves a model in a throw-away KIND cluster: it waits for
// docker, makes the cluster while the model's image is built, loads the image
// while what the model needs is installed, deploys the model, runs the model's
// own integration tests and its prediction checks, pushes the very image that
// was tested, keeps the logs and removes the cluster.
//
// Each phase is one of the step commands, run in this process, so that the
// whole needs one container, whose image is the model's own builder image.
package integration
