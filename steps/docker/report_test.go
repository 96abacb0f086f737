package docker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
