package setup

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/kube/kubetest"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Who waits for the network for long is told what is missing.
func TestAwaitNetworkTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	server := kubetest.New(t)
	server.Serve("/v1", "Node", "nodes", false)
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	var told strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&told, format+"\n", args...) }
	if err := awaitNetwork(ctx, server.Client(t), say, 300*time.Millisecond); step.ExitCode(err) != step.ExitInfra {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(told.String(), "no node is Ready") {
		t.Errorf("told %q", told.String())
	}
}
