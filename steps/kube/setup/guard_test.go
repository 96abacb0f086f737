package setup_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/kube/kubetest"
	"github.com/model-delivery/model-delivery/steps/kube/setup"
	"github.com/model-delivery/model-delivery/steps/step"
)

// A panic while an entry is installed is that entry's error.
func TestInstallOutlivesAPanic(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"setup.yaml": header + "- {name: odd, manifests: [{file: a.yaml}]}\n",
		"a.yaml":     deployment("app"),
	})
	_, err := setup.Install(t.Context(), plan(t, dir), setup.Options{
		Client: kubetest.New(t).Client(t), Timeout: 10 * time.Second, BeforePods: func(context.Context) error { panic("out of order") },
	})
	if step.ExitCode(err) != step.ExitInfra || !strings.Contains(err.Error(), "entry odd: internal error: out of order") {
		t.Errorf("error %v (code %d)", err, step.ExitCode(err))
	}
}

// So is a chart that a library or this package trips over.
func TestInstallRefusesAnEmptyLockedDependency(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"setup.yaml":   header + "- {name: odd, chart: {path: c}}\n",
		"c/Chart.yaml": "{apiVersion: v2, name: c, version: 1.0.0}",
		"c/Chart.lock": "dependencies: [null]",
	})
	_, err := setup.Preview(t.Context(), plan(t, dir), func(string, ...any) {})
	if step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), "entry odd") {
		t.Errorf("error %v (code %d)", err, step.ExitCode(err))
	}
}
