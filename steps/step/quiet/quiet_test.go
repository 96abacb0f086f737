package quiet_test

import (
	"os"
	"os/exec"
	"testing"

	"k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"

	"github.com/model-delivery/model-delivery/steps/step/quiet"
)

// TestMain lets this test binary be a step whose library logs a secret.
func TestMain(m *testing.M) {
	if mode := os.Getenv("TEST_QUIET"); mode != "" {
		if mode == "yes" {
			quiet.Kubernetes()
		}
		runtime.HandleError(os.ErrInvalid)
		klog.Errorf("%s", "secret")
		klog.Flush()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	for mode, silent := range map[string]bool{"yes": true, "no": false} {
		self := exec.CommandContext(t.Context(), os.Args[0])
		self.Env = append(os.Environ(), "TEST_QUIET="+mode)
		out, err := self.CombinedOutput()
		if err != nil || (len(out) == 0) != silent {
			t.Errorf("silenced: %s: error %v, output %q", mode, err, out)
		}
	}
}
