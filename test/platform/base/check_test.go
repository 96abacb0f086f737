package base

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// write makes files below a directory.
func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := cache.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fit is a machine that has all that the platform needs.
func fit(t *testing.T) (machine, needs) {
	t.Helper()
	root := t.TempDir()
	write(t, root, map[string]string{
		"proc/meminfo":                    "MemTotal:       16384000 kB\nMemFree: 1 kB\nMemAvailable:   12000000 kB\n",
		"proc/filesystems":                "nodev\tproc\n\text4\nnodev\toverlay\n",
		"sys/module/bridge/refcnt":        "1",
		"lib/modules/6.1/modules.builtin": "kernel/drivers/net/veth.ko\n",
		"lib/modules/6.1/modules.dep":     "kernel/net/netfilter/nf-tables.ko.zst: kernel/x.ko.zst\nkernel/net/netfilter/nf_nat.ko:\n",
	})
	return machine{
			root: root, release: "6.1", arch: "amd64", cpuCount: 2,
			has:    func(string) bool { return true },
			free:   func(string) (int64, error) { return 100 * gib, nil },
			listen: func(string) error { return nil },
			engine: func(context.Context) error { return nil },
		}, needs{
			source: local.FromSource, cacheDir: "/cache", disk: coldSource,
		}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	without := func(programs ...string) func(string) bool {
		return func(program string) bool {
			return !strings.Contains(" "+strings.Join(programs, " ")+" ", " "+program+" ")
		}
	}
	refused := func(context.Context) error { return errors.New("none answers at unix:///x") }
	for name, test := range map[string]struct {
		change func(t *testing.T, m *machine, n *needs)
		want   []string // what is wrong and the hint; none means that all is well
	}{
		"fit": {},
		"another processor": {
			func(_ *testing.T, m *machine, _ *needs) { m.arch = "arm64" }, []string{"the processor is arm64", "--source=release"},
		},
		"another processor, published images": {
			func(_ *testing.T, m *machine, n *needs) { m.arch, n.source = "arm64", local.Release }, nil,
		},
		"neither root nor Docker": {
			func(_ *testing.T, m *machine, _ *needs) { m.uid, m.engine = 1000, refused },
			[]string{"neither root nor a Docker engine", "none answers at unix:///x", "join its group"},
		},
		"root without Docker": {func(_ *testing.T, m *machine, _ *needs) { m.engine = refused }, nil},
		"Docker without root": {func(_ *testing.T, m *machine, _ *needs) { m.uid = 1000 }, nil},
		"the engine is known": {func(_ *testing.T, m *machine, n *needs) { m.uid, m.engine, n.engine = 1000, refused, true }, nil},
		"no git":              {func(_ *testing.T, m *machine, _ *needs) { m.has = without("git") }, []string{"program git", "install git"}},
		"mmdebstrap to come":  {func(_ *testing.T, m *machine, _ *needs) { m.has = without("mmdebstrap") }, nil},
		"no tar, and no need": {func(_ *testing.T, m *machine, n *needs) {
			m.has, n.source = without("tar", "mmdebstrap"), local.Release
		}, nil},
		"no Debian":            {func(_ *testing.T, m *machine, _ *needs) { m.has = without("mmdebstrap", "apt-get") }, []string{"mmdebstrap", "--source=release"}},
		"no mmdebstrap for me": {func(_ *testing.T, m *machine, _ *needs) { m.uid, m.has = 1000, without("mmdebstrap") }, []string{"mmdebstrap", "run as root"}},
		"one processor":        {func(_ *testing.T, m *machine, _ *needs) { m.cpuCount = 1 }, []string{"there is 1, and 2 are needed"}},
		"little memory": {func(t *testing.T, m *machine, _ *needs) {
			write(t, m.root, map[string]string{"proc/meminfo": "MemTotal: 4194304 kB\nMemAvailable: 4000000 kB\n"})
		}, []string{"memory: there are 4.0 GiB, and 7.0 GiB are needed"}},
		"a limit of cgroup v2": {func(t *testing.T, m *machine, _ *needs) {
			write(t, m.root, map[string]string{"sys/fs/cgroup/memory.max": "2147483648\n"})
		}, []string{"memory: there are 2.0 GiB"}},
		"no limit of cgroup v2": {func(t *testing.T, m *machine, _ *needs) {
			write(t, m.root, map[string]string{"sys/fs/cgroup/memory.max": "max\n"})
		}, nil},
		"a limit of cgroup v1": {func(t *testing.T, m *machine, _ *needs) {
			write(t, m.root, map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n"})
		}, []string{"memory: there are 1.0 GiB"}},
		"memory in use": {func(t *testing.T, m *machine, _ *needs) {
			write(t, m.root, map[string]string{"proc/meminfo": "MemTotal: 16384000 kB\nMemAvailable: 2097152 kB\n"})
		}, []string{"memory: 2.0 GiB are free, and 3.5 GiB are needed", "end programs"}},
		"memory in use by the platform": {func(t *testing.T, m *machine, n *needs) {
			n.cluster = true
			write(t, m.root, map[string]string{"proc/meminfo": "MemTotal: 16384000 kB\nMemAvailable: 2097152 kB\n"})
		}, nil},
		"no /proc": {func(t *testing.T, m *machine, _ *needs) {
			if err := os.RemoveAll(filepath.Join(m.root, "proc", "meminfo")); err != nil {
				t.Fatal(err)
			}
		}, []string{"memory:", "meminfo"}},
		"a full disk": {
			func(_ *testing.T, m *machine, _ *needs) { m.free = func(string) (int64, error) { return 3 * gib, nil } },
			[]string{"disk: 3.0 GiB are free in /cache, and 30.0 GiB are needed", "--cache-dir or MODEL_DELIVERY_CACHE"},
		},
		"a disk for what is built already": {func(_ *testing.T, m *machine, n *needs) {
			m.free, n.disk = func(string) (int64, error) { return 9 * gib, nil }, warm
		}, nil},
		"a port in use": {
			func(_ *testing.T, m *machine, _ *needs) {
				m.listen = func(address string) error {
					if strings.HasSuffix(address, ":30088") || strings.HasSuffix(address, ":5000") {
						return errors.New("address already in use")
					}
					return nil
				}
			},
			[]string{"port 30088, which the gateway needs, is taken", "port 5000, which the registry needs, is taken: address already in use", "ss -ltnp sport = :5000"},
		},
		"ports in use by the platform": {func(_ *testing.T, m *machine, n *needs) {
			n.registry, n.cluster = true, true
			m.listen = func(string) error { return errors.New("address already in use") }
		}, nil},
		"a kernel without a packet filter": {func(t *testing.T, m *machine, _ *needs) {
			write(t, m.root, map[string]string{"lib/modules/6.1/modules.dep": "kernel/net/netfilter/nf_nat.ko:\n"})
		}, []string{"the kernel has no nf_tables or ip_tables, for the packet filter", "modprobe nf_tables"}},
		"a kernel that cannot be looked into": {func(t *testing.T, m *machine, _ *needs) {
			if err := os.RemoveAll(filepath.Join(m.root, "lib")); err != nil {
				t.Fatal(err)
			}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, n := fit(t)
			if test.change != nil {
				test.change(t, &m, &n)
			}
			err := m.check(t.Context(), n)
			if len(test.want) == 0 {
				if err != nil {
					t.Errorf("%v", err)
				}
				return
			}
			if err == nil {
				t.Fatalf("nothing is found, want %q", test.want)
			}
			for _, want := range append(test.want, "\n  - ", "\n    hint: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("it says nothing of %q: %v", want, err)
				}
			}
		})
	}
}

// TestCheckNamesEverythingAtOnce: a machine that lacks much is told in one go.
func TestCheckNamesEverythingAtOnce(t *testing.T) {
	t.Parallel()
	m, n := fit(t)
	m.cpuCount = 1
	m.free = func(string) (int64, error) { return 0, errors.New("no such directory") }
	m.listen = func(string) error { return errors.New("in use") }
	err := m.check(t.Context(), n)
	if err == nil || strings.Count(err.Error(), "hint: ") != 6 {
		t.Errorf("check() = %v, want 6 things", err)
	}
}

// TestThisMachine: what is asked of the real one gives answers.
func TestThisMachine(t *testing.T) {
	t.Parallel()
	m := thisMachine()
	if m.release == "" || m.cpuCount < 1 || m.has("no such program") || !m.has("go") {
		t.Errorf("this machine is %+v", m)
	}
	total, available, err := m.memorySize()
	if err != nil || total < gib/4 || available <= 0 || available > total {
		t.Errorf("memory %d, %d, %v", total, available, err)
	}
	if free, err := m.free(t.TempDir()); err != nil || free <= 0 {
		t.Errorf("disk %d, %v", free, err)
	}
	if _, err := m.free("/no/such/directory"); err == nil {
		t.Error("there is room in a directory that does not exist")
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := m.listen(taken.Addr().String()); err == nil || err.Error() != "address already in use" {
		t.Errorf("listening twice: %v", err)
	}
	if err := m.listen("127.0.0.1:0"); err != nil {
		t.Errorf("listening: %v", err)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	registry := func(status int, header string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", header)
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, test := range map[string]struct {
		registry string
		want     local.Source
	}{
		"it wants a token":    {registry(http.StatusUnauthorized, `Bearer realm="http://x/token",service="x"`), local.Release},
		"it is open":          {registry(http.StatusOK, ""), local.Release},
		"something else":      {registry(http.StatusForbidden, ""), local.FromSource},
		"nothing":             {strings.TrimPrefix(gone.URL, "http://"), local.FromSource},
		"no name of registry": {"a b", local.FromSource},
	} {
		if got := probe(t.Context(), test.registry); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
