package wait_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/gitops/wait"
	"github.com/model-delivery/model-delivery/steps/step"
)

// TestCommandRefuses: what cannot be waited for is told before anything is asked.
func TestCommandRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"another controller":            {[]string{"--controller=jenkins"}, "unknown controller"},
		"no application":                {nil, "--application is not given"},
		"a short commit":                {[]string{"--application=staging", "--commit=0123"}, "not the full hash"},
		"objects without an image":      {[]string{"--controller=objects", "--deployment=news"}, "--image are not given"},
		"objects with an image of \"\"": {[]string{"--controller=objects", "--deployment=news", "--image="}, "--image are not given"},
	} {
		var out, errOut bytes.Buffer
		code := step.Execute(t.Context(), wait.Command(), test.args, func(string) string { return "" }, &out, &errOut)
		if code != step.ExitInvalid || !strings.Contains(errOut.String(), test.want) {
			t.Errorf("%s: exit code %d, %s; want %q", name, code, errOut.String(), test.want)
		}
	}
}
