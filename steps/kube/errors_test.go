package kube

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/model-delivery/model-delivery/steps/step"
)

// The API server forbids for other reasons than a right that is lacking.
func TestForbiddenIsToldApart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		why  string
		code int
		hint string
	}{
		{"exceeded quota: small, requested: cpu=2, used: cpu=1, limited: cpu=2", step.ExitInfra, "ResourceQuota"},
		{`violates PodSecurity "restricted:latest": runAsNonRoot != true`, step.ExitInvalid, "pod security level"},
		{`User "someone" cannot create resource "pods"`, step.ExitInfra, "lacks this right"},
	} {
		err := describeAPI("apply Pod a", apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "a", errors.New(tc.why)))
		if step.ExitCode(err) != tc.code || !strings.Contains(step.Hint(err), tc.hint) {
			t.Errorf("%v (code %d, hint %q), want code %d, hint %q", err, step.ExitCode(err), step.Hint(err), tc.code, tc.hint)
		}
	}
}
