package kind

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/model-delivery/model-delivery/steps/step"
)

// attempt makes the cluster once. On failure the cause is named from the
// evidence, and every container is removed.
func (c *creation) attempt(ctx context.Context) error {
	loadCtx, stopLoading := context.WithCancel(ctx)
	defer stopLoading()
	c.booted, c.settled = make(chan struct{}), make(chan struct{})
	c.nodes = sync.OnceValues(c.session.ownNodes)
	c.loaded = c.startLoading(loadCtx)
	networked := make(chan error, 1)
	c.networked = networked
	go func() { networked <- c.early(loadCtx) }()
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
	c.result.Left = c.tearDown(after)
	return err
}

// tearDown removes the cluster's containers until kind's library, and the
// docker commands it runs, have ended too. The library cannot be told to
// stop, but without the containers it fails at its next command. The error says
// that some of it may be left.
func (c *creation) tearDown(ctx context.Context) error {
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
			err = step.Infraf("could not make sure within %s that nothing of cluster %s is left: %w", removeTimeout, c.Name, errors.Join(err, ctx.Err()))
			c.Log("warning: %v", err)
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
	if removed > 0 {
		c.Log("removed %d container(s) of cluster %s", removed, c.Name)
	}
	return nil
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

// becomeReady writes the kubeconfig and waits for what a model needs.
func (c *creation) becomeReady(ctx context.Context) error {
	start := time.Now()
	if err := c.awaitNetworked(ctx); err != nil {
		return err
	}
	access := c.access
	c.result.KubeconfigData = access.kubeconfig
	if nodes, err := c.nodes(); err == nil {
		for _, node := range nodes {
			c.result.Nodes = append(c.result.Nodes, node.String())
		}
		slices.Sort(c.result.Nodes)
	}
	c.Log("waiting for nodes, DNS and the default service account")
	if err := waitReady(ctx, access.api, len(c.config.Nodes), dnsQuery(access.config, access.api), c.Log); err != nil {
		return err
	}
	c.Log("cluster %s is ready after %s", c.Name, since(start))
	return nil
}

// networkedGrace is how long what goes on beside has to tell, when ctx has
// ended, what it was at.
const networkedGrace = time.Second

// awaitNetworked waits until the network is installed and access valid.
func (c *creation) awaitNetworked(ctx context.Context) error {
	var err error
	select {
	case err = <-c.networked:
	case <-ctx.Done():
		select {
		case err = <-c.networked:
		case <-time.After(networkedGrace):
		}
	}
	if unreached, ok := errors.AsType[*unreachedError](err); ok && !stoppedByCaller(ctx) {
		return step.Infra(unreached.failure())
	}
	if ctx.Err() != nil {
		return step.Infraf("making cluster %s: %w", c.Name, context.Cause(ctx))
	}
	return err
}

// publish writes the kubeconfig. It comes last: the file means a cluster
// that can be used.
func (c *creation) publish() error {
	if c.Kubeconfig == "" {
		return nil
	}
	return writeKubeconfig(c.Kubeconfig, c.result.KubeconfigData)
}
