package kind

import (
	"context"
	"path"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

// patchesDir is where kubeadm in a node finds patches for what it makes.
const patchesDir = "/kind/model-delivery-patches"

// schedulerFile is where the scheduler of each control plane finds its
// configuration, in the node and in its container.
const schedulerFile = "/kind/model-delivery-scheduler.yaml"

// schedulerConfig is the default one, but for when caches are filled.
const schedulerConfig = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection:
  kubeconfig: /etc/kubernetes/scheduler.conf
delayCacheUntilActive: true
`

// dnsPatch has the kubelet look every second whether CoreDNS is ready. By
// default it looks every ten, so that who is looked at a moment too early gets
// no query for ten seconds.
const dnsPatch = `spec:
  template:
    spec:
      containers:
      - name: coredns
        readinessProbe:
          periodSeconds: 1
`

// oneDNSPatch leaves out the second CoreDNS, which makes up for the loss of a
// node, where there is but one. CoreDNS reaches the API server at the node's own
// address then, so that it need not wait for kube-proxy: it asks again only
// after pauses that grow.
const oneDNSPatch = `spec:
  replicas: 1
  template:
    spec:
      containers:
      - name: coredns
        env:
        - name: KUBERNETES_SERVICE_HOST
          valueFrom: {fieldRef: {fieldPath: status.hostIP}}
        - name: KUBERNETES_SERVICE_PORT
          value: "6443"
`

// apiServerPatch lets the API server's heap grow to three times what is in use
// before it is searched for garbage, instead of twice: of its first four seconds
// of CPU one goes into that.
const apiServerPatch = `spec:
  containers:
  - name: kube-apiserver
    env:
    - name: GOGC
      value: "200"
`

// kubeadmPatches are the files for a kubeadm of a Kubernetes version. Their
// names say what they are for.
func kubeadmPatches(kubernetesVersion string, nodes int) []nodeFile {
	dir := path.Base(patchesDir)
	files := []nodeFile{{dir + "/kube-apiserver.yaml", []byte(apiServerPatch)}}
	if !atLeast(kubernetesVersion, firstWithDNSPatch) {
		return files
	}
	files = append(files, nodeFile{dir + "/corednsdeployment.yaml", []byte(dnsPatch)})
	if nodes == 1 {
		files = append(files, nodeFile{dir + "/corednsdeployment1.yaml", []byte(oneDNSPatch)})
	}
	return files
}

// writePatches puts the patches for kubeadm into the first control plane, and
// the scheduler's configuration into all of them.
func (c *creation) writePatches(ctx context.Context) error {
	scheduler := nodeFile{path.Base(schedulerFile), []byte(schedulerConfig)}
	names := nodeNames(c.Name, c.config)
	for i, node := range c.config.Nodes {
		if node.Role != v1alpha4.ControlPlaneRole {
			continue
		}
		files := []nodeFile{scheduler}
		if names[i] == c.firstNode() {
			files = append(files, kubeadmPatches(c.image.kubernetesVersion, len(c.config.Nodes))...)
		}
		if err := c.session.putFiles(ctx, names[i], path.Dir(patchesDir), files...); err != nil {
			return err
		}
	}
	return nil
}
