package kind

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"path"

	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/step"
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

// patchesDNS tells whether kubeadm in a node image takes a patch for CoreDNS.
func patchesDNS(image nodeImage) bool { return atLeast(image.kubernetesVersion, firstWithDNSPatch) }

// writePatches puts the patches for kubeadm into the first control plane.
func (c *creation) writePatches(ctx context.Context) error {
	if !patchesDNS(c.image) {
		return nil
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err := errors.Join(
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: path.Base(patchesDir), Mode: 0o755}),
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Base(patchesDir) + "/corednsdeployment.yaml", Mode: 0o644, Size: int64(len(dnsPatch))}))
	if err == nil {
		_, err = w.Write([]byte(dnsPatch))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return step.Infraf("pack the patches for kubeadm: %w", err)
	}
	_, err = c.session.docker.CopyToContainer(ctx, c.Name+"-control-plane", client.CopyToContainerOptions{DestinationPath: path.Dir(patchesDir), Content: &archive})
	if err != nil {
		return step.Infraf("put patches for kubeadm into the node: %w", err)
	}
	return nil
}
