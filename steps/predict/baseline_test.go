package predict_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// given are all flags that say something which is meant for the endpoint's host.
func given(t *testing.T) []string {
	t.Helper()
	dir := write(t, map[string]string{"token": "seldon-token-1\n", "key": "file-key-4\n"})
	return []string{
		"--header", "Authorization: Bearer flag-token-2", "--header", "X-Api-Key: flag-key-3", "--header", "X-Plain: plain", "--host", "gw.example",
		"--header-file", "X-Other-Key=" + dir + "/key", "--seldon-token-file", dir + "/token",
	}
}

// TestBaselineGetsNothingOfTheEndpoints: another host gets none of the headers,
// secret or not, that were given for the first, nor its Host.
func TestBaselineGetsNothingOfTheEndpoints(t *testing.T) {
	t.Parallel()
	s, base := modeltest.New(t, modeltest.Options{}), modeltest.New(t, modeltest.Options{})
	o := run(t, one, nil, append(given(t), "--endpoint", s.URL, "--baseline", base.URL)...)
	if o.code != 0 {
		t.Fatalf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
	names := []string{"Authorization", "X-Api-Key", "X-Plain", "X-Auth-Token", "X-Other-Key"}
	r, _ := s.Last()
	for _, name := range names {
		if r.Header.Get(name) == "" {
			t.Errorf("the model got no %s", name)
		}
	}
	if r.Host != "gw.example" {
		t.Errorf("the model was asked for host %s", r.Host)
	}
	r, _ = base.Last()
	for _, name := range names {
		if got := r.Header.Get(name); got != "" {
			t.Errorf("the baseline got %s: %s", name, got)
		}
	}
	if !strings.HasPrefix(base.URL, "http://"+r.Host) {
		t.Errorf("the baseline was asked for host %s", r.Host)
	}
}

// TestBaselineAtTheSameHost is asked as the first is, wherever its path leads.
func TestBaselineAtTheSameHost(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	o := run(t, one, nil, append(given(t), "--endpoint", s.URL, "--baseline", s.URL+"/other")...)
	r, _ := s.Last()
	if o.code != 0 || r.Header.Get("X-Api-Key") != "flag-key-3" || r.Host != "gw.example" {
		t.Errorf("exit code %d, asked %s with %v: %s%s", o.code, r.Host, r.Header, o.stdout, o.stderr)
	}
}

// TestBaselineGetsNoCertificate: the client's certificate is for the first host.
func TestBaselineGetsNoCertificate(t *testing.T) {
	t.Parallel()
	authority := modeltest.NewAuthority(t)
	later := time.Now().Add(time.Hour)
	server, _, _ := authority.Issue(t, "", later)
	_, certPEM, keyPEM := authority.Issue(t, "me", later)
	config := &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequestClientCert}
	s, base := modeltest.New(t, modeltest.Options{TLS: config.Clone()}), modeltest.New(t, modeltest.Options{TLS: config.Clone()})
	dir := write(t, map[string]string{"ca": string(authority.PEM), "cert": string(certPEM), "key": string(keyPEM)})
	o := run(t, one, nil, "--endpoint", s.URL, "--baseline", base.URL,
		"--ca-file", dir+"/ca", "--client-cert-file", dir+"/cert", "--client-key-file", dir+"/key")
	if o.code != 0 {
		t.Fatalf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
	if r, _ := s.Last(); len(r.TLS.PeerCertificates) != 1 {
		t.Error("the model got no certificate")
	}
	if r, _ := base.Last(); len(r.TLS.PeerCertificates) != 0 {
		t.Error("the baseline got a certificate")
	}
}

// TestBaselineHasItsOwnToken, which nobody else gets.
func TestBaselineHasItsOwnToken(t *testing.T) {
	t.Parallel()
	s, base := modeltest.New(t, modeltest.Options{}), modeltest.New(t, modeltest.Options{})
	dir := write(t, map[string]string{"token": "the-token-of-the-baseline\n"})
	o := run(t, one, nil, append(given(t), "--endpoint", s.URL, "--baseline", base.URL, "--baseline-bearer-token-file", dir+"/token")...)
	if r, _ := base.Last(); o.code != 0 || r.Header.Get("Authorization") != "Bearer the-token-of-the-baseline" {
		t.Errorf("exit code %d, the baseline got %q: %s", o.code, r.Header.Get("Authorization"), o.stderr)
	}
	if r, _ := s.Last(); r.Header.Get("Authorization") != "Bearer flag-token-2" {
		t.Errorf("the model got %q", r.Header.Get("Authorization"))
	}
}
