package wait

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/forge/connect"
	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
)

// waitFlags are the flags of gitops-wait.
type waitFlags struct {
	connect.Flags
	controller, application, controllerNamespace string
	chartVersion                                 string
	branch, commit                               string
	environment, model, path                     string
	namespace, deployment                        string
	images                                       []string
	refresh                                      bool
	timeout, patience                            time.Duration
	kubeconfig                                   string
}

const controllers = "argocd, flux-kustomization, flux-helmrelease, objects"

// Command is the step gitops-wait.
func Command() *step.Command {
	var f waitFlags
	return &step.Command{
		Name:  "gitops-wait",
		Short: "wait until a commit of the GitOps repository is live",
		Long: `Until the Application of Argo CD, or the Kustomization or HelmRelease of Flux, is applied at the commit, or at a later one that contains
it, and healthy. With --deployment, and with controller objects: until the SeldonDeployment serves the images that were promoted.
What will not heal ends the wait at once, with the controller's own words: a sync that failed, a commit that reverted this one.

Results: revision, seconds.`,
		Example: "gitops-wait --controller argocd --application staging --commit SHA --repository https://example.com/ml/gitops.git",
		Flags: func(fs *pflag.FlagSet) {
			f.Register(fs)
			fs.Lookup("repository").Usage = "URL of the GitOps repository, to tell whether a later commit contains this one; empty: only the commit itself counts"
			fs.StringVar(&f.controller, "controller", "argocd", "what applies the repository: "+controllers+" (look at the deployment alone)")
			fs.StringVar(&f.application, "application", "", "Application, Kustomization or HelmRelease to wait for")
			fs.StringVar(&f.controllerNamespace, "controller-namespace", "argocd", "namespace of that")
			fs.StringVar(&f.chartVersion, "chart-version", "", "version of the chart that a HelmRelease must have released; empty: the version has to carry the commit, as VERSION+HASH")
			fs.StringVar(&f.branch, "branch", "main", "branch that the environment follows")
			fs.StringVar(&f.commit, "commit", "", "full hash of the commit to wait for")
			fs.StringVar(&f.path, "path", "", "directory in the repository that must hold what it held in the commit, {environment}/{model} for instance; empty: any later commit will do")
			fs.StringVar(&f.environment, "environment", "", "environment, for --path")
			fs.StringVar(&f.model, "model", "", "model, for --path")
			fs.StringVar(&f.namespace, "namespace", "", "namespace of the deployment")
			fs.StringVar(&f.deployment, "deployment", "", "SeldonDeployment that must serve; empty: the controller's word counts")
			fs.StringArrayVar(&f.images, "image", nil, "image that the deployment must run, with digest; repeat for more")
			fs.BoolVar(&f.refresh, "refresh", true, "ask the controller to look at the repository now")
			fs.DurationVar(&f.timeout, "timeout", 10*time.Minute, "how long to wait")
			fs.DurationVar(&f.patience, "patience", time.Minute, "how long to watch a trouble that hardly heals (a degraded object, a repository that cannot be read) before giving up")
			fs.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of the environment's cluster; empty: $KUBECONFIG, ~/.kube/config or the pod's service account")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error { return f.run(ctx, rt) },
	}
}

// which is the controller, nil for the objects alone.
func (f *waitFlags) which() (Controller, error) {
	var c Controller
	switch f.controller {
	case "argocd":
		c = ArgoCD{}
	case "flux-kustomization":
		c = Kustomization{}
	case "flux-helmrelease":
		c = HelmRelease{Version: f.chartVersion}
	case "objects":
		if f.deployment == "" || len(f.images) == 0 {
			return nil, step.WithHint(step.Invalidf("--deployment and --image are not given"), "controller objects looks at a SeldonDeployment and the images it runs")
		}
		return nil, nil
	default:
		return nil, step.WithHint(step.Invalidf("unknown controller %q", f.controller), "one of "+controllers)
	}
	if f.application == "" {
		return nil, step.Invalidf("--application is not given")
	}
	if !git.IsCommit(f.commit) {
		return nil, step.Invalidf("--commit %q is not the full hash of a commit", f.commit)
	}
	return c, nil
}

func (f *waitFlags) run(ctx context.Context, rt *step.Runtime) error {
	// What a Task's empty param stands for is no image.
	f.images = slices.DeleteFunc(f.images, func(image string) bool { return image == "" })
	controller, err := f.which()
	if err != nil {
		return err
	}
	client, err := kube.NewClient(kube.Options{Kubeconfig: f.kubeconfig, UserAgent: "gitops-wait"})
	if err != nil {
		return err
	}
	start := time.Now()
	revision := f.commit
	if controller != nil {
		if revision, err = f.controlled(ctx, rt, client, controller); err != nil {
			return err
		}
	}
	if f.deployment != "" {
		left := max(f.timeout-time.Since(start), 10*time.Second)
		want := seldon.Want{AnyImages: f.images, Timeout: left, Progress: rt.Logf}
		if _, err := seldon.Wait(ctx, client, f.namespace, f.deployment, want); err != nil {
			return fmt.Errorf("waiting for %s: %w", f.deployment, err)
		}
		rt.Logf("%s/%s serves what was promoted", f.namespace, f.deployment)
	}
	rt.Results.Set("revision", revision)
	rt.Results.Set("seconds", strconv.FormatFloat(time.Since(start).Seconds(), 'f', 1, 64))
	return nil
}

func (f *waitFlags) controlled(ctx context.Context, rt *step.Runtime, client *kube.Client, controller Controller) (string, error) {
	var auth git.Auth
	if f.Repository != "" {
		var err error
		if auth, err = f.Auth(ctx, rt.Redact, rt.Logf); err != nil {
			return "", err
		}
	}
	where := ""
	if f.path != "" {
		where = path.Clean(strings.NewReplacer("{environment}", f.environment, "{model}", f.model).Replace(f.path))
	}
	revision, err := Wait(ctx, Target{
		Client: client, Controller: controller, Namespace: f.controllerNamespace, Name: f.application, Commit: f.commit, Path: where,
		History: git.NewHistory(f.Repository, f.branch, git.Options{Auth: auth, AllowFile: f.AllowFile, Redact: rt.Redact}),
		Refresh: f.refresh, Timeout: f.timeout, Patience: f.patience, Logf: rt.Logf,
	})
	if err == nil {
		rt.Logf("%s is live at %s", f.application, revision)
	}
	return revision, err
}
