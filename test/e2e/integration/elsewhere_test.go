//go:build e2e

package integration

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/model-delivery/model-delivery/steps/kind"
)

// machine is a Docker daemon that many use: a pod of its own, reached over TLS.
type machine struct {
	t    *testing.T
	name string
	host string // as a Task is told it
}

// authority signs the certificates of a machine and of its users.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	root *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "docker"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	a.root = template
	a.pem, _ = a.issue(template)
	return a
}

// issue signs a certificate; the first one signs itself.
func (a *authority) issue(template *x509.Certificate) (certificate, key []byte) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.key == nil {
		a.key = private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, &private.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
}

func (a *authority) leaf(name string, use x509.ExtKeyUsage) (certificate, key []byte) {
	a.t.Helper()
	return a.issue(&x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{use}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
	})
}

// startMachine starts the pod, with a Secret "NAME-certs" for its users.
func startMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, name: "docker-elsewhere"}
	m.host = "tcp://" + m.name + "." + namespace + ".svc:2376"
	ca := newAuthority(t)
	serverCert, serverKey := ca.leaf(m.name+"."+namespace+".svc", x509.ExtKeyUsageServerAuth)
	clientCert, clientKey := ca.leaf("a user", x509.ExtKeyUsageClientAuth)
	for name, data := range map[string]map[string][]byte{
		m.name + "-server": {"ca.pem": ca.pem, "cert.pem": serverCert, "key.pem": serverKey},
		m.name + "-certs":  {"ca.pem": ca.pem, "cert.pem": clientCert, "key.pem": clientKey},
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: data}
		if _, err := api.CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	labels := map[string]string{"app": m.name}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: m.name}, Spec: corev1.ServiceSpec{ClusterIP: "None", Selector: labels}}
	if _, err := api.CoreV1().Services(namespace).Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	volume := func(name string, source corev1.VolumeSource) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: source}
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: m.name, Labels: labels},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no,
			Containers: []corev1.Container{{
				Name: "dockerd", Image: platform.DindImage, SecurityContext: &corev1.SecurityContext{Privileged: &yes},
				Command: []string{
					"dockerd", "--host=unix:///var/run/docker.sock", "--host=tcp://0.0.0.0:2376", "--storage-driver=overlay2", "--insecure-registry=" + platform.Registry,
					"--tlsverify", "--tlscacert=/certs/ca.pem", "--tlscert=/certs/cert.pem", "--tlskey=/certs/key.pem",
				},
				VolumeMounts: []corev1.VolumeMount{
					{Name: "storage", MountPath: "/var/lib/docker"}, {Name: "modules", MountPath: "/lib/modules", ReadOnly: true}, {Name: "certs", MountPath: "/certs", ReadOnly: true},
				},
			}},
			Volumes: []corev1.Volume{
				volume("storage", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}),
				volume("modules", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/lib/modules"}}),
				volume("certs", corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: m.name + "-server"}}),
			},
		},
	}
	if _, err := api.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		_ = api.CoreV1().Pods(namespace).Delete(ctx, m.name, metav1.DeleteOptions{})
	})
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		if _, err := m.try("docker", "version"); err == nil {
			return m
		} else if time.Now().After(deadline) {
			t.Fatalf("the daemon elsewhere does not come up: %v", err)
		}
	}
}

// try runs a command on the machine.
func (m *machine) try(command ...string) (string, error) {
	request := api.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(m.name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(config, "GET", request.URL().String())
	if err != nil {
		return "", err
	}
	var out, complaint bytes.Buffer
	if err := executor.StreamWithContext(m.t.Context(), remotecommand.StreamOptions{Stdout: &out, Stderr: &complaint}); err != nil {
		return "", fmt.Errorf("%w: %s", err, complaint.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// run is try for a command that has to succeed.
func (m *machine) run(command ...string) string {
	m.t.Helper()
	out, err := m.try(command...)
	if err != nil {
		m.t.Fatalf("%v: %v", command, err)
	}
	return out
}

// clusters are the names of those that have containers on the machine.
func (m *machine) clusters() []string {
	m.t.Helper()
	names := strings.Fields(m.run("docker", "ps", "--all", "--format", `{{.Label "io.x-k8s.kind.cluster"}}`))
	slices.Sort(names)
	return slices.Compact(names)
}

// use lets a TaskRun use the machine.
func (m *machine) use(run *pipelinev1.TaskRun) {
	run.Spec.Params = append(run.Spec.Params, pipelinev1.Param{Name: "docker-host", Value: *pipelinev1.NewStructuredValues(m.host)})
	run.Spec.Workspaces = append(run.Spec.Workspaces, pipelinev1.WorkspaceBinding{Name: "docker-certs", Secret: &corev1.SecretVolumeSource{SecretName: m.name + "-certs"}})
}

// Clusters come up on a machine that many use, and go with their runs. What a
// killed run leaves stays until it expires, and goes then.
func TestDockerElsewhere(t *testing.T) {
	m := startMachine(t)

	t.Run("a run", func(t *testing.T) {
		run := begin(t, taskName, model{}, 10*time.Minute, m.use).ended(6 * time.Minute)
		results := resultsOf(run)
		t.Logf("phases: %s", results["phases"])
		if !run.IsSuccessful() || results["cleanup"] != "success" {
			t.Errorf("results %v", results)
		}
		if left := m.clusters(); len(left) > 0 {
			t.Errorf("the run left the clusters %v", left)
		}
	})
	t.Run("a killed run", func(t *testing.T) {
		r := begin(t, taskName, model{test: 60}, 10*time.Minute, m.use)
		r.says(atKubeadm)
		r.killStep()
		r.ended(2 * time.Minute)
	})
	left := m.clusters()
	if len(left) != 1 || !strings.HasPrefix(left[0], kind.DefaultPrefix+"-") {
		t.Fatalf("a killed run leaves %v, want one cluster", left)
	}
	expired := kind.ExpiringName(kind.DefaultPrefix, "somebody", time.Now().Add(-time.Hour))
	m.run("docker", "run", "--detach", "--name", expired+"-control-plane", "--label", "io.x-k8s.kind.cluster="+expired, "--label", "io.x-k8s.kind.role=control-plane",
		platform.Images["busybox"], "sleep", "1000")
	m.run("docker", "run", "--detach", "--name", "somebody-elses", "--label", "io.x-k8s.kind.cluster=somebody-elses", platform.Images["busybox"], "sleep", "1000")

	reaper := create(t, &pipelinev1.TaskRun{
		ObjectMeta: metav1.ObjectMeta{Name: "reaper"},
		Spec:       pipelinev1.TaskRunSpec{TaskRef: &pipelinev1.TaskRef{Name: reaperTask}},
	}, m.use).ended(2 * time.Minute)
	lists := map[string][]string{}
	for _, result := range reaper.Status.Results {
		lists[result.Name] = result.Value.ArrayVal
	}
	if !reaper.IsSuccessful() || !slices.Equal(lists["removed"], []string{expired}) || !slices.Equal(lists["kept"], left) {
		t.Errorf("the reaper says %v", lists)
	}
	if got, want := m.clusters(), []string{left[0], "somebody-elses"}; !slices.Equal(got, want) {
		t.Errorf("there are %v, want %v", got, want)
	}
}
