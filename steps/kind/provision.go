package kind

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/cluster"

	"github.com/model-delivery/model-delivery/steps/step"
)

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
