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

// whileDaemon returns a context that ends with the daemon, once the cluster is
// up, where whoever runs the daemon tells of its end. Without its daemon the
// cluster is gone, and what asks it would go on asking until its time is up.
// Making the cluster is spared: it finds out for itself, and why.
func (r *run) whileDaemon(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if r.DockerExit != "" {
		go func() {
			for {
				if err := r.daemonEnd(); err != nil {
					cancel(err)
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

// daemonEnd tells of the end of the daemon of a cluster that is up.
func (r *run) daemonEnd() error {
	if cluster, ran := r.ran("cluster"); !ran || cluster.code != 0 {
		return nil
	}
	data, err := os.ReadFile(r.DockerExit)
	code := strings.TrimSpace(string(data))
	if err != nil || code == "" { // a file is there before what is written to it
		return nil
	}
	return fmt.Errorf("the docker daemon has ended with exit code %s", code)
}
