package docker

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// environment returns a getenv over a map, with an empty home.
func environment(t *testing.T, values map[string]string) func(string) string {
	home := t.TempDir()
	return func(name string) string {
		if name == "HOME" {
			return home
		}
		return values[name]
	}
}

// transcript collects progress lines.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *transcript) logf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, format+"\n", args...)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestWaitReady(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		host func(t *testing.T) string
	}{
		{"unix socket", func(t *testing.T) string { return onSocket(t, &testDaemon{}) }},
		{"tcp", func(t *testing.T) string { return onTCP(t, &testDaemon{}) }},
		{"daemon that speaks only newer versions", func(t *testing.T) string { return onSocket(t, &testDaemon{minAPI: "1.44"}) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			host := tc.host(t)
			got, err := Wait(t.Context(), Options{Host: host, Getenv: environment(t, nil)})
			if err != nil {
				t.Fatal(err)
			}
			if got.ServerVersion != "28.5.2" || got.APIVersion != "1.51" || got.StorageDriver != "overlay2" || got.CgroupVersion != "2" || got.Host != host || got.Attempts != 1 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// A daemon must be seen within 100 ms of being ready, whichever way it comes
// up: it accepts and answers later, or its socket appears late.
func TestWaitSeesReadinessSoon(t *testing.T) {
	t.Parallel()
	const late, soon = 700 * time.Millisecond, 100 * time.Millisecond
	for _, tc := range []struct {
		name  string
		start func(t *testing.T, readyAt time.Time) string
	}{
		{"accepts at once, answers late", func(t *testing.T, readyAt time.Time) string {
			return onSocket(t, &testDaemon{readyAt: readyAt, hang: time.Second})
		}},
		{"socket appears late", func(t *testing.T, readyAt time.Time) string {
			path := filepath.Join(t.TempDir(), "docker.sock")
			time.AfterFunc(time.Until(readyAt), func() { serveSocket(t, path, &testDaemon{}) })
			return "unix://" + path
		}},
		{"socket is a leftover that is replaced", func(t *testing.T, readyAt time.Time) string {
			path := filepath.Join(t.TempDir(), "docker.sock")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Until(readyAt), func() { os.Remove(path); serveSocket(t, path, &testDaemon{}) })
			return "unix://" + path
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			// A busy machine may be late by itself: the best of some tries counts.
			best := time.Hour
			for range 10 {
				readyAt := time.Now().Add(late)
				host := tc.start(t, readyAt)
				if _, err := Wait(t.Context(), Options{Host: host, Getenv: environment(t, nil), Timeout: 10 * time.Second}); err != nil {
					t.Fatal(err)
				}
				if best = min(best, time.Since(readyAt)); best <= soon {
					return
				}
			}
			t.Errorf("ready was seen %s late at best, want at most %s", best, soon)
		})
	}
}

// What waiting cannot help ends it at once, with the reason and a hint.
func TestWaitStopsAtOnce(t *testing.T) {
	t.Parallel()
	plain := onTCP(t, &testDaemon{})
	secure := httptest.NewTLSServer(&testDaemon{})
	t.Cleanup(secure.Close)
	secureHost := strings.Replace(secure.URL, "https://", "tcp://", 1)
	strangeCA := t.TempDir()
	writeCA(t, strangeCA, otherCertificate(t))
	for _, tc := range []struct {
		name      string
		options   Options
		env       map[string]string
		want      string
		wantHint  string
		exitFile  string
		wantInLog string
	}{
		{name: "the daemon has ended", options: Options{Host: "unix:///nowhere/docker.sock"}, exitFile: "137\n",
			want: "ended with exit code 137", wantHint: "daemon's log"},
		{name: "API too old", options: Options{Host: onSocket(t, &testDaemon{apiVersion: "1.40"})},
			want: "API 1.40 is older than the 1.41", wantHint: "docker 20.10 or later"},
		{name: "not a docker daemon", options: Options{Host: onSocket(t, &testDaemon{apiVersion: "none"})},
			want: "names no API version"},
		{name: "nonsense for a version", options: Options{Host: onSocket(t, &testDaemon{apiVersion: "new"})},
			want: `API version "new"`},
		{name: "vfs", options: Options{Host: onSocket(t, &testDaemon{driver: "vfs"})},
			want: "storage driver is vfs", wantHint: "--storage-driver=overlay2"},
		{name: "TLS spoken to a plain daemon", options: Options{Host: plain}, env: map[string]string{"DOCKER_TLS": "1"},
			want: "HTTP response to HTTPS client", wantHint: "unset DOCKER_TLS_VERIFY"},
		{name: "plain spoken to a TLS daemon", options: Options{Host: secureHost},
			want: "HTTP request to an HTTPS server", wantHint: "set DOCKER_TLS_VERIFY=1"},
		{name: "certificate of someone else", options: Options{Host: secureHost}, env: map[string]string{"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": strangeCA},
			want: "x509", wantHint: "DOCKER_CERT_PATH"},
		{name: "iptables broken", options: Options{ProbeNetwork: true, Host: onSocket(t, &testDaemon{network: func(w http.ResponseWriter) {
			writeJSON(w, 500, map[string]string{"message": "Failed to Setup IP tables: Unable to enable SKIP DNAT rule: (iptables failed: iptables --wait -t nat -I DOCKER: iptables: No chain/target/match by that name."})
		}})}, want: "No chain/target/match", wantHint: "DOCKER_IPTABLES_LEGACY"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var log transcript
			o := tc.options
			o.Getenv, o.Log, o.Timeout = environment(t, tc.env), log.logf, 20*time.Second
			if tc.exitFile != "" {
				o.ExitFile = filepath.Join(t.TempDir(), "exit")
				if err := os.WriteFile(o.ExitFile, []byte(tc.exitFile), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			_, err := Wait(t.Context(), o)
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s of the 20s, want to stop at once", took)
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || step.ExitCode(err) != step.ExitInfra {
				t.Fatalf("got error %v (exit code %d), want one with %q and exit code 3", err, step.ExitCode(err), tc.want)
			}
			if !strings.Contains(step.Hint(err), tc.wantHint) {
				t.Errorf("hint %q, want one with %q", step.Hint(err), tc.wantHint)
			}
			if !strings.Contains(log.String(), "docker host: "+o.Host) {
				t.Errorf("report does not name the docker host:\n%s", log.String())
			}
		})
	}
}

// Permission is tested on the error, since a test that runs as root is
// denied nothing.
func TestPermissionDeniedIsFatal(t *testing.T) {
	t.Parallel()
	err := connectError(t.Context(), fmt.Errorf("dial unix /x: connect: %w", syscall.EACCES), "/_ping", time.Second)
	if !isFatal(err) {
		t.Errorf("%v is not fatal", err)
	}
	if hint := Hint(err.Error(), "", "unix:///x"); !strings.Contains(hint, "fsGroup") {
		t.Errorf("hint %q", hint)
	}
}

// The daemon ends while it is waited for.
func TestWaitNoticesTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	exitFile, logFile := filepath.Join(dir, "exit"), filepath.Join(dir, "dockerd.log")
	if err := os.WriteFile(logFile, []byte("level=info msg=starting\nfailed to start daemon: no space left on device\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ended := time.Now().Add(300 * time.Millisecond)
	time.AfterFunc(time.Until(ended), func() { os.WriteFile(exitFile, []byte("1"), 0o600) })
	var log transcript
	_, err := Wait(t.Context(), Options{
		Host: "unix://" + filepath.Join(dir, "docker.sock"), Getenv: environment(t, nil), Log: log.logf,
		ExitFile: exitFile, LogFile: logFile,
	})
	if late := time.Since(ended); err == nil || late > 10*time.Second {
		t.Fatalf("got %v, %s after the daemon ended", err, late)
	}
	if !strings.Contains(step.Hint(err), "more room") {
		t.Errorf("the hint %q does not follow the daemon's log", step.Hint(err))
	}
	for _, want := range []string{"no such file or directory", "no space left on device", "no such socket"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("report lacks %q:\n%s", want, log.String())
		}
	}
}

// Errors that pass do not end the waiting; the report keeps each once.
func TestWaitOutlastsPassingErrors(t *testing.T) {
	t.Parallel()
	d := &testDaemon{}
	d.infoStatus.Store(http.StatusServiceUnavailable)
	time.AfterFunc(300*time.Millisecond, func() { d.infoStatus.Store(0) })
	got, err := Wait(t.Context(), Options{Host: onSocket(t, d), Getenv: environment(t, nil)})
	if err != nil || got.Attempts < 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestWaitTimesOut(t *testing.T) {
	t.Parallel()
	d := &testDaemon{}
	d.infoStatus.Store(http.StatusServiceUnavailable)
	var log transcript
	start := time.Now()
	_, err := Wait(t.Context(), Options{Host: onSocket(t, d), Getenv: environment(t, nil), Timeout: 400 * time.Millisecond, Log: log.logf})
	if took := time.Since(start); err == nil || took > 10*time.Second {
		t.Fatalf("got %v after %s", err, took)
	}
	if !strings.Contains(err.Error(), "not ready within 400ms") || !strings.Contains(err.Error(), "HTTP 503: daemon is shutting down") {
		t.Errorf("error %v", err)
	}
	if n := strings.Count(log.String(), "HTTP 503"); n != 1 {
		t.Errorf("the same error is reported %d times:\n%s", n, log.String())
	}
}

// A daemon that accepts and never answers costs the timeout, no more.
func TestWaitBoundsEachAttempt(t *testing.T) {
	t.Parallel()
	d := &testDaemon{readyAt: time.Now().Add(time.Hour), hang: time.Hour}
	start := time.Now()
	_, err := Wait(t.Context(), Options{Host: onSocket(t, d), Getenv: environment(t, nil), Timeout: 1300 * time.Millisecond})
	if took := time.Since(start); took > 10*time.Second || err == nil || !strings.Contains(err.Error(), "no answer within 1s") {
		t.Errorf("got %v after %s", err, took)
	}
}

func TestWaitStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("told to")) })
	start := time.Now()
	_, err := Wait(ctx, Options{Host: "unix:///nowhere/docker.sock", Getenv: environment(t, nil)})
	if took := time.Since(start); took > 10*time.Second || err == nil || !strings.Contains(err.Error(), "told to") {
		t.Errorf("got %v after %s", err, took)
	}
}

func TestProbeNetworkLeavesNothing(t *testing.T) {
	t.Parallel()
	d := &testDaemon{}
	if _, err := Wait(t.Context(), Options{Host: onSocket(t, d), Getenv: environment(t, nil), ProbeNetwork: true}); err != nil {
		t.Fatal(err)
	}
	if made, removed := d.networksMade.Load(), d.networksRemoved.Load(); made != 1 || removed != 1 {
		t.Errorf("made %d networks, removed %d", made, removed)
	}
}

func TestWaitNeedsTheCommandToo(t *testing.T) {
	t.Parallel()
	command := filepath.Join(t.TempDir(), "docker")
	time.AfterFunc(200*time.Millisecond, func() { os.WriteFile(command, []byte("#!/bin/sh\n"), 0o755) })
	got, err := Wait(t.Context(), Options{Host: onSocket(t, &testDaemon{}), Getenv: environment(t, nil), CLI: command})
	if err != nil || got.Waited < 200*time.Millisecond {
		t.Errorf("got %+v, %v", got, err)
	}
}

// otherCertificate is one that no test daemon uses.
func otherCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	t.Cleanup(server.Close)
	return selfSigned(t)
}

func writeCA(t *testing.T, dir string, certificate tls.Certificate) {
	t.Helper()
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}
