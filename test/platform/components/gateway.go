package components

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/model-delivery/model-delivery/test/platform/gateway"
	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

const (
	gatewayNamespace = "gateway"
	// gatewayNodePort is the gateway's port on the cluster's node, and on this
	// machine's loopback.
	gatewayNodePort = 30088
	// gatewayVersion is that of the proxy's chart and image. What they are is
	// told by their digests.
	gatewayVersion = "1.0.0"
)

// gatewayRouter leads requests to models by the Mappings that Seldon writes:
// Emissary in a release, and from source the platform's own small proxy.
type gatewayRouter struct {
	local.InCluster
	local.BuiltAhead
}

func (gatewayRouter) Name() string    { return "gateway" }
func (gatewayRouter) Needs() []string { return []string{"cluster", "images"} }

// Build makes the proxy's image and chart.
func (g gatewayRouter) Build(ctx context.Context, env *local.Env) error {
	_, err := g.chart(ctx, env)
	return err
}

// Start installs the gateway and waits until it answers on this machine.
func (g gatewayRouter) Start(ctx context.Context, env *local.Env) error {
	chart, err := g.chart(ctx, env)
	if err != nil {
		return err
	}
	err = profileSetup{
		component: "gateway", profile: "ambassador", namespace: gatewayNamespace, chart: chart,
		values: map[string]any{"service": map[string]any{
			"type":  "NodePort",
			"ports": []any{map[string]any{"name": "http", "port": 80, "targetPort": 8080, "nodePort": gatewayNodePort}},
		}},
	}.install(ctx, env)
	if err != nil {
		return err
	}
	address := fmt.Sprintf("http://127.0.0.1:%d", gatewayNodePort)
	if err := local.WaitHTTP(ctx, address+"/nothing/leads/here", http.StatusNotFound, time.Minute); err != nil {
		return err
	}
	return errors.Join(
		env.Publish("gateway", "url", address),
		env.Publish("gateway", "cluster-url", "http://gateway."+gatewayNamespace+".svc.cluster.local"),
	)
}

// Status reports whether the gateway runs.
func (gatewayRouter) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	return statusOf(ctx, env, "gateway", env.State.Value("gateway", "url"), gatewayNamespace)
}

// chart returns the digest of the proxy's chart in the registry, "" in a release.
func (gatewayRouter) chart(ctx context.Context, env *local.Env) (string, error) {
	if env.Source() == local.Release {
		return "", nil
	}
	files, err := gateway.Sources("build.local/gateway")
	if err != nil {
		return "", err
	}
	bin, err := env.GoTool(ctx, gobuild.Tool{
		Name: "gateway", Version: gatewayVersion, Files: files, Requires: gateway.Requires(), Packages: []string{"./gateway/cmd"},
	})
	if err != nil {
		return "", err
	}
	ref, err := env.PushImage(ctx, "model-delivery/gateway:"+gatewayVersion, image.Spec{
		Files:      []image.File{{Path: "/gateway", From: filepath.Join(bin, "cmd"), Mode: 0o755}},
		Entrypoint: []string{"/gateway"}, User: "65532:65532",
	})
	if err != nil {
		return "", err
	}
	return pushChart(ctx, env, gatewayChart(ref))
}

//go:embed gateway.yaml
var gatewayTemplate string

// gatewayChart is the chart that cluster-setup's profile ambassador takes from a
// registry that it is given.
func gatewayChart(image string) helmChart {
	return helmChart{
		name: "gateway", version: gatewayVersion, appVersion: gatewayVersion, about: "A small proxy that follows Ambassador mappings",
		files: map[string]string{
			"templates/gateway.yaml": gatewayTemplate,
			"values.yaml": fmt.Sprintf("image: %q\nfullnameOverride: gateway\nreplicaCount: 1\n"+
				"service:\n  type: ClusterIP\n  ports:\n  - {name: http, port: 80, targetPort: 8080}\n", image),
		},
	}
}
