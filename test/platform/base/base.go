// Package base holds the components that everything else on the local platform
// stands on: the Docker engine, base images, the registry, the node image and
// the cluster.
package base

import (
	"context"
	_ "embed"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// Components returns the base components in the order they are started.
func Components() []local.Component {
	return []local.Component{engineComponent{}, registry{}, images{}}
}

// Sources of the small programs that go into images. They are built like any
// other tool, in modules of their own.
var (
	//go:embed pause/main.go
	pauseSource string
	//go:embed nodecni/main.go
	nodecniSource string
	//go:embed kube/kube.go
	kubeSource string
)

// smallPrograms returns the directory of pause and nodecni.
func smallPrograms(ctx context.Context, env *local.Env) (string, error) {
	return env.GoTool(ctx, gobuild.Tool{
		Name: "node-programs", Version: "1",
		Files:    map[string]string{"pause/main.go": pauseSource, "nodecni/main.go": nodecniSource},
		Packages: []string{"./pause", "./nodecni"},
	})
}

// pauseImage is the image of a pod's first container.
func pauseImage(ctx context.Context, env *local.Env) (v1.Image, error) {
	bin, err := smallPrograms(ctx, env)
	if err != nil {
		return nil, err
	}
	return image.Build(image.Spec{
		Files:      []image.File{{Path: "/pause", From: filepath.Join(bin, "pause"), Mode: 0o755}},
		Entrypoint: []string{"/pause"}, User: "65535:65535",
	})
}
