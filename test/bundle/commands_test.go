package bundle_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/model-delivery/model-delivery/steps/docker"
	"github.com/model-delivery/model-delivery/steps/forge/report"
	"github.com/model-delivery/model-delivery/steps/git/checkout"
	"github.com/model-delivery/model-delivery/steps/gitops"
	"github.com/model-delivery/model-delivery/steps/gitops/wait"
	"github.com/model-delivery/model-delivery/steps/image"
	"github.com/model-delivery/model-delivery/steps/integration"
	"github.com/model-delivery/model-delivery/steps/kind"
	"github.com/model-delivery/model-delivery/steps/kube/setup"
	"github.com/model-delivery/model-delivery/steps/model"
	"github.com/model-delivery/model-delivery/steps/predict"
	"github.com/model-delivery/model-delivery/steps/seldon"
	"github.com/model-delivery/model-delivery/steps/step"
	"github.com/model-delivery/model-delivery/test/bundle"
)

// commands are the binaries that steps run, by their directory under cmd.
func commands() map[string]*step.Command {
	return map[string]*step.Command{
		"cluster-setup":    setup.Command(),
		"docker-wait":      docker.Command(),
		"forge-report":     report.Command(),
		"git-clone":        checkout.Command(),
		"gitops-promote":   gitops.PromoteCommand(),
		"gitops-revert":    gitops.RevertCommand(),
		"gitops-wait":      wait.Command(),
		"kind-cluster":     kind.Command(),
		"kind-integration": integration.Command(integration.Steps{}),
		"model-changes":    model.ChangesCommand(),
		"model-image":      image.Command(),
		"model-release":    model.ReleaseCommand(),
		"seldon-deploy":    seldon.DeployCommand(),
		"seldon-predict":   predict.Command(),
	}
}

// TestEveryBinaryIsKnown keeps commands complete.
func TestEveryBinaryIsKnown(t *testing.T) {
	t.Parallel()
	mains, err := filepath.Glob(filepath.Join(bundle.Root, "cmd", "*", "main.go"))
	if err != nil || len(mains) == 0 {
		t.Fatalf("no binary was found: %v", err)
	}
	known := commands()
	for _, file := range mains {
		name := filepath.Base(filepath.Dir(file))
		cmd, ok := known[name]
		if !ok {
			t.Errorf("cmd/%s is not among the commands of this test", name)
			continue
		}
		if cmd.Name != name {
			t.Errorf("cmd/%s calls itself %s", name, cmd.Name)
		}
	}
}

// TestStepsRunBinariesThatExist: every image of the bundle's own is built from a
// directory under cmd, and every flag and variable that a step gives to it is one
// that the binary takes.
func TestStepsRunBinariesThatExist(t *testing.T) {
	t.Parallel()
	known := commands()
	for name, task := range bundle.Of[pipelinev1.Task](load(t, "tasks")) {
		for _, s := range task.Spec.Steps {
			binary := filepath.Base(s.Command[0])
			image := s.Image
			if match := paramsUsed.FindStringSubmatch(image); match != nil {
				for _, p := range task.Spec.Params {
					if p.Name == match[1] && p.Default != nil {
						image = p.Default.StringVal
					}
				}
			}
			own := strings.HasPrefix(image, koPrefix) || strings.HasPrefix(s.Command[0], "/tools/")
			if !own {
				continue
			}
			if _, err := os.Stat(filepath.Join(bundle.Root, "cmd", binary, "main.go")); err != nil {
				t.Errorf("%s: step %s: %v", name, s.Name, err)
				continue
			}
			if strings.HasPrefix(image, koPrefix) && image != koPrefix+"cmd/"+binary {
				t.Errorf("%s: step %s runs %s of image %s", name, s.Name, binary, image)
			}
			checkFlags(t, name+": step "+s.Name, binary, known[binary], s)
			checkVariables(t, name+": step "+s.Name, binary, known, s)
		}
	}
}

// checkFlags holds the arguments of a step against the flags of its command.
func checkFlags(t *testing.T, where, binary string, cmd *step.Command, s pipelinev1.Step) {
	t.Helper()
	if cmd == nil {
		t.Errorf("%s: %s is not among the commands of this test", where, binary)
		return
	}
	args := s.Args
	for _, sub := range cmd.Subcommands {
		if len(args) > 0 && args[0] == sub.Name {
			cmd, args = sub, args[1:]
			break
		}
	}
	flags := step.FlagSet(cmd)
	for _, arg := range args {
		flag, _, _ := strings.Cut(arg, "=")
		long, ok := strings.CutPrefix(flag, "--")
		if !ok {
			t.Errorf("%s: %s takes no argument %q", where, binary, arg)
			continue
		}
		if flags.Lookup(long) == nil {
			t.Errorf("%s: %s has no flag --%s", where, binary, long)
		}
	}
}

var flagVariable = regexp.MustCompile(`^[A-Z]+(_[A-Z0-9]+)+$`)

// checkVariables finds variables of a step that are meant for a flag and are none.
func checkVariables(t *testing.T, where, binary string, known map[string]*step.Command, s pipelinev1.Step) {
	t.Helper()
	names := map[string]bool{}
	for other, cmd := range known {
		for _, c := range append(cmd.Subcommands, cmd) {
			step.FlagSet(c).VisitAll(func(flag *pflag.Flag) { names[step.EnvName(other, flag.Name)] = true })
		}
	}
	for _, variable := range s.Env {
		for other := range known {
			prefix := step.EnvName(other, "")
			if flagVariable.MatchString(variable.Name) && strings.HasPrefix(variable.Name, prefix) && !names[variable.Name] {
				t.Errorf("%s: no flag of %s stands behind variable %s", where, other, variable.Name)
			}
		}
	}
}

// TestResultsAreSaid: the results that a Task takes from a step's own directory
// are among those that the binary says it has.
func TestResultsAreSaid(t *testing.T) {
	t.Parallel()
	known := commands()
	for name, task := range bundle.Of[pipelinev1.Task](load(t, "tasks")) {
		for _, s := range task.Spec.Steps {
			cmd := known[filepath.Base(s.Command[0])]
			if cmd == nil {
				continue
			}
			for _, sub := range cmd.Subcommands {
				if len(s.Args) > 0 && s.Args[0] == sub.Name {
					cmd = sub
				}
			}
			dir := "--results-dir=/tekton/steps/step-" + s.Name + "/results"
			for _, result := range s.Results {
				if !strings.Contains(cmd.Long, result.Name) {
					t.Errorf("%s: step %s: the help of %s says nothing of a result %s", name, s.Name, cmd.Name, result.Name)
				}
			}
			if (len(s.Results) > 0) != strings.Contains(strings.Join(s.Args, "\n"), dir) && s.Name != "checkout" {
				t.Errorf("%s: step %s: a step with results of its own writes them to %s, and no other does", name, s.Name, dir)
			}
		}
	}
}
