package seldon

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/step"
)

// flags of seldon-deploy.
type flags struct {
	manifests, images   []string
	namespace           string
	kubeconfig, context string
	timeout, patience   time.Duration
	stable              time.Duration
	force               bool
}

// DeployCommand is the step seldon-deploy.
func DeployCommand() *step.Command {
	var f flags
	return &step.Command{
		Name:  "seldon-deploy",
		Short: "Apply SeldonDeployments with their images pinned, and wait until they serve what was applied",
		Long: "It waits until the live pods carry what was asked for, no older pod is left, Seldon Core calls the\n" +
			"deployment Available, its services lead to these pods, and all of that stays so for a moment. When that\n" +
			"does not happen, the error says why: events, the state of the pods, the last log lines of the model.",
		Example: "seldon-deploy --manifests models/news_classifier/charts --image classifier=registry.example.org/news@sha256:… --namespace default",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringArrayVar(&f.manifests, "manifests", nil, "file or directory with SeldonDeployments, and what else the model needs, as YAML or JSON; may be given several times")
			fs.StringArrayVar(&f.images, "image", nil, "image to run, as CONTAINER=REFERENCE; may be given several times")
			fs.StringVar(&f.namespace, "namespace", "", "namespace to deploy to, whatever the manifests say; made when it is missing; empty: what they say, else the kubeconfig's")
			fs.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster; empty: $KUBECONFIG, ~/.kube/config or the pod's service account")
			fs.StringVar(&f.context, "context", "", "context of the kubeconfig; empty: its current one")
			fs.DurationVar(&f.timeout, "timeout", defaultTimeout, "limit for all of it")
			fs.DurationVar(&f.patience, "patience", defaultPatience, "how long to watch a trouble that hardly heals, such as an image that cannot be pulled, before giving up early")
			fs.DurationVar(&f.stable, "stable", 0, "how long everything has to stay ready; 0: half a second for a new deployment, two seconds for a changed one")
			fs.BoolVar(&f.force, "force-conflicts", true, "take over fields that somebody else owns")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error { return runDeploy(ctx, rt, f) },
	}
}

func runDeploy(ctx context.Context, rt *step.Runtime, f flags) error {
	if len(f.manifests) == 0 {
		return step.WithHint(step.Invalidf("--manifests is missing"), "it is usually models/NAME/charts")
	}
	images, err := parseImages(f.images)
	if err != nil {
		return err
	}
	manifests, err := LoadManifests(f.manifests)
	if err != nil {
		return err
	}
	client, err := kube.NewClient(kube.Options{Kubeconfig: f.kubeconfig, Context: f.context, UserAgent: "seldon-deploy"})
	if err != nil {
		return err
	}
	start := time.Now()
	statuses, err := Deploy(ctx, DeployOptions{
		Client: client, Manifests: manifests, Images: images, Namespace: f.namespace, Timeout: f.timeout, Force: f.force,
		Want: Want{Stable: f.stable, Patience: f.patience}, Progress: rt.Logf,
	})
	first := manifests.SeldonDeployments[0]
	rt.Results.Set("deployment", first.GetName())
	rt.Results.Set("namespace", first.GetNamespace())
	rt.Results.Set("seconds", strconv.FormatFloat(time.Since(start).Seconds(), 'f', 1, 64))
	if err != nil {
		return err
	}
	names := make([]string, len(statuses))
	for i, status := range statuses {
		names[i] = status.Name
	}
	rt.Results.SetArray("deployments", names)
	rt.Results.Set("url", statuses[0].URL)
	running := map[string]string{}
	for _, predictor := range statuses[0].Predictors {
		for container, image := range predictor.Images {
			running[predictor.Name+"/"+container] = image
		}
	}
	data, err := json.Marshal(running)
	if err != nil {
		return err
	}
	rt.Results.Set("images", string(data))
	return nil
}

// parseImages reads CONTAINER=REFERENCE pairs.
func parseImages(pairs []string) (map[string]string, error) {
	images := map[string]string{}
	for _, pair := range pairs {
		name, reference, ok := strings.Cut(pair, "=")
		if !ok || name == "" || reference == "" {
			return nil, step.WithHint(step.Invalidf("--image %q has not the form CONTAINER=REFERENCE", pair),
				"CONTAINER is the container's name in the SeldonDeployment")
		}
		if _, twice := images[name]; twice {
			return nil, step.Invalidf("--image is given twice for container %s", name)
		}
		images[name] = reference
	}
	return images, nil
}
