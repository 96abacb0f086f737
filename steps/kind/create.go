package kind

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Create makes a cluster and returns when it is ready. When it fails, or ctx
// ends, no container of the cluster is left, or the result says so. The result is valid as far as
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
	if err := checkConfig(config); err != nil {
		return result, err
	}
	if err := o.checkInputs(); err != nil {
		return result, err
	}
	setNodeImage(config, o.NodeImage)
	authorities, err := readAuthorities(o.CADir)
	if err != nil {
		return result, err
	}

	started := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, &timeoutError{o.Timeout})
	defer cancel()
	c := &creation{Options: o, config: config, result: &result, authorities: authorities}
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
	// authorities are certificates that the nodes are to trust, in PEM.
	authorities []byte
	// network is the default network where it is not kind that installs it.
	network []*unstructured.Unstructured
	loaded  *loading
	// networked gives nil when the network and the early kubeconfig are there, or
	// the error for which they are not. access is valid from then on.
	networked <-chan error
	access    access
	nodes     func() ([]nodes.Node, error) // of the attempt; lists them once
	created   <-chan struct{}              // closed when kind's library returned; nil before
	booted    chan struct{}                // closed when the nodes run
	settled   chan struct{}                // closed when containerd has its final configuration
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
	c.takeNetwork()
	if c.streams, err = c.session.plan(ctx, c.Images); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		c.result.Attempts = attempt
		err := c.attempt(ctx)
		if err == nil {
			return nil
		}
		if attempt > c.Retries || ctx.Err() != nil || !c.mayPass(err) {
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

// mayPass tells whether another attempt may succeed. What is left of the first,
// kind's library among it, would be in its way.
func (c *creation) mayPass(err error) bool {
	failure, classified := errors.AsType[*Failure](err)
	return classified && failure.Transient && c.result.Left == nil
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
		hostPorts:         c.HostPorts,
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

// timeoutError is the cause of a context that [Options.Timeout] ended.
type timeoutError struct{ timeout time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("the timeout of %s passed", e.timeout) }

// stoppedByCaller tells a caller that stopped us from our own timeout.
func stoppedByCaller(ctx context.Context) bool {
	_, timedOut := errors.AsType[*timeoutError](context.Cause(ctx))
	return ctx.Err() != nil && !timedOut
}
