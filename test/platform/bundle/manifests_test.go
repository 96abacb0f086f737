package bundle

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

// Every setting of the platform must be one that triggers/gitea has.
func TestSettingsFitTheTriggers(t *testing.T) {
	t.Parallel()
	rendered, err := kustomize(filepath.Join("..", "..", "..", "triggers", "gitea"))
	if err != nil {
		t.Fatal(err)
	}
	env := &local.Env{State: &local.State{Registry: "10.0.0.1:5000"}}
	out, err := withSettings(rendered, settings(env))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "value: 10.0.0.1:5000/models") {
		t.Error("the registry is not in the settings")
	}
	if _, err := withSettings(rendered, map[string]string{"no-such-setting": "x"}); err == nil {
		t.Error("a setting that the triggers do not have is taken")
	}
	if _, err := withSettings([]byte("kind: ConfigMap\n"), nil); err == nil {
		t.Error("manifests without the TriggerBinding are taken")
	}
}
