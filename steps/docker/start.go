package docker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// StartOptions say how to run the daemon.
type StartOptions struct {
	Command string   // executable; "dockerd" when empty
	Args    []string // further arguments; --host is given by the endpoint
}

// daemon is a daemon that this process started. It outlives the process
// unless it is stopped.
type daemon struct {
	command string
	logFile string
	process *exec.Cmd
	done    chan struct{} // closed when it ended
	status  string        // how it ended; valid once done is closed
}

// stopGrace is how long a daemon that was told to stop may take.
const stopGrace = 6 * time.Second

func startDaemon(o StartOptions, e Endpoint, logFile string) (*daemon, error) {
	if e.network() != "unix" && !verifiesClients(o.Args) {
		return nil, step.WithHint(step.Invalidf("will not start a daemon that listens on %s without TLS: whoever reaches it is root here", e.Host),
			"name a unix socket with --host, such as unix:///run/docker.sock, or give the daemon --tlsverify, --tlscacert, --tlscert and --tlskey with --dockerd-arg")
	}
	if o.Command == "" {
		o.Command = "dockerd"
	}
	path, err := exec.LookPath(o.Command)
	if err != nil {
		return nil, step.WithHint(step.Invalidf("start the docker daemon: %w", err),
			"use an image that holds dockerd, or run the daemon in a sidecar and leave out --start")
	}
	if logFile == "" {
		logFile = filepath.Join(os.TempDir(), "dockerd.log")
	}
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, step.Invalidf("open the daemon's log: %w", err)
	}
	defer log.Close()
	if e.network() == "unix" {
		if err := os.MkdirAll(filepath.Dir(e.address()), 0o755); err != nil {
			return nil, step.Infraf("make the socket's directory: %w", err)
		}
	}
	cmd := exec.Command(path, append([]string{"--host=" + e.Host}, o.Args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	// A session of its own keeps signals for this process from the daemon.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, step.Infraf("start %s: %w", path, err)
	}
	d := &daemon{command: path, logFile: logFile, process: cmd, done: make(chan struct{})}
	go func() {
		err := cmd.Wait()
		d.status = "exit code 0"
		if err != nil {
			d.status = err.Error()
		}
		close(d.done)
	}()
	return d, nil
}

// verifiesClients tells whether a daemon with these arguments lets in those
// alone who show a certificate. It does nothing of the kind by itself, whatever
// certificates there are for its clients.
func verifiesClients(args []string) bool {
	verifies := false
	for _, arg := range args {
		if name, value, given := strings.Cut(arg, "="); name == "--tlsverify" {
			on, err := strconv.ParseBool(value)
			verifies = !given || err == nil && on
		}
	}
	return verifies
}

func (d *daemon) pid() int { return d.process.Process.Pid }

func (d *daemon) ended() (status string, ended bool) {
	select {
	case <-d.done:
		return d.status, true
	default:
		return "", false
	}
}

// stop ends the daemon and waits for it, by force when it takes too long.
func (d *daemon) stop() error {
	_ = d.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
		return nil
	case <-time.After(stopGrace):
	}
	if err := d.process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", d.command, err)
	}
	<-d.done
	return nil
}
