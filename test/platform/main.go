// Command platform starts, stops and shows the local platform that the demo and
// the end-to-end tests run on.
package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/model-delivery/model-delivery/test/platform/base"
	"github.com/model-delivery/model-delivery/test/platform/bundle"
	"github.com/model-delivery/model-delivery/test/platform/components"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The work tree is the current directory, as `go run ./test/platform` has it.
	os.Exit(local.Execute(ctx, all("."), base.TestComponents(), base.Check, base.Probe, os.Args[1:], os.Stdout, os.Stderr))
}

// all returns every component, in the order in which they are started, for the
// work tree at root.
func all(root string) []local.Component {
	return slices.Concat(base.Components(), components.Components(), bundle.Components(root))
}
