package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/step"
)

// writeContext puts a context into docker's store, with the certificates of
// another directory when certs is not empty.
func writeContext(t *testing.T, config, name, host, certs string) {
	t.Helper()
	digest := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(digest[:])
	meta := filepath.Join(config, "contexts", "meta", id)
	if err := os.MkdirAll(meta, 0o755); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"Name":%q,"Metadata":{},"Endpoints":{"docker":{"Host":%q,"SkipTLSVerify":false}}}`, name, host)
	if err := os.WriteFile(filepath.Join(meta, "meta.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if certs == "" {
		return
	}
	store := filepath.Join(config, "contexts", "tls", id)
	if err := os.MkdirAll(store, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(store, "docker"), os.DirFS(certs)); err != nil {
		t.Fatal(err)
	}
}

// The daemon is looked for where the docker command looks for it.
func TestResolve(t *testing.T) {
	t.Parallel()
	config := t.TempDir()
	writeContext(t, config, "lab", "unix:///lab/docker.sock", "")
	chosen := t.TempDir()
	writeContext(t, chosen, "lab", "unix:///lab/docker.sock", "")
	if err := os.WriteFile(filepath.Join(chosen, "config.json"), []byte(`{"currentContext":"lab"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, host string
		env        map[string]string
		want, from string
	}{
		{"nothing is set", "", nil, DefaultHost, "default"},
		{"a flag", "tcp://10.0.0.1:2375", map[string]string{"DOCKER_HOST": "unix:///x"}, "tcp://10.0.0.1:2375", "--host"},
		{"no port", "tcp://localhost", nil, "tcp://localhost:2375", "--host"},
		{"no port with a path", "tcp://localhost/x", nil, "tcp://localhost:2375/x", "--host"},
		{"no port with TLS", "tcp://localhost", map[string]string{"DOCKER_TLS": "1"}, "tcp://localhost:2376", "--host"},
		{"no port of an IPv6 address", "tcp://[::1]", nil, "tcp://[::1]:2375", "--host"},
		{"IPv6 address", "tcp://[::1]:1", nil, "tcp://[::1]:1", "--host"},
		{"no host", "tcp://:2375", nil, "tcp://:2375", "--host"},
		{"long path", "unix:///" + strings.Repeat("x", 106), nil, "unix:///" + strings.Repeat("x", 106), "--host"},
		{"DOCKER_HOST", "", map[string]string{"DOCKER_HOST": "unix:///x", "DOCKER_CONTEXT": "lab", "DOCKER_CONFIG": config}, "unix:///x", "DOCKER_HOST"},
		{"DOCKER_CONTEXT", "", map[string]string{"DOCKER_CONTEXT": "lab", "DOCKER_CONFIG": config}, "unix:///lab/docker.sock", "context lab"},
		{"the configuration's context", "", map[string]string{"DOCKER_CONFIG": chosen}, "unix:///lab/docker.sock", "context lab"},
		{"the default context", "", map[string]string{"DOCKER_CONTEXT": "default", "DOCKER_CONFIG": chosen}, DefaultHost, "default"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := Resolve(tc.host, environment(t, tc.env))
			if err != nil || got.Host != tc.want || got.Source != tc.from {
				t.Errorf("got %s from %s, %v; want %s from %s", got.Host, got.Source, err, tc.want, tc.from)
			}
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	t.Parallel()
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "config.json"), []byte(`{`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, host string
		env        map[string]string
		want       string
	}{
		{"ssh", "ssh://me@there", nil, "ssh is not supported"},
		{"no scheme", "docker.sock", nil, "not a daemon's address"},
		{"no address", "unix://", nil, "not a daemon's address"},
		{"no address but a port's colon", "tcp://h:", nil, "not a daemon's address"},
		{"bracket left open", "tcp://[::1:2375", nil, "not a daemon's address"},
		{"no brackets", "tcp://::1", nil, "not a daemon's address"},
		{"empty brackets", "tcp://[]:2375", nil, "not a daemon's address"},
		{"port that is none", "tcp://h:99999", nil, "not a daemon's address"},
		{"port by name", "tcp://h:docker", nil, "not a daemon's address"},
		{"path alone", "tcp:///x", nil, "not a daemon's address"},
		{"user", "tcp://me@h:2375", nil, "not a daemon's address"},
		{"long path", "unix:///" + strings.Repeat("x", 107), nil, "at most 107 bytes"},
		{"unknown context", "", map[string]string{"DOCKER_CONTEXT": "gone"}, `context "gone"`},
		{"broken configuration", "", map[string]string{"DOCKER_CONFIG": broken}, "parse docker's configuration"},
		{"no certificates", "tcp://127.0.0.1:2376", map[string]string{"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": brokenCerts(t)}, "TLS certificates"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Resolve(tc.host, environment(t, tc.env))
			if err == nil || !strings.Contains(err.Error(), tc.want) || step.ExitCode(err) != step.ExitInvalid {
				t.Errorf("got %v (exit code %d), want %q and exit code 2", err, step.ExitCode(err), tc.want)
			}
		})
	}
}

// Whatever is let through, both clients can work with.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"tcp://h", "tcp://[::1:2375", "tcp://[::1]", "tcp://h:1/x", "unix:///x", "tcp://%", "tcp://[a]b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		e, err := Resolve(host, environment(t, nil))
		if err != nil || e.network() != "tcp" {
			return
		}
		if _, _, err := net.SplitHostPort(e.address()); err != nil {
			t.Errorf("%q: %v", host, err)
		}
		if _, err := e.Client(); err != nil {
			t.Errorf("%q: %v", host, err)
		}
		if _, err := http.NewRequestWithContext(t.Context(), http.MethodGet, newProber(e).base+"/_ping", nil); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	})
}

func brokenCerts(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEnviron(t *testing.T) {
	t.Parallel()
	certs := t.TempDir()
	certificate := selfSigned(t)
	writeCA(t, certs, certificate)
	writeCertificate(t, certs, certificate)
	e, err := Resolve("", environment(t, map[string]string{"DOCKER_HOST": "tcp://127.0.0.1:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": certs}))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(e.Environ(), " ")
	want := "DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_CONTEXT= DOCKER_CERT_PATH=" + certs + " DOCKER_TLS=1 DOCKER_TLS_VERIFY=1"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
