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
		start := time.Now()
		_, err := Wait(t.Context(), Options{Getenv: env, Timeout: 20 * time.Second})
		if err == nil || time.Since(start) > 10*time.Second {
			t.Fatalf("got %v after %s", err, time.Since(start))
		}
	})
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
