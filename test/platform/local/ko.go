package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// KoSpec says which manifests to resolve.
type KoSpec struct {
	// Dir is the directory of the main module that ko builds in: its go.mod
	// decides the versions.
	Dir string
	// Manifests are files or directories with ko:// references, absolute or
	// relative to Dir.
	Manifests []string
	// BaseImage is what images start from; "" means the platform's static base.
	BaseImage string
	// BaseImages are other bases, by import path.
	BaseImages map[string]string
	// Repository is where images go in the registry: "tekton" gives
	// REGISTRY/tekton/NAME.
	Repository string
	Env        []string
}

// Ko returns the path of the ko binary, built when the cache lacks it.
func (e *Env) Ko(ctx context.Context) (string, error) {
	bin, err := e.GoTool(ctx, gobuild.Tool{
		Name: "ko", Module: "github.com/google/ko", Version: versions.Ko,
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(bin, "ko"), nil
}

// KoResolve builds what the manifests refer to by ko://, pushes it to the
// registry, and returns the manifests with references by digest in place.
func (e *Env) KoResolve(ctx context.Context, spec KoSpec) ([]byte, error) {
	ko, err := e.Ko(ctx)
	if err != nil {
		return nil, err
	}
	base := spec.BaseImage
	if base == "" {
		base = e.State.Images["static"]
	}
	config, err := yaml.Marshal(map[string]any{"defaultBaseImage": base, "baseImageOverrides": spec.BaseImages, "defaultLdflags": []string{"-s", "-w"}})
	if err != nil {
		return nil, fmt.Errorf("write ko's configuration: %w", err)
	}
	dir, err := os.MkdirTemp(e.State.StateDir, "ko-")
	if err != nil {
		return nil, fmt.Errorf("write ko's configuration: %w", err)
	}
	defer os.RemoveAll(dir)
	configFile := filepath.Join(dir, ".ko.yaml")
	if err := os.WriteFile(configFile, config, 0o644); err != nil {
		return nil, fmt.Errorf("write ko's configuration: %w", err)
	}
	args := []string{"resolve", "--base-import-paths", "--sbom=none", "--platform=linux/amd64", "--insecure-registry"}
	for _, manifest := range spec.Manifests {
		args = append(args, "-f", manifest)
	}
	out, err := e.Output(ctx, execute.Cmd{
		Name: ko, Args: args, Dir: spec.Dir,
		Env: append([]string{
			"KO_DOCKER_REPO=" + e.State.Registry + "/" + spec.Repository,
			"KO_CONFIG_PATH=" + configFile,
			"CGO_ENABLED=0", "GOFLAGS=-mod=mod -buildvcs=false", "GOTOOLCHAIN=local", "GOWORK=off",
		}, spec.Env...),
	})
	if err != nil {
		return nil, fmt.Errorf("resolve manifests with ko: %w", err)
	}
	return out, nil
}
