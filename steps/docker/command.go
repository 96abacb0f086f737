package docker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/step"
)

// WaitFlags are the flags that describe how to wait for a daemon. They are
// shared by the commands that do so.
type WaitFlags struct {
	Host, Certs, LogFile, ExitFile, CLI string
	ProbeNetwork, AllowVFS              bool
}

// Register declares the flags.
func (f *WaitFlags) Register(fs *pflag.FlagSet) {
	fs.StringVar(&f.Host, "host", "", "the docker daemon, as unix:///path or tcp://host:port (default: DOCKER_HOST, the docker context, or "+DefaultHost+")")
	fs.StringVar(&f.Certs, "docker-certs", "", CertsHelp)
	fs.StringVar(&f.LogFile, "log-file", "", "the daemon's log, whose end is shown when the daemon does not come up")
	fs.StringVar(&f.ExitFile, "exit-file", "", "a file that is written when the daemon ends; waiting stops once it is there")
	fs.BoolVar(&f.ProbeNetwork, "probe-network", false, "also require that the daemon can make a network")
	fs.BoolVar(&f.AllowVFS, "allow-vfs", false, "accept the storage driver vfs, which copies every layer")
}

// Options returns the options that the flags stand for.
func (f *WaitFlags) Options(rt *step.Runtime) Options {
	return Options{
		Host: f.Host, Getenv: WithCerts(f.Certs, rt.Getenv), Log: rt.Logf, LogFile: f.LogFile, ExitFile: f.ExitFile,
		CLI: f.CLI, ProbeNetwork: f.ProbeNetwork, AllowVFS: f.AllowVFS,
	}
}

// Command is the docker-wait binary.
func Command() *step.Command {
	var flags WaitFlags
	var timeout time.Duration
	var start bool
	var startCommand string
	var startArgs []string
	return &step.Command{
		Name:  "docker-wait",
		Short: "wait until a docker daemon is usable, or say why it is not",
		Long: `Ready means that the daemon answers /_ping and /info, that its API is new
enough for kind, that its storage driver is not vfs and, with --probe-network,
that it can make a network. Waiting stops at once when it cannot help: the
daemon has ended, access is denied, TLS does not fit, the API is too old.
Certificates that a named directory does not hold yet are waited for.

Results: server-version, api-version, storage-driver, cgroup-version and
ready-seconds, the time until the daemon was ready.`,
		Example: `docker-wait --host unix:///dind/docker.sock --log-file /dind/dockerd.log --exit-file /dind/exit
docker-wait --start --dockerd-arg=--storage-driver=overlay2 --host unix:///run/docker.sock`,
		Flags: func(fs *pflag.FlagSet) {
			flags.Register(fs)
			fs.DurationVar(&timeout, "timeout", DefaultTimeout, "how long to wait in all")
			fs.StringVar(&flags.CLI, "cli", "", "also wait for this docker executable, by name or path")
			fs.BoolVar(&start, "start", false, "start the daemon here first; it is stopped again if it does not become ready")
			fs.StringVar(&startCommand, "dockerd", "dockerd", "the executable that --start runs")
			fs.StringArrayVar(&startArgs, "dockerd-arg", nil, "an argument for the daemon that --start runs; repeatable")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			if timeout <= 0 {
				return step.Invalidf("--timeout is %s; it must be more than nothing", timeout)
			}
			options := flags.Options(rt)
			options.Timeout = timeout
			if start {
				options.Start = &StartOptions{Command: startCommand, Args: startArgs}
			}
			result, err := Wait(ctx, options)
			if err != nil {
				return err
			}
			rt.Logf("%s", result)
			rt.Results.Set("server-version", result.ServerVersion)
			rt.Results.Set("api-version", result.APIVersion)
			rt.Results.Set("storage-driver", result.StorageDriver)
			rt.Results.Set("cgroup-version", result.CgroupVersion)
			rt.Results.Set("ready-seconds", strconv.FormatFloat(result.Waited.Seconds(), 'f', 3, 64))
			return nil
		},
	}
}

// String describes a ready daemon in one line.
func (r Result) String() string {
	return fmt.Sprintf("docker %s is ready after %.3fs (%d attempts): API %s, storage %s, cgroup v%s, %d CPUs, %d MiB",
		r.ServerVersion, r.Waited.Seconds(), r.Attempts, r.APIVersion, r.StorageDriver, r.CgroupVersion, r.CPUs, r.MemoryBytes>>20)
}
