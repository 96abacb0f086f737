package delivery

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	tekton "github.com/tektoncd/pipeline/pkg/client/clientset/versioned"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

// RunNamespace is where the bundle is installed and its runs are.
const RunNamespace = "model-delivery"

// Session is a connection to all of a running platform, from outside.
type Session struct {
	Platform   *local.State
	ForgeURL   string
	ModelsRepo string // OWNER/NAME
	GitopsRepo string // OWNER/NAME
	GatewayURL string // from this machine
	Config     *rest.Config
	Runs       *Runs
	Lead       *Forge // as the person who approves releases

	leadUser, leadToken string
}

// Connect connects to the platform whose state is in stateDir; "" is the
// default one.
func Connect(ctx context.Context, stateDir string) (*Session, error) {
	state, err := local.Load(stateDir)
	if err != nil {
		return nil, err
	}
	s := &Session{Platform: state}
	for _, value := range []struct {
		component, name string
		to              *string
	}{
		{"forge", "url", &s.ForgeURL},
		{"forge", "models-repository", &s.ModelsRepo},
		{"forge", "gitops-repository", &s.GitopsRepo},
		{"forge", "lead-user", &s.leadUser},
		{"forge", "lead-token-file", &s.leadToken},
		{"gateway", "url", &s.GatewayURL},
	} {
		if *value.to = state.Value(value.component, value.name); *value.to == "" {
			return nil, fmt.Errorf("the platform's %s did not publish %s: bring it up with `go run ./test/platform up`", value.component, value.name)
		}
	}
	token, err := os.ReadFile(s.leadToken)
	if err != nil {
		return nil, fmt.Errorf("reading the lead's token: %w", err)
	}
	s.leadToken = strings.TrimSpace(string(token))
	if s.Lead, err = NewForge(ctx, s.ForgeURL, s.leadToken); err != nil {
		return nil, err
	}
	if s.Config, err = clientcmd.BuildConfigFromFlags("", state.Kubeconfig); err != nil {
		return nil, fmt.Errorf("reading the platform's kubeconfig: %w", err)
	}
	s.Config.QPS, s.Config.Burst = 50, 100
	runs := &Runs{Namespace: RunNamespace}
	if runs.Tekton, err = tekton.NewForConfig(s.Config); err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	if runs.Kube, err = kubernetes.NewForConfig(s.Config); err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	s.Runs = runs
	return s, nil
}

// CloneModels clones the repository of models into dir.
func (s *Session) CloneModels(ctx context.Context, dir string) (*ModelsRepo, error) {
	return CloneModels(ctx, dir, s.ForgeURL+"/"+s.ModelsRepo+".git", s.leadUser, s.leadToken)
}

// WriteKubeconfig copies the cluster's kubeconfig, for people to use.
func (s *Session) WriteKubeconfig(path string) error {
	data, err := os.ReadFile(s.Platform.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the platform's kubeconfig: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return nil
}

// DeploymentName is the SeldonDeployment of the model in directory models/NAME:
// the name with what Kubernetes does not take replaced.
func DeploymentName(model string) string { return strings.ReplaceAll(model, "_", "-") }

// OneMoreExample returns an edit that adds a text to the news classifier's
// training data, so that another model comes out of it.
func OneMoreExample(now time.Time) func(string) string {
	return func(data string) string {
		return strings.TrimRight(data, "\n") + fmt.Sprintf("\nThe dealer sold car number %d with a new engine and new brakes,0,autos\n", now.Unix())
	}
}
