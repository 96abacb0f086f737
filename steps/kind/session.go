package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/step"
)

// session is one cluster on one daemon, with what is needed to work on it.
type session struct {
	Target
	endpoint docker.Endpoint
	docker   *client.Client
	provider *cluster.Provider
	logger   *kindLogger

	background sync.WaitGroup // what close waits for
	// snapshotters are those that were asked for, by node.
	snapshottersMu sync.Mutex
	snapshotters   map[string]string
}

// open resolves the target and points the docker command at it. It does not
// talk to the daemon yet.
func open(target Target) (*session, error) {
	s, err := connect(target)
	if err != nil {
		return nil, err
	}
	if err := useEndpoint(s.endpoint); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func connect(target Target) (*session, error) {
	target = target.withDefaults()
	if err := target.check(); err != nil {
		return nil, err
	}
	cli, endpoint, err := docker.Connect(target.Host, target.Getenv)
	if err != nil {
		return nil, err
	}
	s := &session{Target: target, endpoint: endpoint, docker: cli, snapshotters: map[string]string{}}
	s.logger = &kindLogger{logf: target.Log, onPhase: func(string) {}}
	s.provider = cluster.NewProvider(cluster.ProviderWithLogger(s.logger), cluster.ProviderWithDocker())
	return s, nil
}

// useEndpoint points the docker command line, which kind's library runs with
// this process's environment, at the endpoint. There is no other way in.
func useEndpoint(endpoint docker.Endpoint) error {
	for _, entry := range endpoint.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if os.Getenv(name) == value {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return step.Infraf("set %s for the docker command: %w", name, err)
		}
	}
	return nil
}

func (s *session) close() {
	s.background.Wait()
	s.docker.Close()
}

// containers lists the cluster's containers, running or not.
func (s *session) containers(ctx context.Context) ([]container.Summary, error) {
	list, err := s.docker.ContainerList(ctx, client.ContainerListOptions{
		All:     true,
		Filters: make(client.Filters).Add("label", clusterLabel+"="+s.Name),
	})
	if err != nil {
		return nil, step.Infraf("list the containers of cluster %s: %w", s.Name, err)
	}
	return list.Items, nil
}

// nodes lists the cluster's Kubernetes nodes. It is an input error when there
// is none.
func (s *session) nodes() ([]nodes.Node, error) {
	list, err := s.ownNodes()
	if errors.Is(err, errNoNodes) {
		return nil, s.noCluster()
	}
	return list, err
}

func (s *session) noCluster() error {
	return step.WithHint(step.Invalidf("there is no cluster %q on %s", s.Name, s.endpoint.Host),
		"make it with `kind-cluster create`, or name another with --name")
}

var errNoNodes = errors.New("there is none")

// ownNodes lists the nodes of a cluster that is being made, so that it is not
// the input's fault when there is none.
func (s *session) ownNodes() ([]nodes.Node, error) {
	list, err := s.provider.ListInternalNodes(s.Name)
	if err == nil && len(list) == 0 {
		err = errNoNodes
	}
	if err != nil {
		return nil, step.Infraf("list the nodes of cluster %s: %w", s.Name, commandError(err))
	}
	return list, nil
}

// removeTimeout bounds how long removing a cluster's containers may take
// after the step was told to stop.
const removeTimeout = 9 * time.Second

// remove force-removes every container of the cluster with its anonymous
// volumes and says how many there were. A container that docker cannot remove
// at once is tried again until ctx ends.
func (s *session) remove(ctx context.Context) (int, error) {
	removed := 0
	var stuck error // at the last try
	for {
		list, err := s.containers(ctx)
		switch {
		case err != nil && stuck != nil && ctx.Err() != nil:
			return removed, stuck
		case err != nil || len(list) == 0:
			return removed, err
		}
		var errs []error
		for _, c := range list {
			if _, err := s.docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", containerName(c), err))
				continue
			}
			removed++
		}
		if len(errs) == 0 {
			continue // look once more: one may have been starting
		}
		stuck = step.WithHint(step.Infraf("remove the containers of cluster %s: %w", s.Name, errors.Join(errs...)),
			"docker could not remove a container in time; try again, or remove it with `docker rm -f -v`")
		select {
		case <-ctx.Done():
			return removed, stuck
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func containerName(c container.Summary) string {
	if len(c.Names) == 0 {
		return c.ID
	}
	return strings.TrimPrefix(c.Names[0], "/")
}

// since formats the time since start for a progress line.
func since(start time.Time) string {
	return fmt.Sprintf("%.1fs", time.Since(start).Seconds())
}

// remoteHost is the host name of a daemon on another machine, "" for one
// whose published ports are on this one.
func (s *session) remoteHost() string {
	if machine := s.endpoint.Machine(); machine != docker.ThisMachine {
		return machine
	}
	return ""
}
