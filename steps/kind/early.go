package kind

import (
	"context"
	"time"

	"github.com/moby/moby/client"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// adminFile holds the credentials that kind gives away.
const adminFile = "/etc/kubernetes/admin.conf"

const (
	earlyFileLook = 300 * time.Millisecond
	earlyAPILook  = 150 * time.Millisecond
	earlyAnswer   = 2 * time.Second
)

// early does what need not wait for kubeadm's end: it installs the network and
// writes the early kubeconfig once the API server answers its user. What ends ctx
// before that is not its to tell.
func (c *creation) early(ctx context.Context) error {
	found, ok := c.awaitAPI(ctx)
	if !ok {
		return nil
	}
	c.access = found
	c.Log("the API server takes objects")
	if err := c.installNetwork(ctx, found.config); err != nil {
		return err
	}
	if c.EarlyKubeconfig == "" {
		return nil
	}
	if err := writeKubeconfig(c.EarlyKubeconfig, found.kubeconfig); err != nil {
		c.Log("warning: %v", err)
	}
	return nil
}

// awaitAPI waits for the API server and is false when ctx ends before.
func (c *creation) awaitAPI(ctx context.Context) (found access, ok bool) {
	select {
	case <-ctx.Done():
		return access{}, false
	case <-c.settled:
	}
	for {
		// kubeadm writes the file long before the server answers.
		_, err := c.session.docker.ContainerStatPath(ctx, c.firstNode(), client.ContainerStatPathOptions{Path: adminFile})
		if err == nil {
			found, err = c.session.access()
		}
		if err == nil {
			break
		}
		if !sleep(ctx, earlyFileLook) {
			return access{}, false
		}
	}
	for {
		tryCtx, cancel := context.WithTimeout(ctx, earlyAnswer)
		_, err := found.api.CoreV1().Namespaces().List(tryCtx, metav1.ListOptions{Limit: 1})
		cancel()
		if err == nil {
			return found, true
		}
		if !sleep(ctx, earlyAPILook) {
			return access{}, false
		}
	}
}

// sleep tells whether ctx let it sleep for so long.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
