package components

import (
	"slices"
	"strings"
	"testing"
)

func TestReleased(t *testing.T) {
	t.Parallel()
	const configuration = `labels:
  app.kubernetes.io/version: "devel"
  pipeline.tekton.dev/release: "devel"
args: ["-shell-image", "cgr.dev/chainguard/busybox@sha256:19f02276bf8dbdd62f069b922f10c65262cc34b710eea26ff928129a736be791"]
loggerConfig: {"development": false}
`
	const want = `labels:
  app.kubernetes.io/version: "v1.15.0"
  pipeline.tekton.dev/release: "v1.15.0"
args: ["-shell-image", "localhost:5000/busybox@sha256:00"]
loggerConfig: {"development": false}
`
	if got := string(released([]byte(configuration), "v1.15.0", "localhost:5000/busybox@sha256:00")); got != want {
		t.Errorf("released =\n%s\nwant\n%s", got, want)
	}
}

func TestImagesOf(t *testing.T) {
	t.Parallel()
	digest := "@sha256:" + strings.Repeat("0", 64)
	manifests := "image: 10.0.0.1:5000/tekton/webhook" + digest + "\nargs: [\"-nop-image\", \"10.0.0.1:5000/tekton/nop" + digest +
		"\"]\nimage: 10.0.0.1:5000/tekton/webhook" + digest + "\nimage: elsewhere/tekton/webhook" + digest + "\n"
	want := []string{"10.0.0.1:5000/tekton/nop" + digest, "10.0.0.1:5000/tekton/webhook" + digest}
	if got := imagesOf("10.0.0.1:5000", []byte(manifests)); !slices.Equal(got, want) {
		t.Errorf("imagesOf = %q, want %q", got, want)
	}
}
