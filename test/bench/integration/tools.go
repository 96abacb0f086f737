package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

//go:embed seed.sh
var seedScript []byte

// Versions of what the old way runs.
const helmVersion = "v3.20.2"

// prepare makes what the containers of both ways run.
func (b *bench) prepare(ctx context.Context) error {
	var err error
	state := b.platform
	b.task, err = readTask(b.root, map[string]string{
		"model": b.model, "image": "{model}:bench", "base-image": state.Value("builder", "model-server-base"), "node-image": state.RegistryNodeImage,
		"node-registry-mirrors": state.Registry, "insecure-registries": state.Registry, "chart-registry": "oci://" + state.Registry + "/charts",
	})
	if err != nil {
		return fmt.Errorf("read the Task: %w", err)
	}
	fmt.Println("building the programs of both ways")
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(b.tools, "kind-integration"), "./cmd/kind-integration")
	build.Dir, build.Env = b.root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build kind-integration: %w: %s", err, out)
	}
	store, err := cache.Open(state.CacheDir)
	if err != nil {
		return err
	}
	builder := gobuild.Builder{
		Cache: store, Run: &execute.Runner{Environ: state.Environ, Log: os.Stderr},
		Logf: func(format string, args ...any) { fmt.Printf(format+"\n", args...) },
	}
	for _, tool := range []gobuild.Tool{
		{Name: "kind", Module: "sigs.k8s.io/kind", Version: versions.Kind},
		{Name: "helm", Module: "helm.sh/helm/v3", Version: helmVersion, Packages: []string{"helm.sh/helm/v3/cmd/helm"}},
	} {
		dir, err := builder.Build(ctx, tool)
		if err != nil {
			return err
		}
		if err := copyFile(filepath.Join(dir, tool.Name), filepath.Join(b.tools, tool.Name)); err != nil {
			return err
		}
	}
	for name, text := range map[string][]byte{"seed.sh": seedScript, "sidecar.sh": []byte(b.task.sidecar)} {
		if err := os.WriteFile(filepath.Join(b.tools, name), text, 0o755); err != nil {
			return err
		}
	}
	// A node of a cluster has the images of steps and sidecars already.
	for _, image := range []string{state.DindImage, state.Value("builder", "model-builder")} {
		if _, err := b.docker(ctx, "pull", "--quiet", image); err != nil {
			return err
		}
	}
	// The user of the steps reads all of it.
	return os.Chmod(b.tools, 0o755)
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// seedEnv are the variables of seed.sh.
func (b *bench) seedEnv() []string {
	return []string{
		"CLUSTER=bench", "MODEL_DIR=" + sourceDir + "/models/" + b.model, "NODE_IMAGE=" + b.platform.RegistryNodeImage, "REGISTRY=" + b.platform.Registry,
		"IMAGE=" + strings.ReplaceAll(b.model, "_", "-") + ":bench", "BASE_IMAGE=" + b.platform.Value("builder", "model-server-base"),
		"MODEL_ENDPOINT=http://127.0.0.1:30188/seldon/default/" + strings.ReplaceAll(b.model, "_", "-"),
		"DOCKER_BUILDKIT=0", "DOCKER_HOST=unix:///dind/docker.sock", "KUBECONFIG=" + resultsDir + "/kubeconfig",
	}
}
