// Package bundle holds the components that come from this work tree: the image
// that models' Makefiles run in, and the Tasks, Pipelines and triggers with the
// images of their steps.
package bundle

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

// Namespace is where the bundle is installed and its runs are.
const Namespace = "model-delivery"

// listenerPort is the port of every node that the EventListener answers on.
const listenerPort = 30080

// Components returns the components of the work tree at root.
func Components(root string) []local.Component {
	return []local.Component{builder{root: root}, bundle{root: root}, tkn{}}
}

// bundle is the Tasks, the Pipelines and the triggers, with their steps' images
// built by ko from the work tree.
type bundle struct {
	local.InCluster
	root string
}

func (bundle) Name() string { return "bundle" }

func (bundle) Needs() []string {
	return []string{"builder", "cluster", "images", "tekton", "triggers", "seldon", "gateway", "forge", "argocd"}
}

// Build makes the steps' images. ko itself builds only what changed.
func (b bundle) Build(ctx context.Context, env *local.Env) error {
	_, err := b.resolve(ctx, env)
	return err
}

// gitSteps are the steps that run git, and so stand on an image that has it.
var gitSteps = []string{"git-clone", "gitops-promote", "gitops-revert", "gitops-wait", "model-changes", "model-release"}

// resolve returns the Tasks and Pipelines with images by digest.
func (b bundle) resolve(ctx context.Context, env *local.Env) ([]byte, error) {
	root, err := filepath.Abs(b.root)
	if err != nil {
		return nil, err
	}
	manifests, err := b.manifests(root)
	if err != nil {
		return nil, err
	}
	bases := map[string]string{}
	for _, name := range gitSteps {
		bases["github.com/model-delivery/model-delivery/cmd/"+name] = env.State.Images["git"]
	}
	return env.KoResolve(ctx, local.KoSpec{Dir: root, Manifests: manifests, BaseImages: bases, Repository: "model-delivery", Env: []string{"GOFLAGS=-buildvcs=false"}})
}

// manifests lists the files of all Tasks and Pipelines.
func (b bundle) manifests(root string) ([]string, error) {
	var files []string
	for _, kind := range []string{"tasks", "pipelines"} {
		directories, err := os.ReadDir(filepath.Join(root, kind))
		if err != nil {
			return nil, fmt.Errorf("list the %s: %w", kind, err)
		}
		for _, directory := range directories {
			file := filepath.Join(root, kind, directory.Name(), directory.Name()+".yaml")
			if _, err := os.Stat(file); err == nil {
				files = append(files, file)
			}
		}
	}
	return files, nil
}

// Start applies everything and waits until the EventListener answers.
func (b bundle) Start(ctx context.Context, env *local.Env) error {
	resolved, err := b.resolve(ctx, env)
	if err != nil {
		return err
	}
	resolved, err = inNamespace(resolved, Namespace)
	if err != nil {
		return err
	}
	secrets, err := secrets(env)
	if err != nil {
		return err
	}
	triggers, err := b.triggers(ctx, env)
	if err != nil {
		return err
	}
	for _, manifests := range [][]byte{namespaces(), secrets, resolved, triggers} {
		if err := env.Apply(ctx, manifests); err != nil {
			return err
		}
	}
	if err := env.WaitReady(ctx, Namespace); err != nil {
		return err
	}
	return b.waitListener(ctx, env)
}

// triggers renders triggers/gitea with the settings of this platform.
func (b bundle) triggers(ctx context.Context, env *local.Env) ([]byte, error) {
	rendered, err := kustomize(filepath.Join(b.root, "triggers", "gitea"))
	if err != nil {
		return nil, err
	}
	rendered, err = withSettings(rendered, settings(env))
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{rendered, listenerService()}, []byte("\n---\n")), nil
}

// settings are the values of the TriggerBinding model-delivery-settings that
// are not those of triggers/gitea.
func settings(env *local.Env) map[string]string {
	state := env.State
	forge := state.Value("forge", "url")
	return map[string]string{
		"models-repository":     forge + "/" + state.Value("forge", "models-repository") + ".git",
		"gitops-repository":     forge + "/" + state.Value("forge", "gitops-repository") + ".git",
		"image-prefix":          state.Registry + "/models",
		"builder-image":         state.Value("builder", "model-builder"),
		"base-image":            state.Value("builder", "model-server-base"),
		"dind-image":            state.DindImage,
		"node-image":            state.RegistryNodeImage,
		"insecure-registries":   state.Registry,
		"node-registry-mirrors": state.Registry,
		"chart-registry":        "oci://" + state.Registry + "/charts",
	}
}

// Status tells whether the EventListener is ready.
func (b bundle) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	cluster, err := env.Kube()
	if err != nil {
		return local.Status{Condition: local.Absent}, nil
	}
	listener, err := cluster.Dynamic.Resource(listeners).Namespace(Namespace).Get(ctx, "model-delivery", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return local.Status{Condition: local.Absent}, nil
	}
	if err != nil {
		return local.Status{}, err
	}
	data, err := yaml.Marshal(listener.Object["status"])
	if err != nil || !strings.Contains(string(data), "reason: MinimumReplicasAvailable") {
		return local.Status{Condition: local.Broken, Detail: "the EventListener is not available"}, err
	}
	return local.Status{Condition: local.Running, Detail: "namespace " + Namespace}, nil
}

var listeners = schema.GroupVersionResource{Group: "triggers.tekton.dev", Version: "v1beta1", Resource: "eventlisteners"}

// waitListener waits until the EventListener's Deployment, which Triggers
// makes a moment later, is available.
func (b bundle) waitListener(ctx context.Context, env *local.Env) error {
	last := local.Status{}
	err := wait.PollUntilContextTimeout(ctx, 500*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		status, err := b.Status(ctx, env)
		last = status
		return err == nil && status.Condition == local.Running, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the EventListener (%s): %w", last.Detail, err)
	}
	return nil
}
