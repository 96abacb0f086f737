package integration

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/model-delivery/model-delivery/steps/image"
)

// work runs the phases, each as soon as what it needs is there, up to the
// first that makes going on useless. When ctx ends before all is done, a phase
// counts as failed: the one under way or the next.
func (r *run) work(ctx context.Context) {
	images := later(func() []string { return r.setupImages(ctx) })
	wait := optional("--host", r.DockerHost, "--log-file", r.DockerLog, "--exit-file", r.DockerExit)
	if !r.execute(ctx, "docker", r.steps.DockerWait(), append(wait, "--timeout", r.DockerTimeout.String(), "--cli", "docker")...) {
		return
	}
	if !r.prepare(ctx, images) {
		return
	}
	ctx, stop := r.whileDaemon(ctx)
	defer stop()
	if r.paths.manifests != "" && !r.execute(ctx, "deploy", r.steps.SeldonDeploy(),
		"--manifests", r.paths.manifests, "--image", r.deploy.Container+"="+r.Image,
		"--namespace", r.Namespace, "--kubeconfig", r.paths.kubeconfig) {
		return
	}
	if !r.route(ctx) {
		return
	}
	// The checks tell more about a model whose tests fail, so they run anyway.
	tested := r.test(ctx)
	checked := r.check(ctx)
	if !r.Push || !tested || !checked || r.stopped(ctx, "push") {
		return
	}
	r.execute(ctx, "push", r.steps.ModelImage(), "--strategy", image.None, "--model-dir", r.paths.dir,
		"--tag", r.Image, "--expect-id", r.journal.result("build", "image-id"), "--push", r.Image)
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
	ready := later(func() bool { return or(r.setup(ctx, up)) })
	ok := true
	for _, wait := range []func() bool{built, up, loaded, ready} {
		ok = wait() && ok // none may go on beyond this
	}
	return ok
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
	if port := r.gatewayPort(); port != "" {
		args = append(args, "--host-ports", port)
	}
	if r.paths.report != "" {
		args = append(args, "--logs-dir", r.kindLogs(), "--max-log-bytes", strconv.FormatInt(r.MaxLogBytes, 10))
	}
	args = append(args, "--name", r.Name, "--kubeconfig", r.paths.kubeconfig, "--early-kubeconfig", r.earlyKubeconfig())
	return r.execute(ctx, "cluster", r.steps.KindCluster(), args...)
}

// gatewayPort is the port by which the checks reach the gateway on the
// daemon's machine; "" when they do not.
func (r *run) gatewayPort() string {
	address, err := url.Parse(r.GatewayURL)
	if err != nil || r.paths.checks == "" || address.Hostname() != r.machine {
		return ""
	}
	return address.Port()
}

func (r *run) build(ctx context.Context) bool {
	args := optional("--base-image", r.BaseImage)
	return r.execute(ctx, "build", r.steps.ModelImage(), append(args, "--strategy", r.Strategy, "--model-dir", r.paths.dir, "--tag", r.Image)...)
}

// nodesTimeout is how long loading waits for nodes; making the cluster has a
// limit of its own, and ends the waiting.
const nodesTimeout = time.Hour

// load puts the image into the nodes while the control plane starts. Where they
// fetch most of it, that waits for the API server, which everything else waits
// for too; to send the whole takes so long that it has to begin at once. Nodes of
// a first attempt that failed are gone, and what was loaded with them.
func (r *run) load(ctx context.Context, up func() bool) bool {
	if r.BaseImage != "" {
		if _, ok := r.awaitAccess(ctx, up); !ok {
			return false
		}
	}
	args := append([]string{"load", "--name", r.Name, "--image", r.Image}, optional("--base-image", r.BaseImage)...)
	loaded := r.execute(ctx, "load", r.steps.KindCluster(), append(args, "--wait", nodesTimeout.String())...)
	if !up() {
		return false
	}
	if r.attempts() != 1 {
		loaded = r.execute(ctx, "load", r.steps.KindCluster(), args...)
	}
	return loaded
}

// setup installs what the model needs: by set-up files, which begins once the
// API server takes objects, else by the Makefile's target kind_setup, as models
// that come from Jenkins have it.
func (r *run) setup(ctx context.Context, up func() bool) bool {
	ctx, unwatch := r.whileDaemon(ctx)
	defer unwatch()
	if len(r.paths.setup) == 0 {
		if !up() {
			return false
		}
		targets, ok := r.targets(ctx, "setup", "kind_setup")
		if !ok || len(targets) == 0 {
			return ok
		}
		return r.make(ctx, "setup", targets...)
	}
	kubeconfig, ok := r.awaitAccess(ctx, up)
	if !ok {
		r.stopped(ctx, "setup")
		return false
	}
	first, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	retried := later(func() bool {
		again := up() && r.attempts() != 1
		if again {
			stop(errAside) // the cluster that it is at work on is gone
		}
		return again
	})
	installed := r.execute(first, "setup", r.steps.ClusterSetup(), r.setupArgs(kubeconfig, "--await-network")...)
	if !up() {
		return false
	}
	if retried() {
		installed = r.execute(ctx, "setup", r.steps.ClusterSetup(), r.setupArgs(r.paths.kubeconfig, "--await-network")...)
	}
	return installed
}

func (r *run) earlyKubeconfig() string { return filepath.Join(r.paths.state, "early-kubeconfig") }

// attempts is how many it took to make the cluster, once it is up.
func (r *run) attempts() int {
	n, _ := strconv.Atoi(r.journal.result("cluster", "attempts"))
	return n
}

// awaitAccess waits until the cluster takes objects and returns the kubeconfig
// to use. It is false when the cluster fails before, or ctx ends.
func (r *run) awaitAccess(ctx context.Context, up func() bool) (kubeconfig string, ok bool) {
	result := make(chan bool, 1)
	go func() { result <- up() }()
	for {
		if _, err := os.Stat(r.earlyKubeconfig()); err == nil {
			return r.earlyKubeconfig(), true
		}
		select {
		case <-ctx.Done():
			return "", false
		case ok := <-result:
			return r.paths.kubeconfig, ok
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (r *run) setupArgs(kubeconfig string, more ...string) []string {
	args := append([]string{"--kubeconfig", kubeconfig}, more...)
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
	return r.preview(ctx, r.steps.ClusterSetup(), r.setupArgs(r.paths.kubeconfig, "--dry-run")...)
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
