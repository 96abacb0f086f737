package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pelletier/go-toml"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Places that [LoadOptions.Source] names.
const (
	SourceAuto     = "auto"     // the daemon if it has the image, else the registry
	SourceDaemon   = "daemon"   // the docker daemon
	SourceRegistry = "registry" // the image's registry, past the daemon
)

// LoadOptions say which images to put into a cluster's nodes.
type LoadOptions struct {
	Images   []string // references
	Archives []string // files made by `docker save` or in the OCI layout, also compressed with gzip
	Source   string   // where Images come from; SourceAuto when empty
	// Base is an image of a registry that those of Images that the daemon has
	// are made of. The nodes fetch its layers by themselves, and only the others
	// are sent. An image where that cannot be done is sent as a whole. Empty:
	// each is.
	Base string
	// InsecureRegistries are asked without TLS, besides those at private or
	// loopback addresses.
	InsecureRegistries []string
	// Wait is how long [Load] waits for nodes of a cluster that is being
	// made; zero: the nodes must be there. It begins when their containerd
	// has its final configuration, while the control plane still starts.
	Wait time.Duration
}

func (o LoadOptions) empty() bool { return len(o.Images)+len(o.Archives) == 0 }

// maxParallel is how many streams are sent to the nodes at a time.
const maxParallel = 3

// loadTries is how often a stream is sent: containerd rarely, but sometimes,
// fails for no reason that stays.
const loadTries = 2

// Load puts images into every node of a cluster.
func Load(ctx context.Context, target Target, o LoadOptions) error {
	if o.empty() {
		return step.Invalidf("nothing to load: name an image or an archive")
	}
	s, err := open(target)
	if err != nil {
		return err
	}
	defer s.close()
	// What is missing is said before it is waited.
	w, err := s.find(ctx, o)
	if err != nil {
		return err
	}
	if o.Wait > 0 {
		if err := s.awaitNodes(ctx, o.Wait); err != nil {
			return err
		}
	}
	nodes, err := s.nodes()
	if err != nil {
		return err
	}
	if o.Base != "" {
		w.fromDaemon = slices.DeleteFunc(w.fromDaemon, func(image string) bool {
			err := s.loadDelta(ctx, image, o, nodes)
			if err != nil && ctx.Err() == nil {
				s.Log("%s is sent as a whole: %v", image, err)
			}
			return err == nil
		})
	}
	return s.loadAll(ctx, s.streams(w), nodes)
}

// stream is an image archive that can be opened again and again.
type stream struct {
	what string
	open func(ctx context.Context) (io.ReadCloser, error)
}

// wanted are the images to load, by where they come from.
type wanted struct {
	others     []stream // archives, and images of registries
	fromDaemon []string // references
}

// plan finds every image and returns how each is sent.
func (s *session) plan(ctx context.Context, o LoadOptions) ([]stream, error) {
	w, err := s.find(ctx, o)
	if err != nil {
		return nil, err
	}
	return s.streams(w), nil
}

// streams are how images are sent. The daemon's share one, and with it their
// layers.
func (s *session) streams(w wanted) []stream {
	if len(w.fromDaemon) == 0 {
		return w.others
	}
	return append(w.others, s.daemonStream(w.fromDaemon))
}

// find finds every image, so that what is missing is said before work begins.
func (s *session) find(ctx context.Context, o LoadOptions) (wanted, error) {
	var w wanted
	for _, path := range o.Archives {
		if err := checkArchive(path); err != nil {
			return wanted{}, err
		}
		w.others = append(w.others, stream{path, func(context.Context) (io.ReadCloser, error) { return openArchive(path) }})
	}
	for _, image := range o.Images {
		inDaemon := false
		if o.Source != SourceRegistry {
			_, err := s.docker.ImageInspect(ctx, image)
			switch {
			case err == nil:
				inDaemon = true
			case errdefs.IsNotFound(err) && o.Source == SourceDaemon:
				return wanted{}, step.WithHint(step.Invalidf("the docker daemon has no image %s", image), "build or pull it first, or load it with --source=registry")
			case !errdefs.IsNotFound(err):
				return wanted{}, step.Infraf("look for image %s: %w", image, err)
			}
		}
		if inDaemon {
			w.fromDaemon = append(w.fromDaemon, image)
			continue
		}
		remote, err := registryStream(ctx, image, o.InsecureRegistries)
		if err != nil {
			return wanted{}, err
		}
		w.others = append(w.others, remote)
	}
	return w, nil
}

// daemonStream saves images from the daemon. With the containerd image store
// a saved image would name platforms that the daemon never pulled, so only
// this machine's is asked for.
func (s *session) daemonStream(images []string) stream {
	return stream{strings.Join(images, ", "), func(ctx context.Context) (io.ReadCloser, error) {
		info, err := s.docker.Info(ctx, client.InfoOptions{})
		if err != nil {
			return nil, err
		}
		var options []client.ImageSaveOption
		for _, status := range info.Info.DriverStatus {
			if strings.Contains(status[1], "io.containerd.snapshotter") {
				options = append(options, client.ImageSaveWithPlatforms(ocispec.Platform{OS: "linux", Architecture: goArchitecture(info.Info.Architecture)}))
			}
		}
		return s.docker.ImageSave(ctx, images, options...)
	}}
}

// goArchitecture translates the kernel's name of an architecture.
func goArchitecture(kernel string) string {
	switch kernel {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return kernel
}

// loadAll sends every stream to every node, several at a time. The first
// error stops the others.
func (s *session) loadAll(ctx context.Context, streams []stream, list []nodes.Node) error {
	if len(streams) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, maxParallel)
	var wg sync.WaitGroup
	for _, node := range list {
		snapshotter, err := s.snapshotter(ctx, node)
		if err != nil {
			return err
		}
		for _, archive := range streams {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				if err := s.send(ctx, archive, node, snapshotter); err != nil {
					cancel(err)
				}
			})
		}
	}
	wg.Wait()
	return context.Cause(ctx)
}

// send imports one stream into one node.
func (s *session) send(ctx context.Context, archive stream, node nodes.Node, snapshotter string) error {
	start := time.Now()
	for try := 1; ; try++ {
		n, err := s.sendOnce(ctx, archive, node, snapshotter)
		if err == nil {
			s.Log("loaded %s into %s: %d MiB in %s", archive.what, node, n>>20, since(start))
			return nil
		}
		failure := diagnoseLoad(archive.what, node.String(), err)
		if try == loadTries || ctx.Err() != nil || !failure.Transient {
			return failure.wrap()
		}
		s.Log("loading failed, trying again: %v", failure)
	}
}

func (s *session) sendOnce(ctx context.Context, archive stream, node nodes.Node, snapshotter string) (int64, error) {
	reader, err := archive.open(ctx)
	if err != nil {
		return 0, fmt.Errorf("open: %w", err)
	}
	defer reader.Close()
	counter := &countingReader{r: reader}
	err = node.CommandContext(ctx, "ctr", "--namespace=k8s.io", "images", "import", "--all-platforms", "--digests", "--snapshotter="+snapshotter, "-").
		SetStdin(counter).Run()
	if counter.err != nil {
		err = errors.Join(fmt.Errorf("read the images: %w", counter.err), commandError(err))
	}
	return counter.n, err
}

// countingReader counts bytes and remembers why reading ended early.
type countingReader struct {
	r   io.Reader
	n   int64
	err error
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// snapshotter asks containerd in a node which snapshotter the kubelet's
// images use, once.
func (s *session) snapshotter(ctx context.Context, node nodes.Node) (string, error) {
	s.snapshottersMu.Lock()
	defer s.snapshottersMu.Unlock()
	if known := s.snapshotters[node.String()]; known != "" {
		return known, nil
	}
	var out limitedBuffer
	if err := node.CommandContext(ctx, "containerd", "config", "dump").SetStdout(&out).Run(); err != nil {
		return "", step.Infraf("read the configuration of containerd in %s: %w", node, commandError(err))
	}
	found, err := parseSnapshotter(out.String())
	if err != nil {
		return "", step.Infraf("read the configuration of containerd in %s: %w", node, err)
	}
	s.snapshotters[node.String()] = found
	return found, nil
}

func parseSnapshotter(config string) (string, error) {
	tree, err := toml.Load(config)
	if err != nil {
		return "", err
	}
	for _, path := range [][]string{
		{"plugins", "io.containerd.cri.v1.images", "snapshotter"},
		{"plugins", "io.containerd.grpc.v1.cri", "containerd", "snapshotter"},
	} {
		if name, ok := tree.GetPath(path).(string); ok && name != "" {
			return name, nil
		}
	}
	return "", errors.New("it names no snapshotter")
}
