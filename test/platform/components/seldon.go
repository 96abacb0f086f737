package components

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

const (
	seldonModule    = "github.com/seldonio/seldon-core/operator"
	seldonNamespace = "seldon-system"
)

// seldon is Seldon Core's operator. From source it becomes a chart in the
// platform's registry that is called what Seldon's own chart is called.
type seldon struct {
	local.InCluster
	local.BuiltAhead
}

func (seldon) Name() string    { return "seldon" }
func (seldon) Needs() []string { return []string{"cluster", "images"} }

// Build makes the operator's image and chart.
func (s seldon) Build(ctx context.Context, env *local.Env) error {
	_, err := s.chart(ctx, env)
	return err
}

// Start installs the operator and waits until its webhook answers.
func (s seldon) Start(ctx context.Context, env *local.Env) error {
	chart, err := s.chart(ctx, env)
	if err != nil {
		return err
	}
	err = profileSetup{component: "seldon", profile: "seldon-core", namespace: seldonNamespace, chart: chart}.install(ctx, env)
	if err != nil {
		return err
	}
	return env.Publish("seldon", "version", versions.SeldonCore)
}

// Status reports whether the operator runs.
func (seldon) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	return statusOf(ctx, env, "seldon", versions.SeldonCore, seldonNamespace)
}

// chart returns the digest of the operator's chart in the registry, "" in a
// release.
func (seldon) chart(ctx context.Context, env *local.Env) (string, error) {
	if env.Source() == local.Release {
		return "", nil
	}
	operator, err := seldonImage(ctx, env)
	if err != nil {
		return "", err
	}
	manifests, err := seldonManifests(ctx, env)
	if err != nil {
		return "", err
	}
	chart, err := seldonChart(manifests, operator)
	if err != nil {
		return "", err
	}
	return pushChart(ctx, env, chart)
}

// seldonImage returns the reference of the operator's image in the registry.
func seldonImage(ctx context.Context, env *local.Env) (string, error) {
	bin, err := env.GoTool(ctx, gobuild.Tool{
		Name: "seldon-operator", Module: seldonModule, Version: versions.SeldonCore, SeedGoMod: true,
	})
	if err != nil {
		return "", err
	}
	key := cache.Key("image-seldon-operator-"+versions.SeldonCore, filepath.Dir(bin))
	operator, err := image.Cached(ctx, env.Cache, key, func(string) (v1.Image, error) {
		return image.Build(image.Spec{
			Files: []image.File{
				{Path: "/manager", From: filepath.Join(bin, "operator"), Mode: 0o755},
				{Path: "/tmp", Mode: os.ModeDir | os.ModeSticky | 0o777},
			},
			Entrypoint: []string{"/manager"}, User: "8888:8888", Zstd: true,
		})
	})
	if err != nil {
		return "", err
	}
	return env.Push(ctx, "seldonio/seldon-core-operator:"+versions.SeldonCore, operator)
}

// seldonManifests returns what the operator's module says is to be installed.
func seldonManifests(ctx context.Context, env *local.Env) ([]byte, error) {
	dir, err := env.Cache.Dir(ctx, cache.Key("manifests-seldon-"+versions.SeldonCore, "1"), func(dir string) error {
		module, err := env.ModuleDir(ctx, seldonModule+"@"+versions.SeldonCore)
		if err != nil {
			return err
		}
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(module, "config", "default"))
		if err != nil {
			return fmt.Errorf("build Seldon's manifests: %w", err)
		}
		text, err := built.AsYaml()
		if err != nil {
			return fmt.Errorf("build Seldon's manifests: %w", err)
		}
		return cache.WriteFile(filepath.Join(dir, "manifests.yaml"), text, 0o644)
	})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "manifests.yaml"))
}
