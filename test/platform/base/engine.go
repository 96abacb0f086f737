package base

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/test/platform/docker"
	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// engineComponent is the Docker engine: the one that runs on this machine when it can
// run a privileged container, otherwise one of the platform's own, unpacked
// from Debian packages beside the system, with its own socket and data.
type engineComponent struct{}

func (engineComponent) Name() string    { return "engine" }
func (engineComponent) Needs() []string { return nil }

// bootLimit is how long the engine may take to answer.
const bootLimit = 60 * time.Second

// Build decides which engine is used and, when it is our own, unpacks it.
func (e engineComponent) Build(ctx context.Context, env *local.Env) error {
	mtu, err := outboundMTU()
	if err != nil {
		return err
	}
	if err := env.Update(func(s *local.State) { s.EngineMTU = mtu }); err != nil {
		return err
	}
	if env.State.EngineStarted { // ours already; Start sees that it runs
		_, err := engineFiles(ctx, env)
		return err
	}
	host, reason := runningEngine(ctx, env)
	if host != "" {
		env.Logf("use the Docker engine at %s", host)
		return env.Update(func(s *local.State) { s.DockerHost = host })
	}
	env.Logf("start a Docker engine of the platform's own: %s", reason)
	bin, err := engineFiles(ctx, env)
	if err != nil {
		return err
	}
	return env.Update(func(s *local.State) {
		s.DockerHost, s.DockerPath, s.EngineStarted = "unix://"+env.StateFile("engine", "docker.sock"), bin, true
	})
}

// runningEngine returns the DOCKER_HOST of an engine that can run a privileged
// container, or why there is none.
func runningEngine(ctx context.Context, env *local.Env) (host, reason string) {
	host = os.Getenv("DOCKER_HOST")
	if host == "" {
		host = client.DefaultDockerHost
	}
	found, err := docker.Connect(host)
	if err != nil {
		return "", err.Error()
	}
	defer found.Close()
	if err := found.Wait(ctx, 2*time.Second); err != nil {
		return "", fmt.Sprintf("none answers at %s", host)
	}
	if _, err := env.Output(ctx, execute.Cmd{Name: "docker", Args: []string{"--version"}}); err != nil {
		return "", "the docker program is not on PATH"
	}
	if err := probePrivileged(ctx, env, found); err != nil {
		return "", fmt.Sprintf("the one at %s cannot run a privileged container: %v", host, err)
	}
	return host, ""
}

// probePrivileged runs a privileged container that ends at once.
func probePrivileged(ctx context.Context, env *local.Env, found *docker.Engine) error {
	pause, err := pauseImage(ctx, env)
	if err != nil {
		return err
	}
	const ref = "model-delivery/probe:latest"
	if err := found.LoadImage(ctx, ref, pause); err != nil {
		return err
	}
	created, err := found.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: ref, Cmd: []string{"probe"}, Labels: map[string]string{docker.Label: "probe"}},
		HostConfig: &container.HostConfig{Privileged: true},
	})
	if err != nil {
		return err
	}
	defer func() {
		found.Remove(context.WithoutCancel(ctx), created.ID)
		found.ImageRemove(context.WithoutCancel(ctx), ref, client.ImageRemoveOptions{})
	}()
	wait := found.ContainerWait(ctx, created.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := found.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		return err
	}
	select {
	case err := <-wait.Error:
		return err
	case result := <-wait.Result:
		if result.StatusCode != 0 {
			return fmt.Errorf("it ended with exit code %d", result.StatusCode)
		}
		return nil
	}
}

// Start starts our own engine unless it answers already.
func (e engineComponent) Start(ctx context.Context, env *local.Env) error {
	found, err := env.Docker()
	if err != nil {
		return err
	}
	if !env.State.EngineStarted {
		return found.Wait(ctx, bootLimit)
	}
	if found.Wait(ctx, time.Second) == nil {
		return nil
	}
	if pid := enginePID(env); pid != 0 { // alive but not answering
		if err := endProcess(ctx, pid); err != nil {
			return err
		}
	}
	if err := dropStalePorts(ctx, env); err != nil {
		return err
	}
	process, err := startEngine(env)
	if err != nil {
		return err
	}
	waiting, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		state, _ := process.Wait() // ends with this command when the engine lives on
		stop(fmt.Errorf("it ended at once: %v", state))
	}()
	if err := found.Wait(waiting, bootLimit); err != nil {
		if cause := context.Cause(waiting); cause != nil {
			err = cause
		}
		return fmt.Errorf("start the Docker engine: %w; its log is %s", err, env.Cache.Path("engine", "dockerd.log"))
	}
	return nil
}

// startEngine starts our own engine. It does not wait until it answers.
func startEngine(env *local.Env) (*os.Process, error) {
	dir := env.StateFile("engine")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.MkdirAll(env.Cache.Path("engine"), 0o711)); err != nil {
		return nil, fmt.Errorf("start the Docker engine: %w", err)
	}
	// Left over when the engine was killed; dockerd would refuse to start.
	for _, name := range []string{"docker.pid", "docker.sock"} {
		os.Remove(filepath.Join(dir, name))
	}
	// Settings of our own: the system's /etc/docker/daemon.json is not for us.
	settings := filepath.Join(dir, "daemon.json")
	if err := os.WriteFile(settings, []byte("{}\n"), 0o600); err != nil {
		return nil, fmt.Errorf("start the Docker engine: %w", err)
	}
	log, err := os.OpenFile(env.Cache.Path("engine", "dockerd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start the Docker engine: %w", err)
	}
	defer log.Close()
	process, err := os.StartProcess(filepath.Join(env.State.DockerPath, "dockerd"), []string{
		"dockerd",
		"--host=" + env.State.DockerHost,
		"--data-root=" + env.Cache.Path("engine", "data"),
		"--exec-root=" + filepath.Join(dir, "exec"),
		"--pidfile=" + filepath.Join(dir, "docker.pid"),
		"--userland-proxy-path=" + filepath.Join(env.State.DockerPath, "docker-proxy"),
		"--storage-driver=overlay2",
		"--mtu=" + strconv.Itoa(env.State.EngineMTU),
		"--insecure-registry=172.16.0.0/12", "--insecure-registry=10.0.0.0/8", "--insecure-registry=192.168.0.0/16",
		"--log-level=warn",
		"--max-concurrent-downloads=6",
		"--shutdown-timeout=10",
		"--config-file=" + settings,
	}, &os.ProcAttr{
		Dir:   "/",
		Env:   engineEnviron(env.State.DockerPath),
		Files: []*os.File{nil, log, log},
		Sys:   &syscall.SysProcAttr{Setsid: true}, // outlives this command
	})
	if err != nil {
		return nil, fmt.Errorf("start the Docker engine: %w", err)
	}
	return process, nil
}

// engineEnviron is the environment of our own engine: its own programs come
// first on PATH, and those of the system's administrator are on it.
func engineEnviron(bin string) []string {
	environ := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "PATH=") || strings.HasPrefix(entry, "DOCKER_")
	})
	return append(environ, "PATH="+bin+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
}

// Status reports whether the engine answers.
func (engineComponent) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	if env.State.DockerHost == "" {
		return local.Status{Condition: local.Absent}, nil
	}
	found, err := env.Docker()
	if err != nil {
		return local.Status{}, err
	}
	version, err := found.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return local.Status{Condition: local.Broken, Detail: err.Error()}, nil
	}
	owner := "the machine's own"
	if env.State.EngineStarted {
		owner = "started by the platform"
	}
	return local.Status{Condition: local.Running, Detail: fmt.Sprintf("Docker %s at %s, %s", version.Version, env.State.DockerHost, owner)}, nil
}

// Stop ends the engine if it is ours, and removes what it left on the machine's
// network.
func (engineComponent) Stop(ctx context.Context, env *local.Env) error {
	if !env.State.EngineStarted {
		return nil
	}
	if pid := enginePID(env); pid != 0 {
		if err := endProcess(ctx, pid); err != nil {
			return fmt.Errorf("stop the Docker engine: %w", err)
		}
	}
	// An engine that was killed leaves its data mounted on itself, once for each time.
	for syscall.Unmount(env.Cache.Path("engine", "data"), syscall.MNT_DETACH) == nil {
		env.Logf("unmount what a killed engine left")
	}
	return cleanNetwork(ctx, env)
}

// enginePID is the process of our own engine, 0 when it does not run.
func enginePID(env *local.Env) int {
	data, err := os.ReadFile(env.StateFile("engine", "docker.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	// The number may have gone to another process since.
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || strings.TrimSpace(string(name)) != "dockerd" {
		return 0
	}
	return pid
}

// endProcess asks the process to end, and kills it when it has not in time.
func endProcess(ctx context.Context, pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for syscall.Kill(pid, 0) == nil {
		if time.Now().After(deadline) {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// outboundMTU is the smallest MTU of this machine's running devices that are
// not of its own making: what a container may send without being cut.
func outboundMTU() (int, error) {
	devices, err := net.Interfaces()
	if err != nil {
		return 0, fmt.Errorf("look at the machine's network: %w", err)
	}
	mtu := 1500
	for _, device := range devices {
		if device.Flags&net.FlagUp == 0 || device.Flags&net.FlagLoopback != 0 {
			continue
		}
		if _, err := os.Stat("/sys/class/net/" + device.Name + "/device"); err != nil && !defaultRoute(device.Name) {
			continue
		}
		mtu = min(mtu, device.MTU)
	}
	return mtu, nil
}

// defaultRoute says whether the machine's way out is through the device.
func defaultRoute(device string) bool {
	data, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[0] == device && fields[1] == "00000000" {
			return true
		}
	}
	return false
}
