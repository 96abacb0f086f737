package wait

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
)

// waitFlags are the flags of gitops-wait.
type waitFlags struct {
	controller, application, controllerNamespace string
	repository, branch, commit                   string
	namespace, deployment                        string
	images                                       []string
	timeout                                      time.Duration
	kubeconfig                                   string
	basicAuthDir, sshDir, sslCADir               string
	tokenFile, username                          string
	allowFile                                    bool
}

// Command is the step gitops-wait.
func Command() *step.Command {
	var f waitFlags
	return &step.Command{
		Name:  "gitops-wait",
		Short: "wait until a commit of the GitOps repository is live",
		Long: `With controller argocd: until the Application is synced to the commit, or to a later one that contains it, and healthy. With controller
objects, and with argocd when --deployment is given: until the SeldonDeployment serves the images that were promoted.

Results: revision, seconds.`,
		Example: "gitops-wait --controller argocd --application staging --commit SHA --repository https://example.com/ml/gitops.git",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&f.controller, "controller", "argocd", "what applies the repository: argocd, or objects to look at the deployment alone")
			fs.StringVar(&f.application, "application", "", "Argo CD Application to wait for")
			fs.StringVar(&f.controllerNamespace, "controller-namespace", "argocd", "namespace of the Application")
			fs.StringVar(&f.repository, "repository", "", "URL of the GitOps repository, to tell whether a later commit contains this one; empty: only the commit itself counts")
			fs.StringVar(&f.branch, "branch", "main", "branch that the environment follows")
			fs.StringVar(&f.commit, "commit", "", "full hash of the commit to wait for")
			fs.StringVar(&f.namespace, "namespace", "", "namespace of the deployment")
			fs.StringVar(&f.deployment, "deployment", "", "SeldonDeployment that must serve; empty: the controller's word counts")
			fs.StringArrayVar(&f.images, "image", nil, "image that the deployment must run, with digest; repeat for more")
			fs.DurationVar(&f.timeout, "timeout", 10*time.Minute, "how long to wait")
			fs.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of the environment's cluster; empty: $KUBECONFIG, ~/.kube/config or the pod's service account")
			fs.StringVar(&f.basicAuthDir, "basic-auth-dir", "", "directory with .git-credentials, or with username and password")
			fs.StringVar(&f.sshDir, "ssh-dir", "", "directory with a private key and known_hosts")
			fs.StringVar(&f.sslCADir, "ssl-ca-dir", "", "directory with certificates to trust (ca-bundle.crt)")
			fs.StringVar(&f.tokenFile, "token-file", "", "file with a token for the forge")
			fs.StringVar(&f.username, "username", "git", "user that the token belongs to, where the forge asks for one")
			fs.BoolVar(&f.allowFile, "allow-file", false, "let the repository be a path of this machine")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error { return f.run(ctx, rt) },
	}
}

func (f waitFlags) check() error {
	switch f.controller {
	case "argocd":
		if f.application == "" {
			return step.Invalidf("--application is not given")
		}
		if !git.IsCommit(f.commit) {
			return step.Invalidf("--commit %q is not the full hash of a commit", f.commit)
		}
	case "objects":
		if f.deployment == "" || len(f.images) == 0 {
			return step.WithHint(step.Invalidf("--deployment and --image are not given"), "controller objects looks at a SeldonDeployment and the images it runs")
		}
	default:
		return step.WithHint(step.Invalidf("unknown controller %q", f.controller), "argocd or objects")
	}
	return nil
}

func (f waitFlags) run(ctx context.Context, rt *step.Runtime) error {
	if err := f.check(); err != nil {
		return err
	}
	client, err := kube.NewClient(kube.Options{Kubeconfig: f.kubeconfig, UserAgent: "gitops-wait"})
	if err != nil {
		return err
	}
	start := time.Now()
	revision := f.commit
	if f.controller == "argocd" {
		auth, err := git.AuthDirs{BasicAuth: f.basicAuthDir, SSH: f.sshDir, CA: f.sslCADir, TokenFile: f.tokenFile, Username: f.username}.Load(f.repository, rt.Redact)
		if err != nil {
			return err
		}
		history := git.NewHistory(f.repository, f.branch, git.Options{Auth: auth, AllowFile: f.allowFile, Redact: rt.Redact})
		revision, err = WaitArgoCD(ctx, ArgoCD{
			Client: client, Namespace: f.controllerNamespace, Application: f.application, Timeout: f.timeout, Logf: rt.Logf,
			Contains: func(ctx context.Context, revision string) (bool, error) {
				return history.Contains(ctx, f.commit, revision)
			},
		})
		if err != nil {
			return err
		}
		rt.Logf("application %s is live at %s", f.application, revision)
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
