package kind

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	earlyFileLook = 500 * time.Millisecond // each look runs two docker commands
	earlyAPILook  = 150 * time.Millisecond
	earlyAnswer   = 2 * time.Second
)

// publishEarly writes the early kubeconfig once the API server answers its
// user, which kubeadm sees to before it is done.
func (c *creation) publishEarly(ctx context.Context) {
	if c.EarlyKubeconfig == "" {
		return
	}
	select {
	case <-ctx.Done():
		return
	case <-c.settled:
	}
	var found access
	for {
		var err error
		if found, err = c.session.access(); err == nil {
			break
		}
		if !sleep(ctx, earlyFileLook) {
			return
		}
	}
	for {
		tryCtx, cancel := context.WithTimeout(ctx, earlyAnswer)
		_, err := found.api.CoreV1().Namespaces().List(tryCtx, metav1.ListOptions{Limit: 1})
		cancel()
		if err == nil {
			break
		}
		if !sleep(ctx, earlyAPILook) {
			return
		}
	}
	if err := writeKubeconfig(c.EarlyKubeconfig, found.kubeconfig); err != nil {
		c.Log("warning: %v", err)
		return
	}
	c.Log("the API server takes objects")
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
