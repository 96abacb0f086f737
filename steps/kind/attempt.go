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
	c.nodes = sync.OnceValues(c.session.nodes)
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

// becomeReady writes the kubeconfig and waits for what a model needs.
func (c *creation) becomeReady(ctx context.Context) error {
	start := time.Now()
	select {
	case err := <-c.networked:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return step.Infraf("making cluster %s: %w", c.Name, context.Cause(ctx))
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

// publish writes the kubeconfig. It comes last: the file means a cluster
// that can be used.
func (c *creation) publish() error {
	if c.Kubeconfig == "" {
		return nil
	}
	return writeKubeconfig(c.Kubeconfig, c.result.KubeconfigData)
}
