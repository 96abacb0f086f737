package kind

import (
	"cmp"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Labels that kind's library puts on the containers of a cluster.
const (
	clusterLabel = "io.x-k8s.kind.cluster"
	roleLabel    = "io.x-k8s.kind.role"
)

// Defaults of [Options].
const (
	DefaultName    = "kind"
	DefaultTimeout = 5 * time.Minute
)

// Target names a cluster and the daemon that holds it.
type Target struct {
	Name string // cluster name; DefaultName when empty
	// Host is the daemon's URL; when empty it is found as the docker command
	// line finds it. kind's library runs that command line, so a Host that
	// differs from the environment is set in this process's environment.
	Host   string
	Getenv func(string) string              // os.Getenv when nil
	Log    func(format string, args ...any) // one line of progress; may be nil
}

func (t Target) withDefaults() Target {
	t.Name = cmp.Or(t.Name, DefaultName)
	if t.Getenv == nil {
		t.Getenv = os.Getenv
	}
	if t.Log == nil {
		t.Log = func(string, ...any) {}
	}
	return t
}

// maxName keeps "NAME-control-plane" within the 64 bytes of a host name.
const maxName = 49

var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

func (t Target) check() error {
	if len(t.Name) > maxName || !validName.MatchString(t.Name) {
		return step.WithHint(step.Invalidf("cluster name %q is not usable", t.Name),
			"use at most 49 lower-case letters, digits, '-' and '.'; begin and end with a letter or digit")
	}
	return nil
}

// Options describe the cluster that [Create] makes. Only the zero value of
// Target.Name and so on is replaced by a default; the rest is as given.
type Options struct {
	Target
	// Config is a kind configuration, kind.x-k8s.io/v1alpha4 or the older
	// kind.sigs.k8s.io/v1alpha3. Empty: one node.
	Config []byte
	// NodeImage overrides the image of every node, best with a digest.
	NodeImage string
	// Kubeconfig is the file that gets the cluster's credentials, mode 0600.
	// A file that holds other clusters keeps them. Empty: no file is written.
	Kubeconfig string
	// EarlyKubeconfig is a file that gets the credentials as soon as the API
	// server takes objects, while the cluster is still becoming ready. It is
	// of no use when Create fails or needs another attempt.
	EarlyKubeconfig string
	// Timeout bounds everything, from the daemon's readiness to the
	// cluster's. DefaultTimeout when zero.
	Timeout time.Duration
	// Retries is how many more attempts a failure known to pass gets.
	Retries int
	// Docker says how to wait for the daemon. Host, Getenv and Log are taken
	// from the Target.
	Docker docker.Options
	// Images are put into the nodes while the control plane starts.
	Images LoadOptions
	// Prefetch are images that pods will want: containerd in the nodes pulls
	// them while the control plane starts. One that cannot be had is no error.
	Prefetch []string
	// Mirrors are registries that the nodes reach at another address.
	Mirrors []Mirror
	// CADir holds certificates of authorities that containerd in the nodes is
	// to trust too, PEM files ending in .crt or .pem. One that is not there is
	// as good as an empty one.
	CADir string
	// OuterSubnets are the CIDRs of the cluster around this one, which the
	// new one's must not overlap. Found from the surroundings when nil.
	OuterSubnets []string
	// NodePorts are the ports that services of the tests use, for checking
	// that they can be reached.
	NodePorts []int32
	// HostPorts are ports of the daemon's machine that the tests use, for
	// checking that the configuration maps them.
	HostPorts []int32
	// Strict makes every finding about the configuration an error.
	Strict bool
	// Replace removes a cluster of the same name first instead of failing.
	Replace bool
	// SafeEtcd keeps etcd writing to disk at each commit. Without it etcd
	// leaves that to the kernel, which is faster and safe for a cluster
	// that does not outlive its machine's next crash.
	SafeEtcd bool
	// LogsDir gets the nodes' logs when the cluster does not come up.
	LogsDir string
	// MaxLogBytes bounds the logs that are kept in LogsDir; DefaultMaxLogBytes
	// when zero.
	MaxLogBytes int64
}

// Mirror is a registry that containerd in the nodes is to find elsewhere.
type Mirror struct {
	Registry string // as written in image references: host or host:port
	Endpoint string // URL to ask, such as http://172.18.0.1:5000
}

// ParseMirror reads "REGISTRY=URL", or "REGISTRY" for a registry that speaks
// plain HTTP at its own address.
func ParseMirror(text string) (Mirror, error) {
	registry, endpoint, found := strings.Cut(text, "=")
	if !found {
		endpoint = "http://" + registry
	}
	valid := registry != "" && !strings.ContainsAny(registry, "/ '\"\\") && registry != ".." &&
		(strings.HasPrefix(endpoint, "http://") || strings.HasPrefix(endpoint, "https://")) && !strings.ContainsAny(endpoint, " '\"\\\n")
	if !valid {
		return Mirror{}, step.WithHint(step.Invalidf("registry mirror %q is not understood", text),
			"write REGISTRY=URL, such as docker.io=http://172.18.0.1:5000, or HOST:PORT for a registry without TLS")
	}
	return Mirror{Registry: registry, Endpoint: endpoint}, nil
}

// Result describes a cluster that is ready, or how far one came.
type Result struct {
	Name              string
	NodeImage         string // as the first node runs it
	KubernetesVersion string // such as v1.34.4
	Nodes             []string
	Attempts          int
	Phases            Phases
	// KubeconfigData is the cluster's kubeconfig, for use from this machine.
	KubeconfigData []byte
	// Left says why something of a cluster that did not come up may be left;
	// nil when nothing is.
	Left error
}
