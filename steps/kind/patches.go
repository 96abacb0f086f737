package kind

import (
	"context"
	"path"
)

// patchesDir is where kubeadm in a node finds patches for what it makes.
const patchesDir = "/kind/model-delivery-patches"

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
// node, where there is but one.
const oneDNSPatch = "spec:\n  replicas: 1\n"

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

// writePatches puts the patches for kubeadm into the first control plane.
func (c *creation) writePatches(ctx context.Context) error {
	return c.session.putFiles(ctx, c.firstNode(), path.Dir(patchesDir), kubeadmPatches(c.image.kubernetesVersion, len(c.config.Nodes))...)
}
