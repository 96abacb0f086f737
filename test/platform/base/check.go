package base

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

// What the platform needs of a machine.
const (
	gib          = int64(1) << 30
	minMemory    = 7 * gib  // what a machine of 8 GiB has for its programs
	minCPUs      = 2        // of the control plane, the GitOps controller and a run
	coldSource   = 30 * gib // everything built, and the builds' own caches
	coldRelease  = 15 * gib // everything pulled
	warm         = 8 * gib  // what a run adds
	probeLimit   = 3 * time.Second
	anyLoopback  = "127.255.255.254" // nothing listens here alone, so only a listener on every address is in the way
	publicSource = "registry-1.docker.io"
)

// problem is something that the machine lacks, and what to do about it.
type problem struct {
	what, hint string
}

func (p problem) String() string { return p.what + "\n    hint: " + p.hint }

// needs is what the platform is about to need, which is less when some of it is
// there already.
type needs struct {
	source   local.Source
	cacheDir string
	disk     int64 // bytes in cacheDir
	engine   bool  // an engine is known already
	registry bool  // the registry and what stands on its network were started
	cluster  bool  // the cluster was started
}

// Check looks at what the platform needs of this machine, and names all that is
// missing at once.
func Check(ctx context.Context, env *local.Env) error {
	n := needs{
		source: env.Source(), cacheDir: env.Cache.Root(), disk: coldSource,
		engine: env.State.DockerHost != "", registry: env.State.Registry != "", cluster: env.State.Cluster != "",
	}
	built, _ := filepath.Glob(env.Cache.Path("entries", "kubernetes-*"))
	switch {
	case env.State.NodeImage != "" || len(built) > 0:
		n.disk = warm
	case n.source == local.Release:
		n.disk = coldRelease
	}
	return thisMachine().check(ctx, n)
}

func (m machine) check(ctx context.Context, n needs) error {
	var found []problem
	for _, look := range []func(context.Context, needs) []problem{
		m.platform, m.rights, m.programs, m.cpus, m.memory, m.disk, m.ports, m.kernel,
	} {
		found = append(found, look(ctx, n)...)
	}
	if len(found) == 0 {
		return nil
	}
	text := make([]string, 0, len(found))
	for _, p := range found {
		text = append(text, "\n  - "+p.String())
	}
	return errors.New("this machine is not ready for the platform:" + strings.Join(text, ""))
}

func (m machine) platform(_ context.Context, n needs) []problem {
	if n.source != local.Release && m.arch != "amd64" {
		return []problem{{
			fmt.Sprintf("the processor is %s, and images are built for amd64 only", m.arch),
			"use --source=release, or a machine with an amd64 processor",
		}}
	}
	return nil
}

// rights: root may start an engine and install packages; anybody else needs an
// engine that runs, and packages that are installed.
func (m machine) rights(ctx context.Context, n needs) []problem {
	if m.uid == 0 || n.engine {
		return nil
	}
	err := m.engine(ctx)
	if err == nil {
		return nil
	}
	return []problem{{
		fmt.Sprintf("neither root nor a Docker engine: the user is %d, and %v", m.uid, err),
		"start Docker and join its group, set DOCKER_HOST to an engine that may be used, or run as root",
	}}
}

func (m machine) programs(_ context.Context, n needs) []problem {
	wanted := []string{"go", "git"}
	if n.source != local.Release {
		wanted = append(wanted, "tar")
	}
	var found []problem
	for _, program := range wanted {
		if !m.has(program) {
			found = append(found, problem{"the program " + program + " is not on PATH", "install " + program})
		}
	}
	if n.source == local.Release || m.has("mmdebstrap") {
		return found
	}
	if m.uid != 0 || !m.has("apt-get") {
		found = append(found, problem{
			"the program mmdebstrap, which makes base images of Debian packages, is not on PATH",
			"install mmdebstrap, run as root on a Debian that can install it, or use --source=release where a container registry can be reached",
		})
	}
	return found
}

func (m machine) cpus(context.Context, needs) []problem {
	if m.cpuCount >= minCPUs {
		return nil
	}
	return []problem{{
		fmt.Sprintf("processors: there is %d, and %d are needed", m.cpuCount, minCPUs), "use a machine with more, or lift the limit of this one",
	}}
}

func (m machine) memory(_ context.Context, n needs) []problem {
	total, available, err := m.memorySize()
	if err != nil {
		return []problem{{fmt.Sprintf("memory: %v", err), "run on Linux, with /proc mounted"}}
	}
	if total < minMemory {
		return []problem{{
			fmt.Sprintf("memory: there are %s, and %s are needed", size(total), size(minMemory)), "use a machine of 8 GiB or more, or lift the limit of this one",
		}}
	}
	// What runs already is not needed again.
	if least := minMemory / 2; !n.cluster && available < least {
		return []problem{{
			fmt.Sprintf("memory: %s are free, and %s are needed", size(available), size(least)), "end programs that use much of it",
		}}
	}
	return nil
}

func (m machine) disk(_ context.Context, n needs) []problem {
	free, err := m.free(n.cacheDir)
	if err != nil {
		return []problem{{fmt.Sprintf("disk: %v", err), "make the cache directory " + n.cacheDir}}
	}
	if free >= n.disk {
		return nil
	}
	return []problem{{
		fmt.Sprintf("disk: %s are free in %s, and %s are needed", size(free), n.cacheDir, size(n.disk)),
		"make room, or name a directory that has it with --cache-dir or MODEL_DELIVERY_CACHE",
	}}
}

func (m machine) ports(_ context.Context, n needs) []problem {
	type wanted struct {
		use     string
		address string
		port    int
	}
	var all []wanted
	if !n.cluster {
		all = append(all, wanted{"the EventListener", "127.0.0.1", listenerPort}, wanted{"the gateway", "127.0.0.1", gatewayPort})
	}
	if !n.registry {
		all = append(all, wanted{"the registry", anyLoopback, registryPort}, wanted{"the forge", anyLoopback, ForgePort})
	}
	var found []problem
	for _, w := range all {
		if err := m.listen(fmt.Sprintf("%s:%d", w.address, w.port)); err != nil {
			found = append(found, problem{
				fmt.Sprintf("port %d, which %s needs, is taken: %v", w.port, w.use, err),
				fmt.Sprintf("end the program that `ss -ltnp sport = :%d` shows", w.port),
			})
		}
	}
	return found
}

// kernelParts are what containers and their networks are made of: a part, and
// the modules that any one of is enough for.
var kernelParts = []struct {
	use     string
	modules []string
}{
	{"the layers of images", []string{"overlay"}},
	{"networks of containers", []string{"bridge"}},
	{"networks of containers", []string{"veth"}},
	{"the packet filter", []string{"nf_tables", "ip_tables"}},
	{"addresses of containers behind this machine's", []string{"nf_nat", "iptable_nat"}},
}

func (m machine) kernel(context.Context, needs) []problem {
	var found []problem
	for _, part := range kernelParts {
		if m.lacksAll(part.modules) {
			found = append(found, problem{
				fmt.Sprintf("the kernel has no %s, for %s", strings.Join(part.modules, " or "), part.use),
				"modprobe " + part.modules[0] + ", or boot a kernel that has it",
			})
		}
	}
	return found
}

func size(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/float64(gib)) }

// Probe finds out where the platform can install from: releases when a public
// container registry answers within a few seconds.
func Probe(ctx context.Context) local.Source { return probe(ctx, publicSource) }

func probe(ctx context.Context, registry string) local.Source {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	host, err := name.NewRegistry(registry)
	if err != nil {
		return local.FromSource
	}
	if _, err := transport.Ping(ctx, host, http.DefaultTransport); err != nil {
		return local.FromSource
	}
	return local.Release
}
