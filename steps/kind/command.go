package kind

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Command is the kind-cluster binary.
func Command() *step.Command {
	return &step.Command{
		Name:  "kind-cluster",
		Short: "throw-away Kubernetes clusters in docker: make, fill, record, remove",
		Subcommands: []*step.Command{
			createCommand(), loadCommand(), logsCommand(), deleteCommand(), runCommand(), reapCommand(),
		},
	}
}

// targetFlags name a cluster.
type targetFlags struct{ name, host, certs string }

func (f *targetFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.name, "name", DefaultName, "the cluster's name")
}

func (f *targetFlags) registerHost(fs *pflag.FlagSet) {
	fs.StringVar(&f.host, "host", "", "the docker daemon, as unix:///path or tcp://host:port (default: DOCKER_HOST, the docker context, or "+docker.DefaultHost+")")
	fs.StringVar(&f.certs, "docker-certs", "", docker.CertsHelp)
}

func (f *targetFlags) target(rt *step.Runtime) Target {
	return Target{Name: f.name, Host: f.host, Getenv: docker.WithCerts(f.certs, rt.Getenv), Log: rt.Logf}
}

// loadFlags name images.
type loadFlags struct {
	options LoadOptions
}

func (f *loadFlags) register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.options.Images, "image", nil, "an image to put into the nodes; repeatable")
	fs.StringArrayVar(&f.options.Archives, "archive", nil, "an image archive to put into the nodes (docker save or OCI layout, gzip or not); repeatable")
	fs.StringVar(&f.options.Source, "source", SourceAuto, "where images come from: daemon, registry (past the daemon), or auto (the daemon if it has the image)")
	fs.StringArrayVar(&f.options.InsecureRegistries, "insecure-registry", nil, "a registry to ask without TLS, besides those at private addresses; repeatable")
}

func (f *loadFlags) check() error {
	switch f.options.Source {
	case SourceAuto, SourceDaemon, SourceRegistry:
		f.options.Images = withoutEmpty(f.options.Images)
		f.options.Archives = withoutEmpty(f.options.Archives)
		return nil
	}
	return step.Invalidf("--source is %q; it must be auto, daemon or registry", f.options.Source)
}

// withoutEmpty drops the empty elements that an empty param leaves.
func withoutEmpty(list []string) []string {
	var out []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// createFlags describe a cluster to make.
type createFlags struct {
	target        targetFlags
	wait          docker.WaitFlags
	images        loadFlags
	options       Options
	config        string
	mirrors       []string
	nodePorts     []int32
	dockerTimeout time.Duration
}

func (f *createFlags) register(fs *pflag.FlagSet) {
	f.target.register(fs)
	f.wait.Register(fs)
	fs.StringVar(&f.config, "config", "", "a kind configuration file, v1alpha4 or v1alpha3 (default: one node)")
	fs.StringVar(&f.options.NodeImage, "node-image", "", "the image of every node, best with a digest (default: that of the configuration, else of kind's library)")
	fs.StringVar(&f.options.Kubeconfig, "kubeconfig", "", "the file that gets the cluster's credentials (default: KUBECONFIG, else ~/.kube/config)")
	fs.StringVar(&f.options.EarlyKubeconfig, "early-kubeconfig", "", "a file that gets the credentials as soon as the API server takes objects, before the cluster is ready")
	fs.DurationVar(&f.options.Timeout, "timeout", DefaultTimeout, "how long everything may take until the cluster is ready")
	fs.DurationVar(&f.dockerTimeout, "docker-timeout", docker.DefaultTimeout, "how much of it waiting for the daemon may take")
	fs.IntVar(&f.options.Retries, "retries", 1, "how often a failure that is known to pass is tried again")
	fs.StringArrayVar(&f.mirrors, "registry-mirror", nil, "REGISTRY=URL that the nodes ask instead, or HOST:PORT of a registry without TLS; repeatable, once for each registry")
	fs.StringVar(&f.options.CADir, "ca-dir", "", "directory with certificates of authorities that the nodes are to trust too, PEM files ending in .crt or .pem; used if it is there")
	fs.StringSliceVar(&f.options.Prefetch, "prefetch", nil, "images that pods will want, for the nodes to pull while the control plane starts")
	fs.StringSliceVar(&f.options.OuterSubnets, "outer-subnets", nil, "CIDRs of the cluster around this one, to stay clear of (default: found from this pod)")
	fs.Int32SliceVar(&f.nodePorts, "node-ports", nil, "node ports that tests use, to check that they can be reached")
	fs.Int32SliceVar(&f.options.HostPorts, "host-ports", nil, "ports of the daemon's machine that tests use, to check that the configuration maps them")
	fs.BoolVar(&f.options.Strict, "strict-config", false, "make every warning about the configuration an error")
	fs.BoolVar(&f.options.Replace, "replace", false, "remove a cluster of the same name first")
	fs.BoolVar(&f.options.SafeEtcd, "safe-etcd", false, "let etcd wait for the disk at each commit; a throw-away cluster needs no such care")
	fs.StringVar(&f.options.LogsDir, "logs-dir", "", "a directory for the nodes' logs if the cluster does not come up")
	fs.Int64Var(&f.options.MaxLogBytes, "max-log-bytes", DefaultMaxLogBytes, "how much of the logs to keep, in bytes")
	f.images.register(fs)
}

// resolve turns the flags into options.
func (f *createFlags) resolve(rt *step.Runtime) (Options, error) {
	o := f.options
	f.target.host, f.target.certs = f.wait.Host, f.wait.Certs
	o.Target = f.target.target(rt)
	o.Docker = f.wait.Options(rt)
	o.Docker.Timeout = min(f.dockerTimeout, o.Timeout)
	o.Docker.CLI = "docker"
	o.NodePorts = f.nodePorts
	if o.Timeout <= 0 || o.Retries < 0 {
		return o, step.Invalidf("--timeout must be more than nothing and --retries not negative")
	}
	if err := f.images.check(); err != nil {
		return o, err
	}
	o.Images = f.images.options
	o.Prefetch = withoutEmpty(o.Prefetch)
	for _, text := range withoutEmpty(f.mirrors) {
		mirror, err := ParseMirror(text)
		if err != nil {
			return o, err
		}
		o.Mirrors = append(o.Mirrors, mirror)
	}
	if f.config != "" {
		data, err := os.ReadFile(f.config)
		if err != nil {
			return o, step.Invalidf("kind configuration: %w", err)
		}
		o.Config = data
	}
	return o, nil
}

func defaultKubeconfig(flag string, getenv func(string) string) string {
	if path := cmp.Or(flag, getenv("KUBECONFIG")); path != "" {
		return filepath.SplitList(path)[0]
	}
	return filepath.Join(getenv("HOME"), ".kube", "config")
}

func setResults(rt *step.Runtime, result Result) {
	phases, _ := json.Marshal(result.Phases)
	rt.Results.Set("cluster", result.Name)
	rt.Results.Set("node-image", result.NodeImage)
	rt.Results.Set("kubernetes-version", result.KubernetesVersion)
	rt.Results.Set("phases", string(phases))
	rt.Results.Set("attempts", strconv.Itoa(result.Attempts))
	rt.Logf("phases: %s", result.Phases)
}

func createCommand() *step.Command {
	var f createFlags
	return &step.Command{
		Name: "create", Short: "make a cluster and wait until a model can run in it",
		Long: `Ready means: every node is Ready, DNS answers, and the default service account
is there. A failure is explained from the logs of the nodes and of the daemon,
and leaves no container behind; one that is known to pass is tried again.
Images named with --image or --archive are loaded while the control plane
starts.

It is made to come up fast, where the configuration does not say otherwise:
etcd does not wait for the disk (--safe-etcd), the controller manager is not held
back in what it asks of the API server, the default network is installed before
kubeadm is done, and CoreDNS is looked at every second.

Results: cluster, node-image, kubernetes-version, and phases, an object of
seconds by phase (docker, pull, boot, kubeadm, ready, load, total), and
attempts, how often it was tried.`,
		Example: "kind-cluster create --name test --config integration/kind_config.yaml --image model:test",
		Flags:   f.register,
		Run: func(ctx context.Context, rt *step.Runtime) error {
			o, err := f.resolve(rt)
			if err != nil {
				return err
			}
			o.Kubeconfig = defaultKubeconfig(o.Kubeconfig, rt.Getenv)
			result, err := Create(ctx, o)
			setResults(rt, result)
			return err
		},
	}
}

func loadCommand() *step.Command {
	var target targetFlags
	var images loadFlags
	var timeout time.Duration
	return &step.Command{
		Name: "load", Short: "put images into the nodes of a cluster, several at a time",
		Example: "kind-cluster load --name test --image model:test --archive base.tar.gz",
		Flags: func(fs *pflag.FlagSet) {
			target.register(fs)
			target.registerHost(fs)
			images.register(fs)
			fs.DurationVar(&timeout, "timeout", 10*time.Minute, "how long it may take")
			fs.StringVar(&images.options.Base, "base-image", "", "image of a registry that the images are made of: the nodes fetch its layers by themselves, and the daemon's images are sent without them; empty: as a whole")
			fs.DurationVar(&images.options.Wait, "wait", 0, "how long to wait for the nodes of a cluster that is being made; loading goes on while its control plane starts")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			if err := images.check(); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			start := time.Now()
			err := Load(ctx, target.target(rt), images.options)
			rt.Results.Set("load-seconds", strconv.FormatFloat(time.Since(start).Seconds(), 'f', 3, 64))
			return err
		},
	}
}

func logsCommand() *step.Command {
	var target targetFlags
	var dir string
	var size int64
	return &step.Command{
		Name: "logs", Short: "keep what a cluster's nodes, pods and daemon logged",
		Example: "kind-cluster logs --name test --output-dir logs/kind",
		Flags: func(fs *pflag.FlagSet) {
			target.register(fs)
			target.registerHost(fs)
			fs.StringVar(&dir, "output-dir", "", "the directory to write to")
			fs.Int64Var(&size, "max-size", DefaultMaxLogBytes, "how much to keep, in bytes; the largest files lose their beginnings")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			if dir == "" {
				return step.Invalidf("--output-dir is missing")
			}
			return Logs(ctx, target.target(rt), dir, size)
		},
	}
}

func deleteCommand() *step.Command {
	var target targetFlags
	var kubeconfig string
	return &step.Command{
		Name: "delete", Short: "remove a cluster; it is no error when there is none",
		Flags: func(fs *pflag.FlagSet) {
			target.register(fs)
			target.registerHost(fs)
			fs.StringVar(&kubeconfig, "kubeconfig", "", "the file to remove the cluster's credentials from (default: KUBECONFIG, else ~/.kube/config)")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			return Delete(ctx, target.target(rt), defaultKubeconfig(kubeconfig, rt.Getenv))
		},
	}
}

func runCommand() *step.Command {
	var f createFlags
	var dir string
	var timeout time.Duration
	return &step.Command{
		Name: "run", Short: "make a cluster, run a command with KUBECONFIG set, keep logs, remove the cluster",
		Args: "-- COMMAND [ARG...]",
		Long: `The exit code is the command's. Without a cluster it is 2 or 3, as for create.
A failure to remove the cluster is reported, and never hides the command's
outcome.

Results: those of create, exit-code, and cleanup (done, failed, or none when no
cluster was made).`,
		Example: "kind-cluster run --logs-dir logs -- make test_integration",
		Flags: func(fs *pflag.FlagSet) {
			f.register(fs)
			fs.StringVar(&dir, "dir", "", "the command's working directory")
			fs.DurationVar(&timeout, "command-timeout", 0, "how long the command may take; 0: no limit of its own")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			o, err := f.resolve(rt)
			if err != nil {
				return err
			}
			result, err := Run(ctx, RunOptions{
				Options: o, Command: rt.Args, Dir: dir, CommandTimeout: timeout,
				Stdout: rt.Stdout, Stderr: rt.Stderr,
			})
			setResults(rt, result.Result)
			rt.Results.Set("exit-code", strconv.Itoa(result.ExitCode))
			rt.Results.Set("cleanup", result.cleanup())
			return err
		},
	}
}
