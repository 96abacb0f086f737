package kind

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/kind/pkg/apis/config/defaults"
)

// oldestKubernetes is the first version whose nodes use the systemd cgroup
// driver that this version of kind's library configures throughout.
const oldestKubernetes = "1.24.0"

// firstBeta4 is the first version for which kind generates a kubeadm
// configuration of v1beta4; older ones get v1beta3.
const firstBeta4 = "1.36.0"

// firstWithoutCgroupV1 is the first version whose kubelet refuses cgroup v1
// unless it is told not to.
const firstWithoutCgroupV1 = "1.35.0"

// firstWithDNSPatch is the first version whose kubeadm patches CoreDNS.
const firstWithDNSPatch = "1.31.0"

// firstWithSchedulerFile is the first version whose scheduler can be told to fill
// its caches when it has the lease.
const firstWithSchedulerFile = "1.28.0"

// newestKubernetes is the minor after the one of kind's default node image:
// the library was not tried with anything later.
func newestKubernetes() *version.Version {
	_, tag, _ := strings.Cut(defaults.Image, ":")
	tag, _, _ = strings.Cut(tag, "@")
	return version.MustParseSemantic(tag).WithPatch(0).AddMinor(1)
}

// checkKubernetesVersion finds fault with a version outside the range of
// kind's library.
func checkKubernetesVersion(text string) []Finding {
	v, err := version.ParseSemantic(text)
	if err != nil {
		return []Finding{{Fatal: true, Path: "nodes.image", Text: fmt.Sprintf("the node image names its Kubernetes version %q, which is not a version", text)}}
	}
	newest := newestKubernetes()
	untried := newest.AddMinor(1)
	switch {
	case v.LessThan(version.MustParseSemantic(oldestKubernetes)):
		return []Finding{{Fatal: true, Path: "nodes.image", Text: fmt.Sprintf("Kubernetes %s is older than %s, the oldest that this version of kind can set up", text, oldestKubernetes)}}
	case v.AtLeast(untried):
		return []Finding{{Fatal: true, Path: "nodes.image", Text: fmt.Sprintf("Kubernetes %s is newer than %d.%d, the newest that this version of kind can be expected to set up", text, newest.Major(), newest.Minor())}}
	case v.AtLeast(newest):
		return []Finding{{Path: "nodes.image", Text: fmt.Sprintf("Kubernetes %s is newer than what this version of kind was released with", text)}}
	}
	return nil
}

// atLeast compares versions; a version that cannot be read is not.
func atLeast(text, oldest string) bool {
	v, err := version.ParseSemantic(text)
	return err == nil && v.AtLeast(version.MustParseSemantic(oldest))
}

// kubeadmVersion is the API version that kind generates for a Kubernetes.
func kubeadmVersion(kubernetes string) string {
	if atLeast(kubernetes, firstBeta4) {
		return "kubeadm.k8s.io/v1beta4"
	}
	return "kubeadm.k8s.io/v1beta3"
}

func isKubeadmVersion(apiVersion string) bool {
	return strings.HasPrefix(apiVersion, "kubeadm.k8s.io/")
}
