package kind

import (
	"path"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// Each patch is one of the object that its file name is for.
func TestKubeadmPatches(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		version string
		nodes   int
		want    []string
	}{
		{"v1.30.13", 1, []string{"kube-apiserver.yaml"}},
		{"v1.31.0", 2, []string{"kube-apiserver.yaml", "corednsdeployment.yaml"}},
		{"v1.34.4", 1, []string{"kube-apiserver.yaml", "corednsdeployment.yaml", "corednsdeployment1.yaml"}},
	} {
		var got []string
		for _, file := range kubeadmPatches(tc.version, tc.nodes) {
			got = append(got, path.Base(file.path))
			var object any = &appsv1.Deployment{}
			if path.Base(file.path) == "kube-apiserver.yaml" {
				object = &corev1.Pod{}
			}
			if err := yaml.UnmarshalStrict(file.data, object); err != nil {
				t.Errorf("%s: %v", file.path, err)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s with %d nodes: %q, want %q", tc.version, tc.nodes, got, tc.want)
		}
	}
}
