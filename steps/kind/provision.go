package kind

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/model-delivery/model-delivery/steps/step"
)

// provision runs kind's library up to a control plane that answers. Images
// are loaded beside it.
func (c *creation) provision(ctx context.Context) error {
	phases := &c.result.Phases
	c.session.logger.onPhase = func(status string) {
		switch {
		case strings.HasPrefix(status, "Starting control-plane"):
			// kind calls this before it goes on.
			if err := c.writePatches(ctx); err != nil {
				c.Log("warning: %v", err) // kubeadm will not find them, and say so
			}
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
	case err := <-c.nodeTroubles(watching):
		return err
	case <-ctx.Done():
		return step.Infraf("making cluster %s: %w", c.Name, context.Cause(ctx))
	}
}

const (
	troubleLook = 3 * time.Second
	maxCrashes  = 5 // a kubelet that works is not restarted at all
	maxFull     = 3 // looks in a row in which the kubelet complained again
)

// nodeTroubles reports a kubelet that ends again and again, and one that finds no
// room again and again. kubeadm would wait four minutes for either.
func (c *creation) nodeTroubles(ctx context.Context) <-chan error {
	troubles := make(chan error, 1)
	go func() {
		select {
		case <-c.settled:
		case <-ctx.Done():
			return
		}
		nodes, err := c.nodes()
		if err != nil {
			return // kind will say
		}
		seen := map[string]*kubeletHistory{}
		for {
			select {
			case <-time.After(troubleLook):
			case <-ctx.Done():
				return
			}
			for _, node := range nodes {
				name := node.String()
				restarts, noRoom, ok := kubeletState(ctx, node)
				if !ok {
					continue
				}
				if seen[name] == nil {
					seen[name] = &kubeletHistory{restarts: restarts}
				}
				history := seen[name]
				if n := restarts - history.restarts; n >= maxCrashes {
					troubles <- fmt.Errorf("the kubelet has been restarted %d times", n)
					return
				}
				// The disk may have room between two attempts at what does not fit.
				history.full++
				if noRoom <= history.noRoom {
					history.full = 0
				}
				history.noRoom = noRoom
				if history.full >= maxFull {
					troubles <- fmt.Errorf("%s: no space left on device, as the kubelet says again and again", name)
					return
				}
			}
		}
	}()
	return troubles
}

// kubeletHistory is what was seen of a node's kubelet before.
type kubeletHistory struct {
	restarts int // at first: images of long ago let it end until it is configured
	noRoom   int // lines that complained of a full disk, at the last look
	full     int // looks in a row that found more of them
}

// kubeletState tells how often a node's kubelet was started again, and how many
// lines of its log complain of a full disk.
func kubeletState(ctx context.Context, node nodes.Node) (restarts, noRoom int, ok bool) {
	const script = "systemctl show --property=NRestarts --value kubelet.service; journalctl --unit kubelet.service --output cat --no-pager | grep -c 'no space left on device' || :"
	var out limitedBuffer
	if err := node.CommandContext(ctx, "sh", "-c", script).SetStdout(&out).Run(); err != nil {
		return 0, 0, false
	}
	n, err := fmt.Sscan(out.String(), &restarts, &noRoom)
	return restarts, noRoom, err == nil && n == 2
}

// createError is what kind's library returned.
type createError struct{ err error }

func (e *createError) Error() string { return commandError(e.err).Error() }
func (e *createError) Unwrap() error { return e.err }
