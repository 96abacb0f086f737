package components

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"code.gitea.io/sdk/gitea"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

const (
	argocdModule    = "github.com/argoproj/argo-cd/v3"
	argocdNamespace = "argocd"
	// argocdReader is who Argo CD is in the forge: it may read and nothing else.
	argocdReader = "argocd"
)

// argocd is Argo CD's core: the application controller, the repository server
// and the Redis that they share. There is no API server and no web page.
type argocd struct {
	local.InCluster
	local.BuiltAhead
}

func (argocd) Name() string    { return "argocd" }
func (argocd) Needs() []string { return []string{"cluster", "images", "forge"} }

// Build makes Argo CD's image and puts it into the registry.
func (argocd) Build(ctx context.Context, env *local.Env) error {
	_, err := argocdImages(ctx, env)
	return err
}

// Start installs Argo CD and has it follow the environments' folders.
func (a argocd) Start(ctx context.Context, env *local.Env) error {
	images, err := argocdImages(ctx, env)
	if err != nil {
		return err
	}
	module, err := env.ModuleDir(ctx, argocdModule+"@"+versions.ArgoCD)
	if err != nil {
		return err
	}
	core, err := os.ReadFile(filepath.Join(module, "manifests", "core-install.yaml"))
	if err != nil {
		return fmt.Errorf("read Argo CD's manifests: %w", err)
	}
	key, err := secretFile(env.StateFile("argocd", "server-key"), 32)
	if err != nil {
		return err
	}
	manifests, err := argocdCore(core, images, key)
	if err != nil {
		return err
	}
	if err := applyOnce(ctx, env, "argocd", manifests, argocdNamespace); err != nil {
		return err
	}
	token, err := forgeReader(ctx, env, argocdReader)
	if err != nil {
		return err
	}
	repository := env.State.Value("forge", "url") + "/" + gitopsRepository + ".git"
	follow, err := argocdApplications(repository, argocdReader, token)
	if err != nil {
		return err
	}
	if err := env.Apply(ctx, follow); err != nil {
		return err
	}
	for _, environment := range environments {
		if err := a.waitCompared(ctx, env, environment); err != nil {
			return err
		}
	}
	return env.Publish("argocd", "version", versions.ArgoCD)
}

// Status reports whether Argo CD runs and what it says of the environments.
func (a argocd) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	status, err := statusOf(ctx, env, "argocd", versions.ArgoCD, argocdNamespace)
	if err != nil || status.Condition != local.Running {
		return status, err
	}
	for _, environment := range environments {
		compared, err := a.compared(ctx, env, environment)
		if err != nil {
			return local.Status{Condition: local.Broken, Detail: err.Error()}, nil
		}
		status.Detail += ", " + environment + " " + compared
	}
	return status, nil
}

// compareLimit is how long Argo CD may take to compare an environment with its
// folder for the first time.
const compareLimit = 2 * time.Minute

// waitCompared waits until Argo CD has read the environment's folder.
func (a argocd) waitCompared(ctx context.Context, env *local.Env, environment string) error {
	ctx, cancel := context.WithTimeout(ctx, compareLimit)
	defer cancel()
	for {
		_, err := a.compared(ctx, env, environment)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait %s for Argo CD: %w", compareLimit, err)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// applications are Argo CD's Applications.
var applications = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}

// compared returns what Argo CD says of the environment: Synced or OutOfSync and
// its health. That it cannot tell is an error.
func (argocd) compared(ctx context.Context, env *local.Env, environment string) (string, error) {
	cluster, err := env.Kube()
	if err != nil {
		return "", err
	}
	application, err := cluster.Dynamic.Resource(applications).Namespace(argocdNamespace).Get(ctx, environment, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("look at the application %s: %w", environment, err)
	}
	return comparison(application)
}

// comparison reads the status of an Application.
func comparison(application *unstructured.Unstructured) (string, error) {
	name := application.GetName()
	conditions, _, _ := unstructured.NestedSlice(application.Object, "status", "conditions")
	for _, entry := range conditions {
		condition, _ := entry.(map[string]any)
		if kind, _ := condition["type"].(string); strings.HasSuffix(kind, "Error") && kind != "SyncError" {
			return "", fmt.Errorf("the application %s has a %s: %v", name, kind, condition["message"])
		}
	}
	sync, _, _ := unstructured.NestedString(application.Object, "status", "sync", "status")
	if sync == "" || sync == "Unknown" {
		return "", fmt.Errorf("the application %s has not been compared with its repository", name)
	}
	health, _, _ := unstructured.NestedString(application.Object, "status", "health", "status")
	return strings.TrimSpace(sync + " " + health), nil
}

// forgeReader returns a token with which the user can read the forge's
// repositories and nothing else. The user is made when it is missing.
func forgeReader(ctx context.Context, env *local.Env, user string) (string, error) {
	setup := forgeSetup{env: env, address: env.State.Value("forge", "url")}
	admin, err := readSecret(setup.file(forgeAdmin + "-token"))
	if err != nil {
		return "", err
	}
	return setup.token(ctx, user, "read:repository,read:user", func() error {
		client, err := gitea.NewClient(setup.address, gitea.SetToken(admin), gitea.SetContext(ctx), gitea.SetHTTPClient(setup.http()))
		if err != nil {
			return fmt.Errorf("talk to the forge: %w", err)
		}
		return setup.createUser(client, user, "GitOps controller")
	})
}
