package docker

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
)

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 4 << 20

// prober asks the daemon with its own HTTP client, because the API client
// replaces the errors that tell the reasons apart.
type prober struct {
	http *http.Client
	base string
}

func newProber(e Endpoint) *prober {
	scheme, host := "http", client.DummyHost
	if e.TLS != nil {
		scheme = "https"
	}
	if e.network() == "tcp" {
		host = e.address()
	}
	return &prober{http: &http.Client{Transport: e.transport()}, base: scheme + "://" + host}
}

func (p *prober) close() { p.http.CloseIdleConnections() }

// get asks for a path and returns the body of a 200 answer. The daemon
// accepts connections long before it answers, so each try has its own limit.
func (p *prober) get(ctx context.Context, limit time.Duration, path string) (http.Header, []byte, error) {
	tryCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	request, err := http.NewRequestWithContext(tryCtx, http.MethodGet, p.base+path, nil)
	if err != nil {
		return nil, nil, fatal(err)
	}
	response, err := p.http.Do(request)
	if err != nil {
		return nil, nil, connectError(ctx, err, path, limit)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, nil, connectError(ctx, err, path, limit)
	}
	if response.StatusCode != http.StatusOK {
		return nil, nil, statusError(path, response.StatusCode, body)
	}
	return response.Header, body, nil
}

// connectError keeps the innermost reason and marks those that will stay.
func connectError(ctx context.Context, err error, path string, limit time.Duration) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: no answer within %s", path, limit)
	}
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err // the URL of a request to a socket says nothing
	}
	wrapped := fmt.Errorf("%s: %w", path, withoutAddresses(err))
	if errors.Is(err, os.ErrPermission) || isTLSRefusal(err) {
		return fatal(wrapped)
	}
	return wrapped
}

// withoutAddresses leaves out of a network's error who was connected to whom: the
// daemon's address is known, and this side's port differs each time.
func withoutAddresses(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}

func isTLSRefusal(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, wrongHost := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	text := err.Error()
	return unknown || wrongHost || invalid || unverified || notTLS || alert ||
		strings.Contains(text, "server gave HTTP response to HTTPS client") ||
		strings.Contains(text, "remote error: tls:") ||
		strings.Contains(text, "malformed HTTP response \"\\x15\\x03")
}

func statusError(path string, status int, body []byte) error {
	message := strings.TrimSpace(string(body[:min(len(body), 500)]))
	var answer struct{ Message string }
	if json.Unmarshal(body, &answer) == nil && answer.Message != "" {
		message = answer.Message
	}
	err := fmt.Errorf("%s: HTTP %d: %s", path, status, message)
	tlsExpected := strings.Contains(message, "HTTP request to an HTTPS server")
	if tlsExpected || status == http.StatusForbidden || status == http.StatusUnauthorized || strings.Contains(message, "client version") {
		return fatal(err)
	}
	return err
}

// probe asks /_ping and /info and checks what they say.
func (p *prober) probe(ctx context.Context, o Options) (Result, error) {
	header, _, err := p.get(ctx, pingTimeout, "/_ping")
	if err != nil {
		return Result{}, err
	}
	result := Result{APIVersion: header.Get("Api-Version")}
	if result.APIVersion == "" {
		// Not a daemon's answer, or that of one from before 2016.
		return result, fatal(errors.New("/_ping: the answer names no API version, so this is not a docker daemon that can be used"))
	}
	if !plausibleVersion(result.APIVersion) {
		return result, fatal(fmt.Errorf("/_ping: API version %q is not a version", result.APIVersion))
	}
	if versions.LessThan(result.APIVersion, o.MinAPI) {
		return result, fatal(fmt.Errorf("the daemon's API %s is older than the %s that is needed", result.APIVersion, o.MinAPI))
	}
	_, body, err := p.get(ctx, infoTimeout, "/v"+o.MinAPI+"/info")
	if err != nil && strings.Contains(err.Error(), "client version") {
		// The daemon no longer speaks the oldest version: ask in its own.
		_, body, err = p.get(ctx, infoTimeout, "/v"+result.APIVersion+"/info")
	}
	if err != nil {
		return result, err
	}
	var info system.Info
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&info); err != nil {
		return result, fmt.Errorf("/info: %w", err)
	}
	result.ServerVersion, result.StorageDriver = info.ServerVersion, info.Driver
	result.CgroupVersion, result.CPUs, result.MemoryBytes = info.CgroupVersion, info.NCPU, info.MemTotal
	if info.Driver == "" {
		return result, errors.New("/info: the daemon names no storage driver yet")
	}
	if info.Driver == "vfs" && !o.AllowVFS {
		return result, fatal(errors.New("the daemon's storage driver is vfs, which copies every layer of every image"))
	}
	return result, nil
}

func plausibleVersion(version string) bool {
	major, minor, ok := strings.Cut(version, ".")
	_, errMajor := strconv.ParseUint(major, 10, 16)
	_, errMinor := strconv.ParseUint(minor, 10, 16)
	return ok && errMajor == nil && errMinor == nil
}
