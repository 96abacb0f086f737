package integration_test

import (
	"strings"
	"testing"
)

// Only a target that the Makefile does not have is left out. What else is wrong
// with the Makefile is a failure.
func TestTargets(t *testing.T) {
	t.Parallel()
	const good = "test_integration: ; @echo tested\n"
	for _, tc := range []struct {
		name, makefile string
		code           int
		output         []string
		without        string
	}{
		{"one of two", good, 0, []string{"[test] tested", "left out: the model has no Makefile with the target install_integration_dev"}, "no tests were run"},
		{"none", "build: ; @:\n", 0, []string{"no tests were run: the model's Makefile has none of the targets install_integration_dev, test_integration"}, "[test] started"},
		{"empty", "", 0, []string{"no tests were run"}, "[test] started"},
		{"a prerequisite is missing", "install_integration_dev: ; @:\ntest_integration: no_such_file\n", 2, []string{"No rule to make target 'no_such_file'"}, "no tests were run"},
		{"a syntax error", good + "what is this\n", 2, []string{"missing separator"}, "no tests were run"},
		{"an include is missing", "include no_such.mk\n" + good, 2, []string{"no_such.mk"}, "no tests were run"},
		{"an error of its own", "$(error not here)\n" + good, 2, []string{"not here"}, "no tests were run"},
		{"make that is run by make lacks the target", "test_integration: ; +@$(MAKE) -f /dev/null $@\n", 2, []string{"[test] FAILED"}, "no tests were run"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := &stand{}
			dir := newModel(t)
			replaceMakefile(t, dir, tc.makefile)
			code, results, output := run(t, t.Context(), s, "--repository-dir", dir, "--push")
			if code != tc.code || strings.Contains(output, tc.without) {
				t.Errorf("exit code %d, results %v\n%s", code, results, output)
			}
			for _, text := range tc.output {
				if !strings.Contains(output, text) {
					t.Errorf("the output lacks %q:\n%s", text, output)
				}
			}
			if pushed := strings.Contains(strings.Join(s.called(), "\n"), "--push"); pushed != (tc.code == 0) {
				t.Errorf("pushed: %v", pushed)
			}
		})
	}
}
