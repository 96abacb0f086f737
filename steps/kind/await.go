package kind

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/step"
)

// settledFile is there once kubeadm is at work. By then kind has configured
// containerd and, for a configuration with patches, restarted it.
const settledFile = "/etc/kubernetes/pki/ca.crt"

// awaitNodes returns when the cluster's nodes take images. The cluster may be
// in the making, by this process or another.
func (s *session) awaitNodes(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s passed", limit))
	defer cancel()
	start, next := time.Now(), 10*time.Second
	for {
		state, err := s.settledState(ctx)
		if err == nil && state == "" {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		if time.Since(start) > next {
			s.Log("waiting for the nodes of cluster %s: %s", s.Name, state)
			next *= 2
		}
		select {
		case <-ctx.Done():
			return step.Infraf("wait for the nodes of cluster %s (%s): %w", s.Name, state, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// settledState says what there is of the cluster, "" when its nodes take
// images.
func (s *session) settledState(ctx context.Context) (string, error) {
	containers, err := s.containers(ctx)
	if err != nil {
		return "docker does not answer", err
	}
	state := "none is there"
	for _, c := range containers {
		if c.Labels[roleLabel] != "control-plane" {
			continue
		}
		if _, err := s.docker.ContainerStatPath(ctx, c.ID, client.ContainerStatPathOptions{Path: settledFile}); err == nil {
			return "", nil
		}
		state = containerName(c) + " does not take images yet"
	}
	return state, nil
}
