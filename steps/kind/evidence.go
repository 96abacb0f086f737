package kind

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/step"
)

// evidence is what a failed attempt left. Every part may be empty.
type evidence struct {
	err        string // the error and what the command behind it printed
	kubeadm    string // kubeadm's output
	serial     string // the node containers' own logs: systemd and the entrypoint
	kubelet    string // the kubelet's journal
	containerd string // containerd's journal
	pods       string // logs of control plane and DNS pods, from the nodes' files
	daemon     string // the end of the docker daemon's log
	facts      []string
	ownNetwork bool        // kind's default network plugin is left out
	daemonGone bool        // its exit file is there, or it no longer answers
	nodes      []nodeState // containers
	missing    []string    // what readiness still waited for
}

type nodeState struct {
	name      string
	running   bool
	oomKilled bool
	exitCode  int
}

const (
	evidenceTimeout = 8 * time.Second
	maxEvidence     = 1 << 20 // bytes of each log
)

// gather collects evidence for as long as evidenceTimeout allows.
func (c *creation) gather(ctx context.Context, err error) evidence {
	ctx, cancel := context.WithTimeout(ctx, evidenceTimeout)
	defer cancel()
	e := evidence{err: err.Error() + "\n" + commandOutput(err), kubeadm: c.session.logger.kubeadmOutput(), ownNetwork: c.config.Networking.DisableDefaultCNI && c.network == nil}
	if c.session.remoteHost() == "" {
		e.facts = docker.HostFacts() // this machine's, which is the daemon's
	}
	if notReady, ok := errors.AsType[*notReadyError](err); ok {
		e.missing = notReady.missing
	}
	if c.Docker.LogFile != "" {
		e.daemon, _ = docker.Tail(c.Docker.LogFile, 200)
	}
	if _, pingErr := c.session.docker.Ping(ctx, client.PingOptions{}); pingErr != nil {
		e.daemonGone = true
		return e
	}
	containers, listErr := c.session.containers(ctx)
	if listErr != nil {
		return e
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, container := range containers {
		wg.Go(func() {
			state := nodeState{name: containerName(container)}
			if info, err := c.session.docker.ContainerInspect(ctx, container.ID, client.ContainerInspectOptions{}); err == nil && info.Container.State != nil {
				state.running = info.Container.State.Running
				state.oomKilled = info.Container.State.OOMKilled
				state.exitCode = info.Container.State.ExitCode
			}
			serial := c.session.containerLog(ctx, container.ID)
			mu.Lock()
			defer mu.Unlock()
			e.nodes = append(e.nodes, state)
			e.serial += serial
		})
	}
	wg.Wait()
	c.fromNodes(ctx, &e)
	return e
}

// fromNodes reads the journals in the nodes that still run.
func (c *creation) fromNodes(ctx context.Context, e *evidence) {
	running := map[string]bool{}
	for _, state := range e.nodes {
		running[state.name] = state.running
	}
	list, err := c.session.provider.ListInternalNodes(c.Name)
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	read := func(into *string, node nodes.Node, command string, args ...string) {
		wg.Go(func() {
			var out limitedBuffer
			_ = node.CommandContext(ctx, command, args...).SetStdout(&out).SetStderr(io.Discard).Run()
			mu.Lock()
			defer mu.Unlock()
			*into += out.String()
		})
	}
	for _, node := range list {
		if !running[node.String()] {
			continue
		}
		read(&e.kubelet, node, "journalctl", "--no-pager", "-o", "cat", "-n", "2000", "-u", "kubelet.service")
		read(&e.containerd, node, "journalctl", "--no-pager", "-o", "cat", "-n", "500", "-u", "containerd.service")
		read(&e.pods, node, "sh", "-c", `for f in /var/log/pods/kube-system_*/*/*.log; do echo "== $f"; tail -n 50 "$f"; done`)
	}
	wg.Wait()
}

// containerLog is the end of a container's own log. Nodes have a terminal, so
// there is one stream without headers.
func (s *session) containerLog(ctx context.Context, id string) string {
	stream, err := s.docker.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "500"})
	if err != nil {
		return ""
	}
	defer stream.Close()
	data, _ := io.ReadAll(io.LimitReader(stream, maxEvidence))
	return string(data)
}

// limitedBuffer keeps the first maxEvidence bytes.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := maxEvidence - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// explain names the cause of a failed attempt and keeps the nodes' logs where
// they were asked for. An error about the input stays as it is.
func (c *creation) explain(ctx context.Context, err error) error {
	found := c.gather(ctx, err)
	failure, named := errors.AsType[*Failure](err) // by whoever saw it first
	if !named || found.daemonGone {
		failure = diagnose(found, err)
	}
	if failure.Cause == "disk-full" {
		failure.Evidence = append(failure.Evidence, c.session.diskFacts(ctx)...)
	}
	if c.LogsDir != "" {
		if logErr := c.session.keepLogs(ctx, c.LogsDir, c.MaxLogBytes); logErr != nil {
			c.Log("could not keep all logs: %v", logErr)
		}
	}
	if !named && !found.daemonGone && step.ExitCode(err) == step.ExitInvalid {
		return err
	}
	return failure.wrap()
}
