package bundle_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/model-delivery/model-delivery/steps/step"
	"github.com/model-delivery/model-delivery/test/bundle"
)

// lines are the commands of a page, one each, with continued lines joined.
func (p page) lines() []string {
	var all []string
	for _, code := range slices.Concat(p.blocks, p.spans) {
		joined := strings.ReplaceAll(code, "\\\n", " ")
		for line := range strings.Lines(joined) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

// flagsOf are the flags of a command, or of the subcommand that comes first.
func flagsOf(cmd *step.Command, args []string) *pflag.FlagSet {
	for _, sub := range cmd.Subcommands {
		if len(args) > 0 && args[0] == sub.Name {
			return step.FlagSet(sub)
		}
	}
	return step.FlagSet(cmd)
}

// TestCommandsOfPages: a command of this repository's own that a page shows has
// the flags that it is given.
func TestCommandsOfPages(t *testing.T) {
	t.Parallel()
	known := commands()
	for _, p := range pages(t) {
		for _, line := range p.lines() {
			words := strings.Fields(line)
			if len(words) == 0 {
				continue
			}
			name, args := words[0], words[1:]
			if strings.HasPrefix(line, "go run ./") {
				dir := strings.TrimPrefix(words[2], "./")
				if _, err := os.Stat(filepath.Join(bundle.Root, dir)); err != nil {
					t.Errorf("%s: %s: there is no %s", p.file, line, dir)
				}
				name, args = strings.TrimPrefix(dir, "cmd/"), words[3:]
			}
			cmd, ok := known[name]
			if !ok {
				continue
			}
			flags := flagsOf(cmd, args)
			for _, arg := range args {
				if arg == "--" {
					break
				}
				flag, _, _ := strings.Cut(arg, "=")
				if long, ok := strings.CutPrefix(flag, "--"); ok && long != "help" && flags.Lookup(long) == nil {
					t.Errorf("%s: %s: there is no flag --%s", p.file, line, long)
				}
			}
		}
	}
}

// foreignFlags are those that pages name in prose and that belong to other
// programs or to the local platform, whose README has a test of its own.
var foreignFlags = []string{"--help", "--source", "--components", "--state-dir", "--cache-dir"}

// TestFlagsInProseExist: a flag that a page names by itself is one of a binary.
func TestFlagsInProseExist(t *testing.T) {
	t.Parallel()
	var all []string
	for _, cmd := range commands() {
		for _, c := range append(cmd.Subcommands, cmd) {
			step.FlagSet(c).VisitAll(func(flag *pflag.Flag) { all = append(all, "--"+flag.Name) })
		}
	}
	for _, p := range pages(t) {
		for _, code := range p.spans {
			if !strings.HasPrefix(code, "--") {
				continue
			}
			for word := range strings.FieldsSeq(code) {
				flag, _, _ := strings.Cut(word, "=")
				if strings.HasPrefix(flag, "--") && !slices.Contains(all, flag) && !slices.Contains(foreignFlags, flag) {
					t.Errorf("%s: no binary has the flag %s", p.file, flag)
				}
			}
		}
	}
}

var makeTarget = regexp.MustCompile(`(?m)^([a-z0-9_-]+):`)

// TestMakeTargetsOfPages: what a page makes is a target of the Makefile that it
// is about, the repository's or a model's.
func TestMakeTargetsOfPages(t *testing.T) {
	t.Parallel()
	targets := func(path string) []string {
		data, err := os.ReadFile(filepath.Join(bundle.Root, path))
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, match := range makeTarget.FindAllStringSubmatch(string(data), -1) {
			found = append(found, match[1])
		}
		return found
	}
	// kind_setup is one that a model may have, and the example has not.
	own, models := targets("Makefile"), append(targets("models/news_classifier/Makefile"), "kind_setup")
	for _, p := range pages(t) {
		if p.file == "docs/migrate.md" { // speaks of the Makefiles that people come with
			continue
		}
		for _, line := range p.lines() {
			words := strings.Fields(line)
			if len(words) < 2 || words[0] != "make" {
				continue
			}
			for _, word := range words[1:] {
				if strings.ContainsAny(word, "=-/…") && !slices.Contains(own, word) || strings.ToUpper(word) == word {
					continue
				}
				if !slices.Contains(own, word) && !slices.Contains(models, word) {
					t.Errorf("%s: %s: there is no target %s", p.file, line, word)
				}
			}
		}
	}
}

// TestTknCommandsOfPages: what is started exists, and has the params and
// workspaces that it is given.
func TestTknCommandsOfPages(t *testing.T) {
	t.Parallel()
	objects := load(t, "tasks", "pipelines")
	started := 0
	for _, p := range pages(t) {
		for _, line := range p.lines() {
			words := strings.Fields(line)
			if len(words) < 4 || words[0] != "tkn" || words[2] != "start" {
				continue
			}
			started++
			own := vocabulary(objects, words[1]+"s/"+words[3])
			if !slices.Contains(own[words[1]], words[3]) {
				t.Errorf("%s: there is no %s %s", p.file, words[1], words[3])
				continue
			}
			for i, word := range words {
				value := ""
				if i+1 < len(words) {
					value = strings.Trim(words[i+1], `'"`)
				}
				switch word {
				case "--param":
					if name, _, _ := strings.Cut(value, "="); !slices.Contains(own["param"], name) {
						t.Errorf("%s: %s %s has no param %s", p.file, words[1], words[3], name)
					}
				case "--workspace":
					name, _, _ := strings.Cut(strings.TrimPrefix(value, "name="), ",")
					if !slices.Contains(own["workspace"], name) {
						t.Errorf("%s: %s %s has no workspace %s", p.file, words[1], words[3], name)
					}
				}
			}
			if strings.Contains(line, "--use-param-defaults") {
				checkRequired(t, p.file, line, objects, words[1], words[3])
			}
		}
	}
	if started == 0 {
		t.Error("no page starts anything with tkn")
	}
}

// checkRequired holds a command of tkn against the params and workspaces that
// have to be given.
func checkRequired(t *testing.T, file, line string, objects []bundle.Object, kind, name string) {
	t.Helper()
	var params pipelinev1.ParamSpecs
	required := []string{}
	if kind == "task" {
		task := bundle.Of[pipelinev1.Task](objects)[name]
		params = task.Spec.Params
		for _, w := range task.Spec.Workspaces {
			if !w.Optional {
				required = append(required, w.Name)
			}
		}
	} else {
		pipeline := bundle.Of[pipelinev1.Pipeline](objects)[name]
		params = pipeline.Spec.Params
		for _, w := range pipeline.Spec.Workspaces {
			if !w.Optional {
				required = append(required, w.Name)
			}
		}
	}
	for _, p := range params {
		if p.Default == nil && !strings.Contains(line, " "+p.Name+"=") && !strings.Contains(line, "'"+p.Name+"=") {
			t.Errorf("%s: %s %s is not given its param %s", file, kind, name, p.Name)
		}
	}
	for _, w := range required {
		if !strings.Contains(line, "--workspace name="+w+",") {
			t.Errorf("%s: %s %s is not given its workspace %s", file, kind, name, w)
		}
	}
}

var variable = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)

// TestVariablesOfPages: a variable that a page names is one that something here
// reads or sets.
func TestVariablesOfPages(t *testing.T) {
	t.Parallel()
	var known strings.Builder
	for name, cmd := range commands() {
		for _, c := range append(cmd.Subcommands, cmd) {
			step.FlagSet(c).VisitAll(func(flag *pflag.Flag) { known.WriteString(step.EnvName(name, flag.Name) + "\n") })
		}
	}
	for _, dir := range []string{"tasks", "steps", "models", "test/platform", "Makefile", ".ko.yaml"} {
		known.WriteString(readAll(t, dir))
	}
	known.WriteString("KO_DOCKER_REPO FULL_COMMIT_HASH GIT_COMMIT GIT_BRANCH\n")
	for _, p := range pages(t) {
		for _, code := range p.spans {
			name, _, _ := strings.Cut(code, "=")
			if variable.MatchString(name) && !strings.Contains(known.String(), name) {
				t.Errorf("%s: nothing knows the variable %s", p.file, name)
			}
		}
	}
}
