package kind

import (
	"context"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
)

// loading is work on the nodes that goes on beside kind's.
type loading struct {
	done   chan struct{} // closed at the end; err is valid from then on
	failed chan struct{} // closed when it ended with an error
	err    error
}

// startLoading tells containerd about mirrors and puts the wanted images into
// the nodes as soon as containerd in them has its final configuration, while
// kind goes on with the control plane.
func (c *creation) startLoading(ctx context.Context) *loading {
	l := &loading{done: make(chan struct{}), failed: make(chan struct{})}
	settled := c.booted
	if len(c.config.ContainerdConfigPatches)+len(c.config.ContainerdConfigPatchesJSON6902) > 0 {
		settled = c.settled // kind restarts containerd before that
	}
	go func() {
		defer close(l.done)
		select {
		case <-ctx.Done():
			return
		case <-settled:
		}
		if l.err = c.load(ctx); l.err != nil && ctx.Err() == nil {
			close(l.failed)
		}
	}()
	return l
}

func (c *creation) load(ctx context.Context) error {
	if len(c.streams)+len(c.Mirrors)+len(c.Prefetch)+len(c.authorities) == 0 {
		return nil
	}
	nodes, err := c.nodes()
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if len(c.authorities) > 0 {
			if err := c.session.putFiles(ctx, node.String(), trustedDir, nodeFile{trustedFile, c.authorities}); err != nil {
				return err
			}
		}
		if len(c.Mirrors) > 0 {
			if err := c.session.putFiles(ctx, node.String(), containerdDir, mirrorFiles(c.Mirrors)...); err != nil {
				return err
			}
		}
	}
	start := time.Now()
	defer func() { c.result.Phases.Load = time.Since(start) }()
	fetched := c.prefetch(ctx, nodes)
	err = c.session.loadAll(ctx, c.streams, nodes)
	fetched.Wait()
	return err
}

// registriesDir is where containerd looks for how to reach registries. It reads
// the file of one at each pull, so that no restart is needed.
const (
	containerdDir = "/etc/containerd"
	registriesDir = containerdDir + "/certs.d"
)

// mirrorFiles tell containerd where to find registries.
func mirrorFiles(mirrors []Mirror) []nodeFile {
	var files []nodeFile
	for _, mirror := range mirrors {
		files = append(files, nodeFile{
			path.Join(path.Base(registriesDir), mirror.Registry, "hosts.toml"),
			fmt.Appendf(nil, "[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", mirror.Endpoint),
		})
	}
	return files
}

// prefetch lets containerd in the nodes pull images that pods will want. The
// pods would pull them too, only later, so that a failure is just told.
func (c *creation) prefetch(ctx context.Context, list []nodes.Node) *sync.WaitGroup {
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxParallel)
	for _, node := range list {
		for _, image := range c.Prefetch {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				start := time.Now()
				err := c.session.pullInto(ctx, node, image)
				switch {
				case ctx.Err() != nil:
				case err != nil:
					c.Log("%s was not fetched ahead: %v", image, err)
				default:
					c.Log("fetched %s ahead into %s in %s", image, node, since(start))
				}
			})
		}
	}
	return &wg
}

// pullInto lets containerd in a node pull an image, by the registries that the
// node was told of.
func (s *session) pullInto(ctx context.Context, node nodes.Node, image string) error {
	ref, err := name.ParseReference(image)
	if err != nil {
		return err
	}
	snapshotter, err := s.snapshotter(ctx, node)
	if err != nil {
		return err
	}
	var out limitedBuffer
	err = node.CommandContext(ctx, "ctr", "--namespace=k8s.io", "images", "pull", "--hosts-dir="+registriesDir, "--snapshotter="+snapshotter, nodeReference(ref)).
		SetStdout(&out).SetStderr(&out).Run()
	if err != nil {
		return fmt.Errorf("%s", lastLines(out.String(), 1))
	}
	return nil
}
