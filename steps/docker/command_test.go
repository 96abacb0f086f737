package docker

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// execute runs docker-wait and returns its exit code, results directory and
// what it printed on standard error.
func execute(t *testing.T, args ...string) (code int, results, stderr string) {
	t.Helper()
	results = t.TempDir()
	var out, errOut bytes.Buffer
	code = step.Execute(t.Context(), Command(), append(args, "--results-dir", results), environment(t, nil), &out, &errOut)
	return code, results, errOut.String()
}

func TestCommandResults(t *testing.T) {
	t.Parallel()
	code, results, stderr := execute(t, "--host", onSocket(t, &testDaemon{}))
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for name, want := range map[string]string{"server-version": "28.5.2", "api-version": "1.51", "storage-driver": "overlay2", "cgroup-version": "2"} {
		if got, err := os.ReadFile(filepath.Join(results, name)); err != nil || string(got) != want {
			t.Errorf("result %s is %q, %v; want %q", name, got, err, want)
		}
	}
	seconds, err := os.ReadFile(filepath.Join(results, "ready-seconds"))
	if _, parseErr := strconv.ParseFloat(string(seconds), 64); err != nil || parseErr != nil {
		t.Errorf("result ready-seconds is %q: %v", seconds, errors.Join(err, parseErr))
	}
}

func TestCommandRefusesBadInput(t *testing.T) {
	t.Parallel()
	certs := t.TempDir()
	writeCA(t, certs, selfSigned(t))
	for _, args := range [][]string{
		{"--timeout", "0s"},
		{"--host", "nonsense"},
		{"--start", "--host", "tcp://0.0.0.0:2375"},
		{"--start", "--host", "tcp://127.0.0.1:2376", "--docker-certs", certs},
		{"--start", "--host", "tcp://127.0.0.1:2376", "--docker-certs", certs, "--dockerd-arg=--tlsverify=false", "--timeout", "2s"},
		{"--start", "--host", "tcp://127.0.0.1:2376", "--docker-certs", certs, "--dockerd-arg=--tlscacert=x", "--timeout", "2s"},
		{"--start", "--dockerd", "no-such-daemon", "--host", "unix:///nowhere/docker.sock"},
		{"extra"},
	} {
		if code, _, stderr := execute(t, args...); code != step.ExitInvalid {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
	}
}

// A daemon that checks its clients' certificates may listen on a port: what is
// wrong then is only that there is none.
func TestStartOnAPortWithTLS(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"--tlsverify", "--tlsverify=true"} {
		code, _, stderr := execute(t, "--start", "--host", "tcp://127.0.0.1:2376", "--docker-certs", t.TempDir(), "--dockerd", "no-such-daemon", "--dockerd-arg="+arg)
		if code != step.ExitInvalid || !strings.Contains(stderr, "no-such-daemon") {
			t.Errorf("%s: exit code %d: %s", arg, code, stderr)
		}
	}
}

// startArgs make docker-wait start this test binary as the daemon.
func startArgs(t *testing.T, mode string) (args []string, log string) {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "dockerd")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("#!/bin/sh\nTEST_DAEMON=%s exec %q \"$@\"\n", mode, self)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	log = filepath.Join(dir, "dockerd.log")
	return []string{"--start", "--dockerd", script, "--host", "unix://" + filepath.Join(dir, "run", "docker.sock"), "--log-file", log}, log
}

// The daemon that was started goes on when docker-wait has ended.
func TestStart(t *testing.T) {
	t.Parallel()
	args, log := startArgs(t, "good")
	code, _, stderr := execute(t, append(args, "--dockerd-arg=--storage-driver=overlay2")...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	pid := startedPID(t, stderr)
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the daemon does not run any more: %v", err)
	}
	syscall.Kill(pid, syscall.SIGTERM)
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "--storage-driver=overlay2") {
		t.Errorf("log %q, %v", text, err)
	}
}

func TestStartOfBrokenDaemon(t *testing.T) {
	t.Parallel()
	args, _ := startArgs(t, "broken")
	start := time.Now()
	code, _, stderr := execute(t, args...)
	if took := time.Since(start); code != step.ExitInfra || took > 20*time.Second {
		t.Errorf("exit code %d after %s", code, took)
	}
	for _, want := range []string{"the docker daemon ended: exit status 1", "no space left on device", "hint: the disk"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("output lacks %q:\n%s", want, stderr)
		}
	}
}

// A daemon that does not become ready is not left running.
func TestStartStopsWhatItStarted(t *testing.T) {
	t.Parallel()
	args, _ := startArgs(t, "mute")
	code, _, stderr := execute(t, append(args, "--timeout", "300ms")...)
	if code != step.ExitInfra {
		t.Errorf("exit code %d", code)
	}
	if err := syscall.Kill(startedPID(t, stderr), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the daemon still runs: %v", err)
	}
}

func startedPID(t *testing.T, stderr string) int {
	t.Helper()
	_, rest, _ := strings.Cut(stderr, "(pid ")
	text, _, _ := strings.Cut(rest, ")")
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("no pid in:\n%s", stderr)
	}
	return pid
}
