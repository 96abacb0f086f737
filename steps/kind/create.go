package kind

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Create makes a cluster and returns when it is ready. When it fails, or ctx
// ends, no container of the cluster is left. The result is valid as far as
// things went also when there is an error.
func Create(ctx context.Context, o Options) (Result, error) {
	o.Target = o.Target.withDefaults()
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	result := Result{Name: o.Name}
	if err := o.Target.check(); err != nil {
		return result, err
	}
	config, notes, err := ParseConfig(o.Config)
	if err != nil {
		return result, err
	}
	for _, note := range notes {
		o.Log("note: %s", note)
	}
	setNodeImage(config, o.NodeImage)

	started := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, &timeoutError{o.Timeout})
	defer cancel()
	c := &creation{Options: o, config: config, result: &result}
	err = c.run(ctx)
	result.Phases.Total = time.Since(started)
	return result, err
}

// creation is one call of [Create].
type creation struct {
	Options
	config  *v1alpha4.Cluster
	result  *Result
	session *session
	daemon  docker.Result
	image   nodeImage
	watch   stopwatch
	streams []stream
	loaded  *loading
	created <-chan struct{} // closed when kind's library returned; nil before
	booted  chan struct{}   // closed when the nodes run
	settled chan struct{}   // closed when containerd has its final configuration
}

func (c *creation) run(ctx context.Context) (err error) {
	defer c.watch.enter(nil)
	phases := &c.result.Phases
	c.watch.enter(&phases.Docker)
	wait := c.Docker
	wait.Host, wait.Getenv, wait.Log = c.Host, c.Getenv, c.Log
	if c.daemon, err = docker.Wait(ctx, wait); err != nil {
		return err
	}
	c.Log("%s", c.daemon)
	if c.session, err = open(c.Target); err != nil {
		return err
	}
	defer c.session.close()
	if err := c.clear(ctx); err != nil {
		return err
	}

	c.watch.enter(&phases.Pull)
	if err := c.prepareImages(ctx); err != nil {
		return err
	}
	if err := c.adjust(); err != nil {
		return err
	}
	if c.streams, err = c.session.plan(ctx, c.Images); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		c.result.Attempts = attempt
		err := c.attempt(ctx)
		if err == nil {
			return nil
		}
		failure, classified := errors.AsType[*Failure](err)
		if attempt > c.Retries || ctx.Err() != nil || !classified || !failure.Transient {
			return err
		}
		c.Log("attempt %d failed: %v", attempt, err)
		c.Log("this is known to pass: trying again (%d of %d)", attempt, c.Retries)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryPause):
		}
	}
}

// retryPause lets a machine that was too busy catch its breath.
const retryPause = 3 * time.Second

// clear makes sure that no cluster of this name is in the way.
func (c *creation) clear(ctx context.Context) error {
	list, err := c.session.containers(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	if !c.Replace {
		return step.WithHint(step.Invalidf("there is a cluster %q on %s already: container %s, %s",
			c.Name, c.session.endpoint.Host, containerName(list[0]), list[0].Status),
			"delete it with `kind-cluster delete`, pass --replace, or choose another --name")
	}
	c.Log("removing the cluster %s that is there already", c.Name)
	_, err = c.session.remove(ctx)
	return err
}

// prepareImages makes sure that the node images are there and looks into the
// first one.
func (c *creation) prepareImages(ctx context.Context) error {
	var seen []string
	for _, node := range c.config.Nodes {
		if slices.Contains(seen, node.Image) {
			continue
		}
		seen = append(seen, node.Image)
		if err := c.session.ensureImage(ctx, node.Image); err != nil {
			return err
		}
	}
	var err error
	c.image, err = c.session.inspectNodeImage(ctx, seen[0])
	c.result.NodeImage, c.result.KubernetesVersion = seen[0], c.image.kubernetesVersion
	return err
}

// adjust lints the configuration with what is known by now, and fits it to
// the node image and the daemon.
func (c *creation) adjust() error {
	outer, err := findOuter(c.OuterSubnets, c.Getenv)
	if err != nil {
		return err
	}
	remote := c.session.remoteHost()
	findings := lint(c.config, surroundings{
		kubernetesVersion: c.image.kubernetesVersion,
		containerdConfig:  c.image.containerdConfig,
		outer:             outer,
		remote:            remote != "",
		nodePorts:         c.NodePorts,
	})
	var wrong []string
	for _, f := range findings {
		c.Log("%s", f)
		if f.Fatal || c.Strict {
			wrong = append(wrong, f.Path+": "+f.Text)
		}
	}
	if len(wrong) > 0 {
		return step.Invalidf("kind configuration: %s", strings.Join(wrong, "; "))
	}
	for _, note := range fit(c.config, circumstances{
		image: c.image, cgroupVersion: c.daemon.CgroupVersion, outer: outer, remoteHost: remote, fastEtcd: !c.SafeEtcd,
	}) {
		c.Log("note: %s", note)
	}
	return nil
}

// attempt makes the cluster once. On failure the cause is named from the
// evidence, and every container is removed.
func (c *creation) attempt(ctx context.Context) error {
	loadCtx, stopLoading := context.WithCancel(ctx)
	defer stopLoading()
	c.booted, c.settled = make(chan struct{}), make(chan struct{})
	c.loaded = c.startLoading(loadCtx)
	err := c.provision(ctx)
	if err == nil {
		err = c.becomeReady(ctx)
	}
	c.watch.enter(nil)
	if err != nil {
		stopLoading()
	}
	<-c.loaded.done
	err = cmp.Or(err, c.loaded.err)
	if err == nil {
		err = c.publish()
	}
	if err == nil {
		return nil
	}
	// What follows must work although ctx may have ended.
	after := context.WithoutCancel(ctx)
	if !stoppedByCaller(ctx) {
		err = c.explain(after, err)
	}
	c.tearDown(after)
	return err
}

// tearDown removes the cluster's containers until kind's library, and the
// docker commands it runs, have ended too. The library cannot be told to
// stop, but without the containers it fails at its next command.
func (c *creation) tearDown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	removed := 0
	for {
		n, err := c.session.remove(ctx)
		removed += n
		if err == nil && c.kindReturned() && !dockerRunning(c.Name) {
			if n == 0 && !c.appearing(ctx) {
				break
			}
			continue
		}
		select {
		case <-ctx.Done():
			c.Log("warning: could not make sure within %s that nothing of cluster %s is left: %v", removeTimeout, c.Name, errors.Join(err, ctx.Err()))
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	if removed > 0 {
		c.Log("removed %d container(s) of cluster %s", removed, c.Name)
	}
}

// appearing tells whether the daemon is still making a node. A docker command
// that is killed leaves its request behind, and the daemon lists a container
// only when it is complete; but the name is taken from the beginning.
func (c *creation) appearing(ctx context.Context) bool {
	select {
	case <-c.booted:
		return false // every node was there
	default:
	}
	if c.created == nil {
		return false
	}
	for _, name := range nodeNames(c.Name, c.config) {
		id, err := c.session.createIdle(ctx, name, c.result.NodeImage)
		if errdefs.IsConflict(err) {
			time.Sleep(50 * time.Millisecond)
			return true
		}
		if err == nil {
			c.session.removeIdle(ctx, id)
		}
	}
	return false
}

func (c *creation) kindReturned() bool {
	if c.created == nil {
		return true
	}
	select {
	case <-c.created:
		return true
	default:
		return false
	}
}

// provision runs kind's library up to a control plane that answers. Images
// are loaded beside it.
func (c *creation) provision(ctx context.Context) error {
	phases := &c.result.Phases
	c.session.logger.onPhase = func(status string) {
		switch {
		case strings.HasPrefix(status, "Starting control-plane"):
			close(c.settled)
		case strings.HasPrefix(status, "Ensuring node image"):
			c.watch.enter(&phases.Pull)
		case strings.HasPrefix(status, "Preparing nodes"):
			c.watch.enter(&phases.Boot)
		case strings.HasPrefix(status, "Writing configuration"):
			c.watch.enter(&phases.Kubeadm)
			close(c.booted)
		}
		c.Log("kind: %s", status)
	}
	// kind insists on writing a kubeconfig under a lock file; ours is written
	// when the cluster is ready.
	scratch, err := os.MkdirTemp("", "kind-")
	if err != nil {
		return step.Infraf("make a scratch directory: %w", err)
	}
	c.watch.enter(&phases.Boot)
	created, kindErr := make(chan struct{}), error(nil)
	c.created = created
	go func() {
		defer close(created)
		defer os.RemoveAll(scratch)
		kindErr = c.session.provider.Create(c.Name,
			cluster.CreateWithV1Alpha4Config(c.config),
			cluster.CreateWithRetain(true), // evidence comes before removal
			cluster.CreateWithWaitForReady(0),
			cluster.CreateWithKubeconfigPath(filepath.Join(scratch, "kubeconfig")),
			cluster.CreateWithDisplayUsage(false),
			cluster.CreateWithDisplaySalutation(false))
	}()
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	select {
	case <-created:
		if kindErr != nil {
			return &createError{kindErr}
		}
		c.watch.enter(&phases.Ready)
		return nil
	case <-c.loaded.failed:
		return c.loaded.err
	case n := <-c.kubeletCrashes(watching):
		return fmt.Errorf("the kubelet has been restarted %d times", n)
	case <-ctx.Done():
		return step.Infraf("making cluster %s: %w", c.Name, context.Cause(ctx))
	}
}

const (
	crashLook  = 3 * time.Second
	maxCrashes = 5 // a kubelet that works is not restarted at all
)

// kubeletCrashes reports when a kubelet ends again and again. kubeadm would
// wait four minutes for it.
func (c *creation) kubeletCrashes(ctx context.Context) <-chan int {
	crashed := make(chan int, 1)
	go func() {
		select {
		case <-c.settled:
		case <-ctx.Done():
			return
		}
		nodes, err := c.session.nodes()
		if err != nil {
			return // kind will say
		}
		before := map[string]int{} // images of long ago let it end until it is configured
		for {
			select {
			case <-time.After(crashLook):
			case <-ctx.Done():
				return
			}
			for _, node := range nodes {
				var out limitedBuffer
				err := node.CommandContext(ctx, "systemctl", "show", "--property=NRestarts", "--value", "kubelet.service").SetStdout(&out).Run()
				n, convErr := strconv.Atoi(strings.TrimSpace(out.String()))
				if err != nil || convErr != nil {
					continue
				}
				if _, seen := before[node.String()]; !seen {
					before[node.String()] = n
				}
				if n -= before[node.String()]; n >= maxCrashes {
					crashed <- n
					return
				}
			}
		}
	}()
	return crashed
}

// createError is what kind's library returned.
type createError struct{ err error }

func (e *createError) Error() string { return commandError(e.err).Error() }
func (e *createError) Unwrap() error { return e.err }

// timeoutError is the cause of a context that [Options.Timeout] ended.
type timeoutError struct{ timeout time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("the timeout of %s passed", e.timeout) }

// stoppedByCaller tells a caller that stopped us from our own timeout.
func stoppedByCaller(ctx context.Context) bool {
	_, timedOut := errors.AsType[*timeoutError](context.Cause(ctx))
	return ctx.Err() != nil && !timedOut
}

// becomeReady writes the kubeconfig and waits for what a model needs.
func (c *creation) becomeReady(ctx context.Context) error {
	start := time.Now()
	data, err := c.session.kubeconfig()
	if err != nil {
		return err
	}
	c.result.KubeconfigData = data
	rest, err := clientcmd.RESTConfigFromKubeConfig(c.result.KubeconfigData)
	if err != nil {
		return step.Infraf("read the kubeconfig of cluster %s: %w", c.Name, err)
	}
	api, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return step.Infraf("make a client for cluster %s: %w", c.Name, err)
	}
	if nodes, err := c.session.nodes(); err == nil {
		for _, node := range nodes {
			c.result.Nodes = append(c.result.Nodes, node.String())
		}
		slices.Sort(c.result.Nodes)
	}
	c.Log("waiting for nodes, DNS and the default service account")
	if err := waitReady(ctx, api, len(c.config.Nodes), dnsQuery(rest, api), c.Log); err != nil {
		return err
	}
	c.Log("cluster %s is ready after %s", c.Name, since(start))
	return nil
}

// publish writes the kubeconfig. It comes last: the file means a cluster
// that can be used.
func (c *creation) publish() error {
	if c.Kubeconfig == "" {
		return nil
	}
	return writeKubeconfig(c.Kubeconfig, c.result.KubeconfigData)
}
