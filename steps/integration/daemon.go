package integration

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// daemonLook is how often it is looked whether the daemon has ended.
const daemonLook = 300 * time.Millisecond

// whileDaemon returns a context that ends with the daemon, where whoever runs
// it tells of its end. Without its daemon the cluster is gone, and what asks it
// would go on asking until its time is up. Making the cluster is spared: it finds
// out for itself, and why.
func (r *run) whileDaemon(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if r.DockerExit != "" {
		go func() {
			for {
				if code, err := os.ReadFile(r.DockerExit); err == nil {
					cancel(fmt.Errorf("the docker daemon has ended with exit code %s", strings.TrimSpace(string(code))))
					return
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(daemonLook):
				}
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}
