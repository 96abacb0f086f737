package components

import (
	"bytes"
	"context"
	"regexp"
	"strings"

	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

const (
	pipelinesModule = "github.com/tektoncd/pipeline"
	triggersModule  = "github.com/tektoncd/triggers"

	tektonNamespace    = "tekton-pipelines"
	resolversNamespace = "tekton-pipelines-resolvers"

	tektonReleases = "https://infra.tekton.dev/tekton-releases/"
)

// tekton is one of Tekton's projects: Pipelines or Triggers.
type tekton struct {
	local.InCluster
	local.BuiltAhead
	name       string
	needs      []string
	version    string
	module     string
	manifests  []string // of the module, in source
	files      []string // of the release
	namespaces []string // what must be ready
}

func pipelines() tekton {
	return tekton{
		name: "tekton", needs: []string{"cluster", "images"}, version: versions.Pipelines, module: pipelinesModule,
		manifests: []string{"config/100-namespace", "config/resolvers", "config/300-crds", "config"},
		files:     []string{tektonReleases + "pipeline/previous/" + versions.Pipelines + "/release.yaml"},
		namespaces: []string{
			tektonNamespace, resolversNamespace,
		},
	}
}

func triggers() tekton {
	return tekton{
		name: "triggers", needs: []string{"tekton"}, version: versions.Triggers, module: triggersModule,
		manifests: []string{"config", "config/interceptors"},
		files: []string{
			tektonReleases + "triggers/previous/" + versions.Triggers + "/release.yaml",
			tektonReleases + "triggers/previous/" + versions.Triggers + "/interceptors.yaml",
		},
		namespaces: []string{tektonNamespace},
	}
}

func (t tekton) Name() string    { return t.name }
func (t tekton) Needs() []string { return t.needs }

// Build makes the project's images.
func (t tekton) Build(ctx context.Context, env *local.Env) error {
	_, err := t.resolved(ctx, env)
	return err
}

// Start installs the project and waits until its webhooks answer: its
// deployments are not available before.
func (t tekton) Start(ctx context.Context, env *local.Env) error {
	manifests, err := t.resolved(ctx, env)
	if err != nil {
		return err
	}
	if err := applyOnce(ctx, env, t.name, manifests, t.namespaces...); err != nil {
		return err
	}
	return env.Publish(t.name, "version", t.version)
}

// Status reports whether all of it runs.
func (t tekton) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	return statusOf(ctx, env, t.name, t.version, t.namespaces...)
}

func (t tekton) resolved(ctx context.Context, env *local.Env) ([]byte, error) {
	if env.Source() == local.Release {
		var all [][]byte
		for _, url := range t.files {
			data, err := fetchPublished(ctx, env, published{url: url})
			if err != nil {
				return nil, err
			}
			all = append(all, data)
		}
		return bytes.Join(all, []byte("\n---\n")), nil
	}
	git, err := gitBase(ctx, env)
	if err != nil {
		return nil, err
	}
	module := koModule{
		// Both projects are built in one module: they share most of what they
		// are made of, and so it is compiled once.
		name:     t.name,
		requires: []string{pipelinesModule + " " + versions.Pipelines, triggersModule + " " + versions.Triggers},
		spec: local.KoSpec{
			Repository: "tekton",
			BaseImages: map[string]string{pipelinesModule + "/cmd/resolvers": git},
		},
	}
	for _, manifest := range t.manifests {
		module.manifests = append(module.manifests, t.module+"@"+t.version+"/"+manifest)
	}
	manifests, err := resolveModule(ctx, env, module)
	if err != nil {
		return nil, err
	}
	return released(manifests, t.version, env.State.Images["busybox"]), nil
}

// gitBase pushes the base of what runs git and reaps its children, and returns
// its reference.
func gitBase(ctx context.Context, env *local.Env) (string, error) {
	base, err := env.Debian(ctx, "git-tini", "git", "openssh-client", "tini")
	if err != nil {
		return "", err
	}
	return env.PushImage(ctx, "model-delivery/base/git-tini:"+versions.Debian, image.Spec{
		Base: base, Files: []image.File{{Path: "/usr/sbin/tini", Link: "../bin/tini"}}, User: "65532",
	})
}

var (
	develLabel = regexp.MustCompile(`(version|release): "devel"`)
	shellImage = regexp.MustCompile(`cgr\.dev/chainguard/busybox@sha256:[0-9a-f]{64}`)
)

// released makes of a project's own configuration what its release would have:
// its version on everything, and a shell image that can be had.
func released(manifests []byte, version, shell string) []byte {
	manifests = develLabel.ReplaceAll(manifests, []byte(`$1: "`+strings.ReplaceAll(version, "$", "$$")+`"`))
	return shellImage.ReplaceAllLiteral(manifests, []byte(shell))
}
