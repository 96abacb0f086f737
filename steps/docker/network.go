package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/step"
)

// probeLabel marks the network that probing makes, should it be left behind.
const probeLabel = "model-delivery.dev/probe"

// How much longer than it may probing goes on: the daemon goes on making the
// network, which would be left behind.
const (
	makingGrace  = 2 * time.Second
	probingGrace = 3 * time.Second
)

// networkFailure is an error of a daemon that answers, but makes no network.
type networkFailure struct {
	action string
	err    error
}

func (e *networkFailure) Error() string { return e.action + " a network: " + e.err.Error() }
func (e *networkFailure) Unwrap() error { return e.err }

// probeNetwork makes and removes a bridge network.
func probeNetwork(ctx context.Context, e Endpoint) error {
	cli, err := e.Client()
	if err != nil {
		return fatal(err)
	}
	defer cli.Close()
	began := time.Now()
	lasting, cancel := step.Outlive(ctx, probingGrace)
	defer cancel()
	making, cancel := step.Outlive(ctx, makingGrace)
	defer cancel()
	making, cancel = context.WithTimeout(making, probeTimeout)
	defer cancel()
	name := "probe-" + strings.ToLower(rand.Text()[:10])
	_, err = cli.NetworkCreate(making, name, client.NetworkCreateOptions{
		Driver: "bridge", Labels: map[string]string{probeLabel: "network"},
	})
	if err != nil && making.Err() != nil {
		err = fmt.Errorf("no answer within %s", time.Since(began).Round(100*time.Millisecond))
	}
	// An error may have come after the network was made.
	removing, cancel := context.WithTimeout(lasting, probingGrace)
	defer cancel()
	_, removeErr := cli.NetworkRemove(removing, name, client.NetworkRemoveOptions{})
	switch {
	case err != nil:
		return networkError("make", err)
	case removeErr != nil && !errdefs.IsNotFound(removeErr):
		return networkError("remove", removeErr)
	}
	return nil
}

func networkError(action string, err error) error {
	wrapped := &networkFailure{action, withoutAddresses(err)}
	// iptables and pool errors stay; a lock or a busy daemon does not.
	text := err.Error()
	stays := strings.Contains(text, "iptables") || strings.Contains(text, "overlap") || strings.Contains(text, "available, non-overlapping") || strings.Contains(text, "nftables")
	if stays && !strings.Contains(text, "xtables lock") {
		return fatal(wrapped)
	}
	return wrapped
}

// ofNetwork tells whether err is about making a network.
func ofNetwork(err error) bool {
	_, ok := errors.AsType[*networkFailure](err)
	return ok
}
