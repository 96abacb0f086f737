package docker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// selfSigned makes a certificate for 127.0.0.1 that is its own authority.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A daemon that wants client certificates is reached with those that
// DOCKER_CERT_PATH holds, and through a docker context, and not without.
func TestWaitTLS(t *testing.T) {
	t.Parallel()
	certificate := selfSigned(t)
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	server := httptest.NewUnstartedServer(&testDaemon{})
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.StartTLS()
	t.Cleanup(server.Close)
	host := strings.Replace(server.URL, "https://", "tcp://", 1)

	certs := t.TempDir()
	writeCA(t, certs, certificate)
	writeCertificate(t, certs, certificate)
	onlyCA := t.TempDir()
	writeCA(t, onlyCA, certificate)

	t.Run("with certificates", func(t *testing.T) {
		t.Parallel()
		env := environment(t, map[string]string{"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": certs})
		if _, err := Wait(t.Context(), Options{Getenv: env}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("through a context", func(t *testing.T) {
		t.Parallel()
		config := t.TempDir()
		writeContext(t, config, "remote", host, certs)
		env := environment(t, map[string]string{"DOCKER_CONFIG": config, "DOCKER_CONTEXT": "remote"})
		if _, err := Wait(t.Context(), Options{Getenv: env}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("without a client certificate", func(t *testing.T) {
		t.Parallel()
		env := environment(t, map[string]string{"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": onlyCA})
		_, err := Wait(t.Context(), Options{Getenv: env, Timeout: 500 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), "has no cert.pem and key.pem yet") || !strings.Contains(step.Hint(err), "that directory does not hold") {
			t.Errorf("got %v (hint %q)", err, step.Hint(err))
		}
	})
	// Whoever makes the certificates may do so while they are waited for, one
	// file after the other.
	for name, files := range map[string][]string{
		"certificates that come late":       {caFile, certFile, keyFile},
		"keys first":                        {keyFile, certFile, caFile},
		"certificates that are overwritten": {caFile, caFile, certFile, keyFile},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			late := filepath.Join(t.TempDir(), "made-late")
			go func() {
				for i, name := range files {
					time.Sleep(150 * time.Millisecond)
					os.MkdirAll(late, 0o755)
					data, err := os.ReadFile(filepath.Join(certs, name))
					if err != nil {
						t.Error(err)
					}
					if i == 0 {
						os.WriteFile(filepath.Join(late, name), nil, 0o600) // as a shell's > does
						time.Sleep(100 * time.Millisecond)
					}
					if i+1 < len(files) && files[i+1] == name {
						data = []byte("not yet")
					}
					os.WriteFile(filepath.Join(late, name), data, 0o600)
				}
			}()
			if _, err := Wait(t.Context(), Options{Host: host, Getenv: WithCerts(late, environment(t, nil)), Timeout: 20 * time.Second}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A key without its certificate is no mistake while they are waited for, but it
// is when they are used.
func TestResolveWantsBothOfAPair(t *testing.T) {
	t.Parallel()
	for _, name := range []string{certFile, keyFile} {
		dir := t.TempDir()
		certificate := selfSigned(t)
		writeCA(t, dir, certificate)
		writeCertificate(t, dir, certificate)
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		_, err := Resolve("tcp://127.0.0.1:2376", WithCerts(dir, environment(t, nil)))
		if step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), "has no "+name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func writeCertificate(t *testing.T, dir string, certificate tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: certificate.Certificate[0]},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
