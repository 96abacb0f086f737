package integration

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/model-delivery/model-delivery/steps/image"
)

// work runs the phases, each as soon as what it needs is there, up to the
// first that makes going on useless.
func (r *run) work(ctx context.Context) {
	images := later(func() []string { return r.setupImages(ctx) })
	wait := optional("--host", r.DockerHost, "--log-file", r.DockerLog, "--exit-file", r.DockerExit)
	if !r.execute(ctx, "docker", r.steps.DockerWait(), append(wait, "--timeout", r.DockerTimeout.String(), "--cli", "docker")...) {
		return
	}
	if !r.prepare(ctx, images) {
		return
	}
	if r.paths.manifests != "" && !r.execute(ctx, "deploy", r.steps.SeldonDeploy(),
		"--manifests", r.paths.manifests, "--image", r.deploy.Container+"="+r.Image,
		"--namespace", r.Namespace, "--kubeconfig", r.paths.kubeconfig) {
		return
	}
	// The checks tell more about a model whose tests fail, so they run anyway.
	tested := r.test(ctx)
	checked := r.check(ctx)
	if r.Push && tested && checked && ctx.Err() == nil {
		r.execute(ctx, "push", r.steps.ModelImage(), "--strategy", image.None, "--model-dir", r.paths.dir,
			"--tag", r.Image, "--expect-id", r.journal.result("build", "image-id"), "--push", r.Image)
	}
}

// errAside stops phases that another one's failure has made useless. They do
// not count as failed.
var errAside = errors.New("another phase failed")

// prepare brings the cluster up with all that the model needs in it. The image
// is built meanwhile, and loaded once it is there and the nodes run; set-up
// begins when the cluster is ready.
func (r *run) prepare(ctx context.Context, images func() []string) bool {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	or := func(ok bool) bool {
		if !ok {
			stop(errAside)
		}
		return ok
	}
	built := later(func() bool { return or(r.build(ctx)) })
	up := later(func() bool { return or(r.cluster(ctx, images())) })
	loaded := later(func() bool { return built() && or(r.load(ctx, up)) })
	ready := later(func() bool { return up() && or(r.setup(ctx)) })
	loadedOK, readyOK := loaded(), ready()
	return built() && up() && loadedOK && readyOK
}

// later begins do at once and returns a function that waits for what comes of it.
func later[T any](do func() T) func() T {
	result := make(chan T, 1)
	go func() { result <- do() }()
	return sync.OnceValue(func() T { return <-result })
}

func (r *run) cluster(ctx context.Context, prefetch []string) bool {
	args := append([]string{"create"}, optional("--config", r.paths.config, "--node-image", r.NodeImage, "--ca-dir", r.CADir)...)
	for _, mirror := range r.Mirrors {
		args = append(args, "--registry-mirror", mirror)
	}
	for _, image := range prefetch {
		args = append(args, "--prefetch", image)
	}
	if r.paths.report != "" {
		args = append(args, "--logs-dir", r.kindLogs(), "--max-log-bytes", strconv.FormatInt(r.MaxLogBytes, 10))
	}
	args = append(args, "--name", r.Name, "--kubeconfig", r.paths.kubeconfig)
	return r.execute(ctx, "cluster", r.steps.KindCluster(), args...)
}

func (r *run) build(ctx context.Context) bool {
	args := optional("--base-image", r.BaseImage)
	return r.execute(ctx, "build", r.steps.ModelImage(), append(args, "--strategy", r.Strategy, "--model-dir", r.paths.dir, "--tag", r.Image)...)
}

// nodesTimeout is how long loading waits for nodes; making the cluster has a
// limit of its own, and ends the waiting.
const nodesTimeout = time.Hour

// load puts the image into the nodes while the control plane starts. Nodes of
// a first attempt that failed are gone, and what was loaded with them.
func (r *run) load(ctx context.Context, up func() bool) bool {
	args := []string{"load", "--name", r.Name, "--image", r.Image}
	loaded := r.execute(ctx, "load", r.steps.KindCluster(), append(args, "--wait", nodesTimeout.String())...)
	if !up() {
		return false
	}
	if r.journal.result("cluster", "attempts") != "1" {
		loaded = r.execute(ctx, "load", r.steps.KindCluster(), args...)
	}
	return loaded
}

// setup installs what the model needs: by set-up files, else by its Makefile's
// target kind_setup, as models that come from Jenkins have it.
func (r *run) setup(ctx context.Context) bool {
	if len(r.paths.setup) == 0 {
		if !r.hasTarget(ctx, "kind_setup") {
			return true
		}
		return r.make(ctx, "setup", "kind_setup")
	}
	return r.execute(ctx, "setup", r.steps.ClusterSetup(), r.setupArgs()...)
}

func (r *run) setupArgs(more ...string) []string {
	args := append([]string{"--kubeconfig", r.paths.kubeconfig}, more...)
	for _, file := range r.paths.setup {
		args = append(args, "--file", file)
	}
	return args
}

// setupImages finds the images that set-up will want, so that the nodes fetch
// them while the control plane starts. That it fails is for set-up to say.
func (r *run) setupImages(ctx context.Context) []string {
	if len(r.paths.setup) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, previewTimeout)
	defer cancel()
	return r.preview(ctx, r.steps.ClusterSetup(), r.setupArgs("--dry-run")...)
}

// previewTimeout bounds what the cluster waits for at most: charts come from afar.
const previewTimeout = 5 * time.Second

// optional keeps the pairs of flag and value whose value is not empty.
func optional(pairs ...string) []string {
	var args []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			args = append(args, pairs[i], pairs[i+1])
		}
	}
	return args
}
