package docker

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/step"
)

// DefaultHost is the daemon used when nothing names another.
const DefaultHost = "unix:///var/run/docker.sock"

// Endpoint says where a daemon is and how to reach it.
type Endpoint struct {
	Host   string // URL: unix:///path or tcp://host:port
	Source string // what named the host: "--host", "DOCKER_HOST", "context NAME" or "default"
	// TLS holds the certificates for a tcp host; nil without TLS.
	TLS *tls.Config
	// TLSSource is the directory that the certificates came from; "" without TLS.
	TLSSource string
	// named is the directory of certificates that somebody named, and lacks what
	// it does not hold (yet), "" for nothing.
	named, lacks string
}

// Resolve finds the daemon in the order of the docker command line: host when
// it is not empty, DOCKER_HOST, the context named by DOCKER_CONTEXT or by the
// configuration file, the default socket. DOCKER_TLS_VERIFY, DOCKER_TLS,
// DOCKER_CERT_PATH and DOCKER_CONFIG have their usual meanings. The error is
// an input error.
func Resolve(host string, getenv func(string) string) (Endpoint, error) {
	e, err := resolve(host, getenv)
	if err == nil && (e.lacks == certFile || e.lacks == keyFile) {
		return e, step.Invalidf("docker host %s: %s has no %s", e.Host, e.named, e.lacks)
	}
	return e, err
}

// resolve is Resolve for those who wait until the certificates are there.
func resolve(host string, getenv func(string) string) (Endpoint, error) {
	e, err := find(host, getenv)
	if err == nil {
		e.addPort()
	}
	return e, err
}

func find(host string, getenv func(string) string) (Endpoint, error) {
	e := Endpoint{Host: host, Source: "--host"}
	if host == "" {
		e.Host, e.Source = getenv("DOCKER_HOST"), "DOCKER_HOST"
	}
	if e.Host != "" {
		if err := e.check(); err != nil {
			return e, err
		}
		return e, e.loadTLSFromEnv(getenv)
	}
	name, err := contextName(getenv)
	if err != nil {
		return e, err
	}
	if name == "" || name == "default" {
		return Endpoint{Host: DefaultHost, Source: "default"}, nil
	}
	return contextEndpoint(name, configDir(getenv))
}

func (e *Endpoint) network() string { network, _, _ := strings.Cut(e.Host, "://"); return network }

// address is a path for a unix socket and host:port for TCP.
func (e *Endpoint) address() string {
	_, address, _ := strings.Cut(e.Host, "://")
	if e.network() == "tcp" {
		address, _, _ = strings.Cut(address, "/")
	}
	return address
}

// ThisMachine is the address of the machine that this process runs on.
const ThisMachine = "127.0.0.1"

// Machine is the host name or address of the machine that the daemon, and
// with it the ports that its containers publish, is on.
func (e *Endpoint) Machine() string {
	if e.network() != "tcp" {
		return ThisMachine
	}
	host, _, err := net.SplitHostPort(e.address())
	if err != nil {
		host = e.address()
	}
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return ThisMachine
	}
	return host
}

func configDir(getenv func(string) string) string {
	if dir := getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	return filepath.Join(getenv("HOME"), ".docker")
}

func contextName(getenv func(string) string) (string, error) {
	if name := getenv("DOCKER_CONTEXT"); name != "" {
		return name, nil
	}
	path := filepath.Join(configDir(getenv), "config.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", step.Invalidf("read docker's configuration: %w", err)
	}
	var config struct{ CurrentContext string }
	if err := json.Unmarshal(data, &config); err != nil {
		return "", step.Invalidf("parse docker's configuration %s: %w", path, err)
	}
	return config.CurrentContext, nil
}

// contextEndpoint reads a context from docker's store: a directory that is
// named by the digest of the context's name.
func contextEndpoint(name, configDir string) (Endpoint, error) {
	e := Endpoint{Source: "context " + name}
	digest := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(digest[:])
	path := filepath.Join(configDir, "contexts", "meta", id, "meta.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return e, step.WithHint(step.Invalidf("read the docker context %q: %w", name, err),
			"name the daemon in DOCKER_HOST, or unset DOCKER_CONTEXT")
	}
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return e, step.Invalidf("parse the docker context %s: %w", path, err)
	}
	endpoint := meta.Endpoints["docker"]
	e.Host = endpoint.Host
	if e.Host == "" {
		e.Host = DefaultHost
	}
	if err := e.check(); err != nil {
		return e, err
	}
	certs := filepath.Join(configDir, "contexts", "tls", id, "docker")
	if _, err := os.Stat(certs); err != nil || e.network() != "tcp" {
		return e, nil
	}
	return e, e.loadTLS(certs, !endpoint.SkipTLSVerify)
}

// transport dials the daemon, and nothing else: proxies do not apply to it.
func (e *Endpoint) transport() *http.Transport {
	network, address := e.network(), e.address()
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, address)
		},
		TLSClientConfig:    e.TLS,
		DisableCompression: true,
		MaxIdleConns:       6,
		IdleConnTimeout:    30 * time.Second,
	}
}

// Client returns an API client for the endpoint. It connects lazily and
// negotiates the API version. The caller closes it.
func (e *Endpoint) Client() (*client.Client, error) {
	options := []client.Opt{
		client.WithHTTPClient(&http.Client{Transport: e.transport(), CheckRedirect: client.CheckRedirect}),
		client.WithHost(e.Host),
		client.WithAPIVersionFromEnv(),
	}
	cli, err := client.New(options...)
	if err != nil {
		return nil, step.Invalidf("docker host %s: %w", e.Host, err)
	}
	return cli, nil
}

// Environ lists the variables, as NAME=value, that make the docker command
// line use the endpoint, for commands that are run on its behalf.
func (e *Endpoint) Environ() []string {
	env := []string{"DOCKER_HOST=" + e.Host, "DOCKER_CONTEXT="}
	if e.TLS != nil {
		env = append(env, "DOCKER_CERT_PATH="+e.TLSSource, "DOCKER_TLS=1")
		if !e.TLS.InsecureSkipVerify {
			env = append(env, "DOCKER_TLS_VERIFY=1")
		}
	}
	return env
}

// Connect resolves host as [Resolve] does and returns a client for it.
func Connect(host string, getenv func(string) string) (*client.Client, Endpoint, error) {
	endpoint, err := Resolve(host, getenv)
	if err != nil {
		return nil, endpoint, err
	}
	cli, err := endpoint.Client()
	return cli, endpoint, err
}
