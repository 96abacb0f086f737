// Command nodeagent does for a node what kindnetd and the local path
// provisioner do on published node images, in one small program:
//
//   - network: it writes the node's CNI configuration once the node has its pod
//     range, and keeps a route to the pod range of every other node;
//   - storage: it makes a directory of the node, which any user may write to,
//     for each claim of the class "standard" whose pod was scheduled there, and
//     removes it with its volume.
//
// It runs in a host-network DaemonSet with the node's root at /host.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	self := os.Getenv("NODE_NAME")
	api, err := inCluster()
	if err != nil {
		fmt.Fprintln(os.Stderr, "nodeagent:", err)
		os.Exit(1)
	}
	var duties sync.WaitGroup
	duties.Go(func() {
		repeat(ctx, "network", 5*time.Second, func() error { return syncNetwork(ctx, api, self) })
	})
	duties.Go(func() {
		repeat(ctx, "storage", 500*time.Millisecond, func() error { return syncStorage(ctx, api, self) })
	})
	duties.Wait()
}

// repeat does a duty again and again, sooner after it failed, and logs when its
// outcome changes.
func repeat(ctx context.Context, duty string, pause time.Duration, do func() error) {
	last := ""
	for {
		outcome, wait := "in step with the cluster", pause
		if err := do(); err != nil {
			outcome, wait = err.Error(), time.Second
		}
		if outcome != last && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, duty+":", outcome)
			last = outcome
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
