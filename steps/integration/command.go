package integration

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/image"
	"github.com/model-delivery/model-delivery/steps/process"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Command is the binary kind-integration, whose phases are the given steps.
func Command(steps Steps) *step.Command {
	return &step.Command{
		Name:        "kind-integration",
		Short:       "prove a model in a throw-away KIND cluster",
		Subcommands: []*step.Command{runCommand(steps), process.InstallCommand()},
	}
}

func runCommand(steps Steps) *step.Command {
	var o Options
	return &step.Command{
		Name:  "run",
		Short: "build, deploy, test and check the model in a cluster that is gone afterwards",
		Long: `Waits for docker, makes the cluster while the image is built, loads the image as soon as it is built and the nodes run, installs
integration/setup.yaml as soon as the cluster is ready (or, without one, runs ` + "`make kind_setup`" + `), deploys the model's manifests, runs the Makefile's integration tests, then the prediction checks. When all is well
the very image that was tested is pushed. What a model does not have is left out. Logs are kept and the cluster is removed, whatever
came before.

make is told IMAGE, BASE_IMAGE, KUBECONFIG, KIND_CLUSTER_NAME, MODEL_GATEWAY, MODEL_NAMESPACE, MODEL_DEPLOYMENT and MODEL_ENDPOINT.

The flags of the steps inside are set by their environment variables, such as KIND_CLUSTER_RETRIES. The exit code is the one of the first
phase that failed; for the tests, their own. A failure to clean up changes nothing but the result cleanup.

Results: outcome (success, failure), failed-phase, cleanup (success, failure), phases (seconds by phase, as JSON), node-image, IMAGE_URL, IMAGE_DIGEST, release,
passed, failed, accuracy, p95-ms.`,
		Example: "kind-integration run --model news_classifier --report-dir /tmp/report",
		Flags:   o.register,
		Run: func(ctx context.Context, rt *step.Runtime) error {
			outcome, err := Run(ctx, o, steps, rt.Getenv, rt.Stderr)
			if err != nil {
				return err
			}
			return outcome.report(rt)
		},
	}
}

func (o *Options) register(fs *pflag.FlagSet) {
	fs.StringVar(&o.RepositoryDir, "repository-dir", ".", "clone of the models repository")
	fs.StringVar(&o.ModelsDir, "models-dir", "models", "directory of the models in it")
	fs.StringVar(&o.Model, "model", "", "the model's directory name")
	fs.StringVar(&o.SourceCommit, "source-commit", "", "commit that is tested, for the release")
	fs.StringVar(&o.Strategy, "strategy", image.Make, "how the image is built: make, dockerfile, s2i, none")
	fs.StringVar(&o.Image, "image", "{model}:dev", "reference of the image; {model} stands for the model's name, with - for _")
	fs.StringVar(&o.BaseImage, "base-image", "", "image to build on, told to the build as BASE_IMAGE")
	fs.BoolVar(&o.Push, "push", false, "push the image when all is well")
	fs.StringVar(&o.Name, "name", "", "the cluster's name, which nothing else may have (default: one made up, which tells when the cluster expires)")
	fs.StringVar(&o.Owner, "owner", "", "whose run this is, such as a TaskRun's UID; becomes part of the name made up")
	fs.StringVar(&o.KindConfig, "kind-config", "integration/kind_config.yaml", "kind's configuration, in the model's directory; used if it is there")
	fs.StringVar(&o.NodeImage, "node-image", "", "image of the cluster's nodes (default: kind's choice)")
	fs.StringSliceVar(&o.Mirrors, "registry-mirror", nil, "registries that the nodes reach elsewhere, as REGISTRY=URL, or HOST:PORT without TLS, with commas between")
	fs.StringVar(&o.CADir, "ca-dir", "", "directory with certificates of authorities that the nodes are to trust too; used if it is there")
	fs.StringSliceVar(&o.Setup, "setup", nil, "set-up files to install instead of the model's integration/setup.yaml, with commas between")
	fs.StringVar(&o.Manifests, "manifests", "charts", "directory of the manifests, in the model's directory; used if it is there")
	fs.StringVar(&o.Checks, "checks", "integration/predictions.yaml", "prediction checks, in the model's directory; used if they are there")
	fs.StringVar(&o.Namespace, "namespace", "default", "namespace that the model is deployed to")
	fs.StringVar(&o.Gateway, "gateway", "ambassador", "kind of gateway: ambassador, istio, none")
	fs.StringVar(&o.GatewayURL, "gateway-url", "http://{docker-host}:30188", "where the gateway answers, seen from here; {docker-host} stands for the machine that the daemon is on")
	fs.DurationVar(&o.RouteTimeout, "route-timeout", 10*time.Second, "how long to wait until the gateway leads to the model before the tests begin all the same; 0 for not at all")
	fs.StringSliceVar(&o.Targets, "test-targets", []string{"install_integration_dev", "test_integration"}, "targets of the model's Makefile that test it; those that it has no rule for are left out, and the log says so")
	fs.StringVar(&o.DockerHost, "docker-host", "", "the docker daemon (default: DOCKER_HOST, the docker context)")
	fs.StringVar(&o.DockerCerts, "docker-certs", "", docker.CertsHelp)
	fs.StringVar(&o.DockerCLIDir, "docker-cli-dir", "", "directory with a docker executable, added to the end of PATH")
	fs.StringVar(&o.DockerLog, "docker-log", "", "the daemon's log, kept with the others")
	fs.StringVar(&o.DockerExit, "docker-exit-file", "", "file that is written when the daemon ends")
	fs.BoolVar(&o.DockerSidecar, "docker-sidecar", false, "a daemon at a unix socket is a sidecar's, which ends after this step and takes the cluster with it, so that it need not be removed")
	fs.StringVar(&o.DockerStop, "docker-stop-file", "", "named pipe, or file to make, to write in the end: it asks whoever runs the daemon to end it")
	fs.DurationVar(&o.DockerTimeout, "docker-timeout", 2*time.Minute, "how long to wait for the daemon")
	fs.StringVar(&o.ReportDir, "report-dir", "", "gets a directory of the model's name, with - for _, for logs and reports; empty: none are kept")
	fs.Int64Var(&o.MaxLogBytes, "max-log-size", 50<<20, "bytes of logs to keep at most")
	fs.BoolVar(&o.Keep, "keep-cluster", false, "leave the cluster")
	fs.DurationVar(&o.Timeout, "timeout", 30*time.Minute, "how long all of it may take, apart from cleaning up")
}

// report hands the outcome over as results and as an error.
func (o Outcome) report(rt *step.Runtime) error {
	results := map[string]string{
		"outcome": o.verdict(), "failed-phase": o.FailedPhase, "cleanup": "success", "phases": o.Phases, "node-image": o.NodeImage,
		"IMAGE_URL": o.ImageURL, "IMAGE_DIGEST": o.ImageDigest, "release": o.Release,
		"passed": o.Checks["passed"], "failed": o.Checks["failed"], "accuracy": o.Checks["accuracy"], "p95-ms": o.Checks["p95-ms"],
	}
	if !o.Cleanup {
		results["cleanup"] = "failure"
		rt.Logf("warning: cleaning up failed; see the phases logs and delete above")
	}
	for name, value := range results {
		rt.Results.Set(name, value)
	}
	if o.FailedPhase == "" {
		return nil
	}
	return step.WithExitCode(fmt.Errorf("the phase %s failed; its own lines above, marked [%s], say why", o.FailedPhase, o.FailedPhase), o.ExitCode)
}
