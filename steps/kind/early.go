package kind

import (
	"context"
	"fmt"
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
// writes the early kubeconfig once the API server answers its user. It returns
// nil only when access is there.
func (c *creation) early(ctx context.Context) error {
	found, err := c.awaitAPI(ctx)
	if err != nil {
		return err
	}
	c.access = found
	c.Log("the API server takes objects")
	if err := c.installNetwork(ctx, found.config); err != nil {
		return err
	}
	if c.EarlyKubeconfig != "" {
		if err := writeKubeconfig(c.EarlyKubeconfig, found.kubeconfig); err != nil {
			c.Log("warning: %v", err)
		}
	}
	if err := c.refuseStrays(ctx); err != nil {
		c.Log("warning: %v", err)
	}
	return nil
}

// awaitAPI waits for the API server. Its error says why ctx ended and what was
// wrong until then.
func (c *creation) awaitAPI(ctx context.Context) (access, error) {
	select {
	case <-ctx.Done():
		return access{}, context.Cause(ctx)
	case <-c.settled:
	}
	for {
		// kubeadm writes the file long before the server answers.
		_, err := c.session.docker.ContainerStatPath(ctx, c.firstNode(), client.ContainerStatPathOptions{Path: adminFile})
		if err == nil {
			var found access
			if found, err = c.session.access(); err == nil {
				return found, awaitAnswer(ctx, found)
			}
		}
		if !sleep(ctx, earlyFileLook) {
			return access{}, context.Cause(ctx)
		}
	}
}

// awaitAnswer returns nil once the API server answers.
func awaitAnswer(ctx context.Context, found access) error {
	var last error
	for {
		tryCtx, cancel := context.WithTimeout(ctx, earlyAnswer)
		_, err := found.api.CoreV1().Namespaces().List(tryCtx, metav1.ListOptions{Limit: 1})
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		switch {
		case sleep(ctx, earlyAPILook):
		case last == nil:
			return context.Cause(ctx)
		default:
			return &unreachedError{server: found.config.Host, last: last, cause: context.Cause(ctx)}
		}
	}
}

// unreachedError tells of an API server that did not answer this machine.
type unreachedError struct {
	server string
	last   error // for which it did not
	cause  error // for which it was not waited any longer
}

func (e *unreachedError) Error() string {
	return fmt.Sprintf("%v; the API server did not answer at %s until then: %v", e.cause, e.server, e.last)
}
func (e *unreachedError) Unwrap() error { return e.cause }

// failure is one with a cause for an API server that answers only within its
// node: kubeadm has found it healthy there.
func (e *unreachedError) failure() *Failure {
	return &Failure{
		Cause: "api-unreachable", Text: "the API server runs, but cannot be reached from here at " + e.server, Err: e,
		Hint: "let this machine reach that port of the daemon's machine: a firewall or a network policy may be in the way; networking.apiServerPort of the configuration makes it the same each time, and apiServerAddress says where it listens",
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
