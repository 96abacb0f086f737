package docker

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// testDaemon answers like a docker daemon. Its fields change how; the zero
// value is a daemon that is ready.
type testDaemon struct {
	apiVersion string // of /_ping; "1.51" when empty, "none" for no header
	minAPI     string // requests for older versions are refused
	driver     string // "overlay2" when empty
	readyAt    time.Time
	hang       time.Duration // how long an answer takes before readyAt
	infoStatus atomic.Int32  // what /info fails with; 0: it does not
	network    func(w http.ResponseWriter)

	pings, networksMade, networksRemoved atomic.Int32
}

func (d *testDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if wait := time.Until(d.readyAt); wait > 0 && d.hang > 0 {
		select {
		case <-time.After(wait): // a daemon that starts accepts, and answers later
		case <-r.Context().Done():
			return
		}
	}
	api := d.apiVersion
	if api == "" {
		api = "1.51"
	}
	if api != "none" {
		w.Header().Set("Api-Version", api)
	}
	switch {
	case r.URL.Path == "/_ping":
		d.pings.Add(1)
		w.Write([]byte("OK"))
	case d.minAPI != "" && strings.HasPrefix(r.URL.Path, "/v1.41/"):
		writeJSON(w, http.StatusBadRequest, map[string]string{"message": "client version 1.41 is too old. Minimum supported API version is " + d.minAPI})
	case strings.HasSuffix(r.URL.Path, "/info"):
		if status := d.infoStatus.Load(); status != 0 {
			writeJSON(w, int(status), map[string]string{"message": "daemon is shutting down"})
			return
		}
		driver := d.driver
		if driver == "" {
			driver = "overlay2"
		}
		writeJSON(w, http.StatusOK, map[string]any{"ServerVersion": "28.5.2", "Driver": driver, "CgroupVersion": "2", "NCPU": 2, "MemTotal": 4 << 30})
	case strings.HasSuffix(r.URL.Path, "/networks/create"):
		d.networksMade.Add(1)
		if d.network != nil {
			d.network(w)
			return
		}
		writeJSON(w, http.StatusCreated, map[string]string{"Id": "abc"})
	case r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/networks/probe-"):
		d.networksRemoved.Add(1)
		w.WriteHeader(http.StatusNoContent)
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

// onSocket serves d on a unix socket and returns the docker host.
func onSocket(t *testing.T, d http.Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "docker.sock")
	serveSocket(t, path, d)
	return "unix://" + path
}

func serveSocket(t *testing.T, path string, d http.Handler) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Error(err)
		return
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: d}}
	server.Start()
	t.Cleanup(server.Close)
}

// onTCP serves d on a loopback port and returns the docker host.
func onTCP(t *testing.T, d http.Handler) string {
	t.Helper()
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http://", "tcp://", 1)
}

// TestMain lets this test binary be the daemon that docker-wait starts.
func TestMain(m *testing.M) {
	if mode := os.Getenv("TEST_DAEMON"); mode != "" {
		os.Exit(runTestDaemon(mode, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func runTestDaemon(mode string, args []string) int {
	println("starting up with", strings.Join(args, " "))
	if mode == "broken" {
		println("failed to start daemon: error initializing graphdriver: write /var/lib/docker: no space left on device")
		return 1
	}
	if mode == "mute" {
		select {}
	}
	host, ok := strings.CutPrefix(args[0], "--host=unix://")
	if !ok {
		return 2
	}
	time.Sleep(50 * time.Millisecond)
	listener, err := net.Listen("unix", host)
	if err != nil {
		return 3
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	server := &http.Server{Handler: &testDaemon{}}
	go func() { <-stop; server.Close() }()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return 4
	}
	return 0
}
