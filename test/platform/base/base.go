// Package base holds the components that everything else on the local platform
// stands on: the Docker engine, base images, the registry, the node image and
// the cluster.
package base

import (
	"context"
	"embed"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// Components returns the base components in the order they are started.
func Components() []local.Component {
	return []local.Component{engineComponent{}, registry{}, images{}, nodeImage{}, cluster{}, dind{}}
}

// sources are the small programs that go into images, in directories of their
// own. They are built like any other tool, in modules of their own.
//
//go:embed pause/main.go nodeagent/api.go nodeagent/cni.go nodeagent/main.go nodeagent/storage.go kube/kube.go
var sources embed.FS

// sourcesOf returns the files of some of the directories.
func sourcesOf(directories ...string) (map[string]string, error) {
	files := map[string]string{}
	for _, directory := range directories {
		entries, err := sources.ReadDir(directory)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			data, err := sources.ReadFile(directory + "/" + entry.Name())
			if err != nil {
				return nil, err
			}
			files[directory+"/"+entry.Name()] = string(data)
		}
	}
	return files, nil
}

// smallPrograms returns the directory of pause and nodeagent.
func smallPrograms(ctx context.Context, env *local.Env) (string, error) {
	files, err := sourcesOf("pause", "nodeagent")
	if err != nil {
		return "", err
	}
	return env.GoTool(ctx, gobuild.Tool{
		Name: "node-programs", Version: "1", Files: files, Packages: []string{"./pause", "./nodeagent"},
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
