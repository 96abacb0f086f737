//go:build e2e

package kind

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
)

// privateRegistry serves, on the nodes' network, an image that only those who
// trust the authority in dir can pull.
func privateRegistry(t *testing.T, dir string) (reference string) {
	t.Helper()
	addresses := dockerCommand(t, "network", "inspect", "kind", "--format", "{{range .IPAM.Config}}{{.Gateway}} {{end}}")
	var listener net.Listener
	for _, address := range strings.Fields(addresses) {
		if ip := net.ParseIP(address); ip == nil || ip.To4() == nil {
			continue
		}
		var err error
		if listener, err = net.Listen("tcp", net.JoinHostPort(address, "0")); err != nil {
			t.Fatal(err)
		}
	}
	if listener == nil {
		t.Fatalf("the network kind has the gateways %q", addresses)
	}
	address := listener.Addr().(*net.TCPAddr)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{address.IP}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "authority.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	server.Listener.Close()
	server.Listener = listener
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	image, err := random.Image(10_000, 1)
	if err != nil {
		t.Fatal(err)
	}
	reference = address.String() + "/private/image:1"
	insecure := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if err := crane.Push(image, reference, crane.WithTransport(insecure)); err != nil {
		t.Fatal(err)
	}
	return reference
}

// pullsByPod lets the kubelet fetch an image. What is in it cannot run.
func pullsByPod(t *testing.T, cluster, kubeconfig, image string) {
	t.Helper()
	kubectl(t, kubeconfig, "run", "private", "--image="+image, "--restart=Never")
	for deadline := time.Now().Add(time.Minute); !hasImage(t, cluster, image); time.Sleep(500 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s was not pulled: %s", image, kubectl(t, kubeconfig, "describe", "pod", "private"))
		}
	}
}
