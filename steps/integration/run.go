package integration

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/kind"
	"github.com/model-delivery/model-delivery/steps/model"
	"github.com/model-delivery/model-delivery/steps/process"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Steps makes the step commands that the phases are. Each call returns a new one.
type Steps struct {
	DockerWait, KindCluster, ClusterSetup, ModelImage, SeldonDeploy, SeldonPredict func() *step.Command
}

// cleanupTime is how long a run that was stopped may take to keep logs and
// remove its cluster, hurriedLogsTime how much of it the logs may take.
// deleteTime is how long a run that was not stopped may take for the latter.
const (
	cleanupTime     = 9 * time.Second
	hurriedLogsTime = 4 * time.Second
	deleteTime      = 2 * kind.DeleteTimeout
)

// Outcome is what came of a run.
type Outcome struct {
	FailedPhase string // empty: all went well
	ExitCode    int    // of the phase that failed; of the tests themselves, if they did
	Cleanup     bool   // logs were kept and the cluster is gone
	Phases      string // seconds by phase, as JSON
	NodeImage   string
	ImageURL    string // what was tested
	ImageDigest string // empty: it was not pushed
	Release     string // empty: it was not pushed
	Checks      map[string]string
}

// run is one run under way.
type run struct {
	Options
	steps   Steps
	paths   paths
	getenv  func(string) string
	env     map[string]string // variables for make and for the steps
	outMu   sync.Mutex
	out     io.Writer
	journal journal
	deploy  model.Deployment
	sidecar bool   // the daemon's
	machine string // the daemon's
}

// Run proves the model. Its error says only that the run could not begin; what
// failed in it is in the outcome. out gets the output of all phases, a line at
// a time.
func Run(ctx context.Context, o Options, steps Steps, getenv func(string) string, out io.Writer) (Outcome, error) {
	resolved, err := o.resolve()
	if err != nil {
		return Outcome{}, err
	}
	defer os.RemoveAll(resolved.state)
	r := &run{Options: o, steps: steps, paths: resolved, out: out, env: map[string]string{"KUBECONFIG": resolved.kubeconfig}}
	if o.DockerHost != "" {
		r.env["DOCKER_HOST"] = o.DockerHost
	}
	if o.DockerCerts != "" {
		r.env["DOCKER_CERT_PATH"], r.env["DOCKER_TLS_VERIFY"] = o.DockerCerts, "1"
	}
	r.getenv = overlay(getenv, r.env)
	endpoint, err := docker.Resolve("", r.getenv)
	if err != nil {
		return Outcome{}, err
	}
	r.sidecar = o.DockerSidecar && strings.HasPrefix(endpoint.Host, "unix://")
	machine := endpoint.Machine()
	r.machine = machine
	if strings.Contains(machine, ":") {
		machine = "[" + machine + "]"
	}
	r.GatewayURL = strings.ReplaceAll(r.GatewayURL, "{docker-host}", machine)
	if resolved.manifests != "" {
		if r.deploy, err = model.FindDeployment(resolved.manifests, o.Model); err != nil {
			return Outcome{}, err
		}
	}
	if o.DockerCLIDir != "" {
		// Last, so that an image's own docker comes first. kind's library runs it from PATH.
		if err := os.Setenv("PATH", os.Getenv("PATH")+string(os.PathListSeparator)+o.DockerCLIDir); err != nil {
			return Outcome{}, step.Infraf("set PATH: %w", err)
		}
	}
	started := time.Now()
	work, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("the integration test took longer than %s", o.Timeout))
	defer cancel()
	r.work(work)
	cleanup := r.cleanUp(ctx)
	outcome := r.outcome(time.Since(started), cleanup)
	r.write(outcome)
	if err := docker.End(ctx, r.DockerStop, r.DockerExit, r.DockerLog); err != nil {
		fmt.Fprintf(r.out, "%v\n", err)
	}
	return outcome, nil
}

func (r *run) test(ctx context.Context) bool {
	if len(r.Targets) == 0 {
		r.say("no tests were run: there are no test targets to make")
		return true
	}
	targets, ok := r.targets(ctx, "test", r.Targets...)
	switch {
	case !ok:
		return false
	case len(targets) == 0:
		r.say("no tests were run: the model's Makefile has none of the targets %s", strings.Join(r.Targets, ", "))
		return true
	}
	return r.make(ctx, "test", targets...)
}

func (r *run) check(ctx context.Context) bool {
	if r.paths.checks == "" {
		return true
	}
	if r.stopped(ctx, "predict") {
		return false
	}
	args := []string{"--checks", r.paths.checks, "--endpoint", r.GatewayURL, "--gateway", r.Gateway,
		"--namespace", r.Namespace, "--deployment", r.deploy.Name}
	if r.paths.report != "" {
		args = append(args, "--report-dir", filepath.Join(r.paths.report, "predictions"))
	}
	return r.execute(ctx, "predict", r.steps.SeldonPredict(), args...)
}

// make runs targets of the model's Makefile. Its exit code is the phase's.
func (r *run) make(ctx context.Context, name string, targets ...string) bool {
	return r.phase(ctx, name, func(out io.Writer) (int, map[string]string) {
		err := process.Run(ctx, process.Command{Name: "make", Args: append([]string{"-C", r.paths.dir}, targets...), Env: r.makeEnv(), Stdout: out, Stderr: out})
		if err == nil {
			return 0, nil
		}
		fmt.Fprintf(out, "error: %v\n", err)
		if code, ok := process.ExitCode(err); ok {
			return code, nil
		}
		return step.ExitCode(err), nil
	})
}

// makeEnv is what a model's Makefile is told.
func (r *run) makeEnv() []string {
	env := []string{"IMAGE=" + r.Image, "KIND_CLUSTER_NAME=" + r.Name, "MODEL_NAMESPACE=" + r.Namespace, "MODEL_GATEWAY=" + r.GatewayURL}
	for name, value := range r.env {
		env = append(env, name+"="+value)
	}
	if r.deploy.Name == "" {
		return env
	}
	return append(env, "MODEL_DEPLOYMENT="+r.deploy.Name, "MODEL_ENDPOINT="+r.modelEndpoint())
}

// modelEndpoint is where the deployed model is asked, seen from here.
func (r *run) modelEndpoint() string {
	if r.Gateway == "none" {
		return r.GatewayURL
	}
	return strings.TrimRight(r.GatewayURL, "/") + "/seldon/" + r.Namespace + "/" + r.deploy.Name
}

// cleanUp keeps the logs and removes the cluster, and tells whether both went
// well. A cancellation, at whatever moment of it, leaves little time for both.
func (r *run) cleanUp(ctx context.Context) bool {
	cluster, started := r.ran("cluster")
	if !started {
		r.keepDockerLog()
		return true
	}
	toDelete, cancel := step.Outlive(ctx, cleanupTime)
	defer cancel()
	ok := true
	// A cluster that did not come up is gone; making it has kept its logs.
	if r.paths.report != "" && cluster.code == 0 {
		ok = r.keepLogs(ctx) || ctx.Err() != nil
	}
	switch {
	case r.Keep:
	case cluster.madeNothing():
		r.say("cluster %s is not removed: this run has not made it", r.Name)
	case r.sidecar:
		r.say("cluster %s goes with the sidecar", r.Name)
	default:
		toDelete, cancel := context.WithTimeout(toDelete, deleteTime)
		defer cancel()
		ok = r.execute(toDelete, "delete", r.steps.KindCluster(), "delete", "--name", r.Name, "--kubeconfig", r.paths.kubeconfig) && ok
	}
	r.keepDockerLog()
	return ok
}

// madeNothing tells of the phase cluster whether it ended before its first
// attempt. What has the cluster's name then is somebody else's.
func (p phase) madeNothing() bool {
	attempts := p.results["attempts"]
	return p.code != 0 && (attempts == "0" || attempts == "" && p.code == step.ExitInvalid)
}

func (r *run) keepLogs(ctx context.Context) bool {
	ctx, cancel := step.Outlive(ctx, hurriedLogsTime)
	defer cancel()
	return r.execute(ctx, "logs", r.steps.KindCluster(), "logs", "--name", r.Name,
		"--output-dir", r.kindLogs(), "--max-size", strconv.FormatInt(r.MaxLogBytes, 10))
}

func (r *run) kindLogs() string { return filepath.Join(r.paths.report, "kind") }

// keepDockerLog copies the end of the daemon's log to the other logs.
func (r *run) keepDockerLog() {
	if r.DockerLog == "" || r.paths.report == "" {
		return
	}
	if err := copyTail(r.DockerLog, filepath.Join(r.paths.report, "dockerd.log"), r.MaxLogBytes/4); err != nil {
		fmt.Fprintf(r.out, "the daemon's log is not kept: %v\n", err)
	}
}

func (r *run) ran(name string) (phase, bool) {
	r.journal.mu.Lock()
	defer r.journal.mu.Unlock()
	for _, p := range r.journal.phases {
		if p.name == name {
			return p, true
		}
	}
	return phase{}, false
}

func (r *run) outcome(took time.Duration, cleanup bool) Outcome {
	o := Outcome{Cleanup: cleanup, Phases: r.journal.seconds(took), ImageURL: r.Image, Checks: map[string]string{}}
	o.NodeImage = r.journal.result("cluster", "node-image")
	for _, name := range []string{"outcome", "passed", "failed", "accuracy", "p95-ms", "digest"} {
		o.Checks[name] = r.journal.result("predict", name)
	}
	// A failure to clean up turns no result.
	if failed, ok := r.journal.failed("logs", "delete"); ok {
		o.FailedPhase, o.ExitCode = failed.name, failed.code
	}
	if o.ImageDigest = r.journal.result("push", "IMAGE_DIGEST"); o.ImageDigest != "" && o.FailedPhase == "" {
		o.Release = model.Release{Model: r.Model, Image: r.Image + "@" + o.ImageDigest, Deployment: r.deploy.Name, Source: r.SourceCommit}.String()
	}
	fmt.Fprintf(r.out, "phases: %s; total %.1fs\n", r.journal.String(), took.Seconds())
	return o
}
