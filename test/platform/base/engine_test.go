package base

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

// TestUndo: of a packet filter, only what an engine put in is taken out, in an
// order in which that can be done.
func TestUndo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ table, want string }{
		"nothing of an engine": {"-P INPUT ACCEPT\n-P FORWARD DROP\n-N MINE\n-A FORWARD -i eth0 -j MINE\n", ""},
		"filter": {`-P INPUT ACCEPT
-P FORWARD DROP
-N DOCKER
-N DOCKER-USER
-N MINE
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i br-0123 ! -o br-0123 -j ACCEPT
-A FORWARD -i eth0 -j MINE
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -j ACCEPT
`, `-D FORWARD -j DOCKER-USER
-D FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-D FORWARD -i br-0123 ! -o br-0123 -j ACCEPT
-P FORWARD ACCEPT
-F DOCKER
-F DOCKER-USER
-X DOCKER
-X DOCKER-USER
`},
		"nat": {`-P PREROUTING ACCEPT
-N DOCKER
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.30.0.0/16 ! -o br-0123 -j MASQUERADE
-A POSTROUTING -s 10.0.0.0/8 -o eth0 -j MASQUERADE
`, `-D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-D POSTROUTING -s 172.30.0.0/16 ! -o br-0123 -j MASQUERADE
-F DOCKER
-X DOCKER
`},
		"nothing at all": {"", ""},
	} {
		var got strings.Builder
		for _, args := range undo(test.table) {
			got.WriteString(strings.Join(args, " ") + "\n")
		}
		if got.String() != test.want {
			t.Errorf("%s: undone by\n%swant\n%s", name, got.String(), test.want)
		}
	}
}

func TestFirstFree(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ used, want string }{
		{"", "172.30.0.0/16"},
		{"192.168.1.0/24 172.17.0.0/16", "172.30.0.0/16"},
		{"172.30.5.0/24", "172.29.0.0/16"},
		{"172.28.0.0/14", "172.27.0.0/16"},
		{"172.16.0.0/12", ""},
		{"fd00::/8", "172.30.0.0/16"},
	} {
		var used []netip.Prefix
		for _, text := range strings.Fields(test.used) {
			used = append(used, netip.MustParsePrefix(text))
		}
		got, err := firstFree(used)
		if test.want == "" {
			if err == nil {
				t.Errorf("beside %s: %s, want none", test.used, got)
			}
			continue
		}
		if err != nil || got.String() != test.want {
			t.Errorf("beside %q: %s, %v; want %s", test.used, got, err, test.want)
		}
	}
}

// TestEngineEnviron: an engine of the platform's own runs its own programs, and
// takes no setting that is meant for another.
func TestEngineEnviron(t *testing.T) {
	t.Setenv("DOCKER_HOST", "tcp://elsewhere:2375")
	t.Setenv("PATH", "/usr/bin")
	t.Setenv("HTTPS_PROXY", "http://proxy:3128")
	environ := engineEnviron("/own")
	if !slices.Contains(environ, "PATH=/own:/usr/bin:/usr/sbin:/sbin") || !slices.Contains(environ, "HTTPS_PROXY=http://proxy:3128") {
		t.Errorf("the environment is %q", environ)
	}
	for _, entry := range environ {
		if strings.HasPrefix(entry, "DOCKER_") || entry == "PATH=/usr/bin" {
			t.Errorf("%s is in the environment", entry)
		}
	}
}

// TestEnginePID: only a process that is an engine is taken for one, since
// numbers are given anew.
func TestEnginePID(t *testing.T) {
	t.Parallel()
	env := &local.Env{State: &local.State{StateDir: t.TempDir()}}
	for _, content := range []string{"", "none", "999999999", "1", "0"} {
		if content != "" {
			write(t, env.State.StateDir, map[string]string{filepath.Join("engine", "docker.pid"): content})
		}
		if pid := enginePID(env); pid != 0 {
			name, _ := os.ReadFile("/proc/1/comm")
			t.Errorf("the file %q gives process %d (%s)", content, pid, name)
		}
	}
}

func TestOutboundMTU(t *testing.T) {
	t.Parallel()
	mtu, err := outboundMTU()
	if err != nil || mtu < 576 || mtu > 1500 {
		t.Errorf("outboundMTU() = %d, %v", mtu, err)
	}
}
