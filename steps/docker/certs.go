package docker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/go-connections/tlsconfig"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Files of a directory of certificates.
const (
	caFile   = "ca.pem"
	certFile = "cert.pem"
	keyFile  = "key.pem"
)

func (e *Endpoint) loadTLSFromEnv(getenv func(string) string) error {
	verify, dir := getenv("DOCKER_TLS_VERIFY") != "", getenv("DOCKER_CERT_PATH")
	if e.network() != "tcp" || (!verify && getenv("DOCKER_TLS") == "" && dir == "") {
		return nil
	}
	e.named = dir
	if dir == "" {
		dir = configDir(getenv)
	}
	return e.loadTLS(dir, verify)
}

// loadTLS reads the certificates in dir. Those that are not there are done
// without, and what a directory that was named lacks is noted.
func (e *Endpoint) loadTLS(dir string, verify bool) error {
	options := tlsconfig.Options{
		CAFile: existing(dir, caFile), CertFile: existing(dir, certFile), KeyFile: existing(dir, keyFile),
		InsecureSkipVerify: !verify, MinVersion: tls.VersionTLS12,
	}
	if e.named != "" {
		e.lacks = lacking(options)
	}
	if e.lacks != "" && (options.CertFile == "" || options.KeyFile == "") {
		options.CertFile, options.KeyFile = "", ""
	}
	config, err := tlsconfig.Client(options)
	if err != nil {
		return step.Invalidf("read the TLS certificates for docker host %s from %s: %w", e.Host, dir, err)
	}
	e.TLS, e.TLSSource = config, dir
	return nil
}

// lacking names what is not there of the files that a daemon may want.
func lacking(o tlsconfig.Options) string {
	switch {
	case o.CAFile == "" && !o.InsecureSkipVerify:
		return caFile
	case o.CertFile == "" && o.KeyFile == "":
		return certFile + " and " + keyFile
	case o.CertFile == "":
		return certFile
	case o.KeyFile == "":
		return keyFile
	}
	return ""
}

// WithCerts returns getenv with the certificates in dir for the daemon, which
// is then verified; getenv itself when dir is empty.
func WithCerts(dir string, getenv func(string) string) func(string) string {
	if dir == "" {
		return getenv
	}
	return func(name string) string {
		switch name {
		case "DOCKER_CERT_PATH":
			return dir
		case "DOCKER_TLS_VERIFY":
			return "1"
		}
		return getenv(name)
	}
}

// CertsHelp describes the flag whose value [WithCerts] takes.
const CertsHelp = "directory with the ca.pem, cert.pem and key.pem for a daemon that wants TLS (default: DOCKER_CERT_PATH)"

// existing is the path of a file in dir, "" when it is not there or nothing
// has been written to it yet.
func existing(dir, name string) string {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || (err == nil && info.Size() == 0) {
		return ""
	}
	return path
}

// certsIdentity changes when a file of a directory of certificates does.
type certsIdentity [3]fileIdentity

func identityOfCerts(dir string) certsIdentity {
	var id certsIdentity
	if dir != "" {
		for i, name := range []string{caFile, certFile, keyFile} {
			id[i] = identity(filepath.Join(dir, name))
		}
	}
	return id
}

// mayLack tells whether err may come of what the directory of certificates lacks:
// an authority of its own to trust, or a certificate to show.
func (e *Endpoint) mayLack(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	alert = alert || strings.Contains(err.Error(), "remote error: tls:")
	return alert && e.lacks != "" || unknown && e.lacks == caFile
}

// renewCerts reads the certificates anew once their files have changed.
func (w *waiter) renewCerts() error {
	now := identityOfCerts(w.endpoint.named)
	if now == w.certs {
		return nil
	}
	endpoint, err := resolve(w.Host, w.Getenv)
	if err != nil { // perhaps they are being written
		return unfatal(err)
	}
	w.prober.close()
	w.endpoint, w.prober, w.certs = endpoint, newProber(endpoint), now
	return nil
}
