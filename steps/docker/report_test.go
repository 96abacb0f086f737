package docker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

func TestTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	var all strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&all, "line %d\n", i)
	}
	if err := os.WriteFile(path, []byte(all.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Tail(path, 2)
	if err != nil || got != "line 19998\nline 19999" {
		t.Errorf("got %q, %v", got, err)
	}
}

// What a daemon's log says explains more than the error at its socket.
func TestHint(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, err, log, host, want string }{
		{"nothing there", "dial unix /x: connect: no such file or directory", "", "unix:///x", "no daemon made that socket"},
		{"leftover", "dial unix /x: connect: connection refused", "", "unix:///x", "leftover"},
		{"tcp", "dial tcp 10.0.0.1:2375: connect: connection refused", "", "tcp://10.0.0.1:2375", "sleeps 16 s"},
		{"overlay", "no such file", "failed to mount overlay: invalid argument, storage-driver=overlay2", "unix:///x", "emptyDir"},
		{"cgroup", "no such file", "cannot enter cgroupv2 \"/sys/fs/cgroup/docker\" with domain controllers -- it is in an invalid state", "unix:///x", "cgroup wrapper"},
		{"second daemon", "no such file", "process with PID 12 is still running", "unix:///x", "another daemon"},
		{"privileges", "no such file", "mount /proc: operation not permitted: mount cgroup", "unix:///x", "privileged"},
		{"out of memory", "no such file", "dockerd invoked oom-killer: gfp_mask=0xcc0", "unix:///x", "ran out of memory"},
		{"a word with oom", `/info: HTTP 500: boom`, "level=info msg=\"no room: OomKillDisable\"", "unix:///x", "--timeout"},
		{"Docker's entrypoint looks for a module", "odd", "ip: can't find device 'ip_tables'\nlevel=info msg=ready", "unix:///x", "--timeout"},
		{"no iptables", "no such file", "iptables v1.8.11 (legacy): can't initialize iptables table `nat'", "unix:///x", "DOCKER_IPTABLES_LEGACY"},
		{"a word on inotify", "odd", "level=info msg=\"watching with inotify\"", "unix:///x", "--timeout"},
		{"no inotify left", "no such file", "inotify_add_watch /run: no space left on device", "unix:///x", "inotify limits"},
		{"a word on overlap", "odd", "level=debug msg=\"intervals overlap\"", "unix:///x", "--timeout"},
		{"no pool", "make a network: could not find an available, non-overlapping IPv4 address pool", "", "unix:///x", "address pool"},
		{"TLS", `/_ping: net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x15\x03\x01\x00\x02\x02"`, "", "tcp://h:1", "wants TLS"},
		{"no HTTP", `/_ping: net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0"`, "", "tcp://h:1", "no docker daemon"},
		{"nothing known", "odd", "", "unix:///x", "--timeout"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := Hint(tc.err, tc.log, tc.host); !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want one with %q", got, tc.want)
			}
		})
	}
}

// Whatever answers at the address must not bring the step down.
func FuzzProbe(f *testing.F) {
	f.Add("1.51", 200, []byte(`{"Driver":"overlay2"}`))
	f.Add("1.51", 400, []byte(`{"message":"client version"}`))
	f.Add("", 200, []byte(`[]`))
	f.Fuzz(func(t *testing.T, version string, status int, body []byte) {
		_ = plausibleVersion(version)
		if err := statusError("/info", status, body); err == nil {
			t.Error("no error")
		}
	})
}

// What is wrong for good is told by the error, not by other troubles in the log.
func TestHintOfAFatalErrorIsItsOwn(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte("iptables: No chain/target/match by that name\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Wait(t.Context(), Options{Host: onSocket(t, &testDaemon{driver: "vfs"}), Getenv: environment(t, nil), LogFile: log})
	if !strings.Contains(step.Hint(err), "--storage-driver=overlay2") {
		t.Errorf("hint %q of %v", step.Hint(err), err)
	}
}

// However many errors differ, some are kept, the rest counted, and the last known.
func TestAttemptLog(t *testing.T) {
	t.Parallel()
	var l attemptLog
	for i := range 50 {
		l.add(fmt.Errorf("error %d", i), time.Duration(i)*time.Second)
	}
	l.add(errors.New("error 3"), time.Minute)
	if len(l.errors) != maxDistinct || l.others != 30 || l.count != 51 {
		t.Errorf("kept %d, %d others of %d", len(l.errors), l.others, l.count)
	}
	if got := l.mostTelling(errors.New("cut short")); got.Error() != "error 3" {
		t.Errorf("most telling is %v", got)
	}
}

// Connections that are reset differ by this side's port alone.
func TestResetsAreOneError(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connection.Read(make([]byte, 1)) // what is left unread makes closing a reset
			connection.Close()
		}
	}()
	var log transcript
	_, err = Wait(t.Context(), Options{Host: "tcp://" + listener.Addr().String(), Getenv: environment(t, nil), Timeout: time.Second, Log: log.logf})
	if n := strings.Count(log.String(), "connection reset"); err == nil || n != 1 || strings.Contains(log.String(), "->") {
		t.Errorf("error %v, told %d times:\n%s", err, n, log.String())
	}
}
