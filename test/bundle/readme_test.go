package bundle_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/model-delivery/model-delivery/test/bundle"
)

var update = flag.Bool("update", false, "rewrite the tables in the READMEs of Tasks and Pipelines")

const (
	tablesBegin = "<!-- tables: go test ./test/bundle -update -->\n"
	tablesEnd   = "<!-- /tables -->\n"
)

// TestReadmeTables: each README has the tables that its manifest gives.
func TestReadmeTables(t *testing.T) {
	for _, object := range load(t, "tasks", "pipelines") {
		var want string
		switch value := object.Value.(type) {
		case *pipelinev1.Task:
			var workspaces []workspace
			for _, w := range value.Spec.Workspaces {
				workspaces = append(workspaces, workspace{w.Name, w.Description, w.Optional})
			}
			var results []result
			for _, r := range value.Spec.Results {
				results = append(results, result{r.Name, r.Description, r.Type})
			}
			want = tables(value.Spec.Params, workspaces, results)
		case *pipelinev1.Pipeline:
			var workspaces []workspace
			for _, w := range value.Spec.Workspaces {
				workspaces = append(workspaces, workspace{w.Name, w.Description, w.Optional})
			}
			var results []result
			for _, r := range value.Spec.Results {
				results = append(results, result{r.Name, r.Description, r.Type})
			}
			want = tables(value.Spec.Params, workspaces, results)
		default:
			continue
		}
		checkReadme(t, filepath.Join(bundle.Root, filepath.Dir(object.File), "README.md"), want)
	}
}

func checkReadme(t *testing.T, path, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	before, rest, ok := strings.Cut(string(data), tablesBegin)
	got, after, closed := strings.Cut(rest, tablesEnd)
	if !ok || !closed {
		t.Errorf("%s: there is no place for the tables, between %q and %q", path, tablesBegin, tablesEnd)
		return
	}
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s: the tables are out of date; run: go test ./test/bundle -update", path)
		return
	}
	if err := os.WriteFile(path, []byte(before+tablesBegin+want+tablesEnd+after), 0o644); err != nil {
		t.Error(err)
	}
}

type workspace struct {
	name, description string
	optional          bool
}

type result struct {
	name, description string
	kind              pipelinev1.ResultsType
}

func tables(params pipelinev1.ParamSpecs, workspaces []workspace, results []result) string {
	var out strings.Builder
	out.WriteString("\n## Params\n\n| name | default | what it is |\n| --- | --- | --- |\n")
	for _, p := range params {
		value := "required"
		if p.Default != nil {
			value = "`" + p.Default.StringVal + "`"
			if p.Default.Type == pipelinev1.ParamTypeArray {
				value = "`[" + strings.Join(p.Default.ArrayVal, ", ") + "]`"
			} else if p.Default.StringVal == "" {
				value = "empty"
			}
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", p.Name, value, cell(p.Description))
	}
	out.WriteString("\n## Workspaces\n\n| name | | what it is |\n| --- | --- | --- |\n")
	for _, w := range workspaces {
		need := "required"
		if w.optional {
			need = "optional"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", w.name, need, cell(w.description))
	}
	if len(workspaces) == 0 {
		out.WriteString("| none | | |\n")
	}
	out.WriteString("\n## Results\n\n| name | what it is |\n| --- | --- |\n")
	for _, r := range results {
		name := "`" + r.name + "`"
		if r.kind == pipelinev1.ResultsTypeArray {
			name += " (array)"
		}
		fmt.Fprintf(&out, "| %s | %s |\n", name, cell(r.description))
	}
	if len(results) == 0 {
		out.WriteString("| none | |\n")
	}
	return out.String() + "\n"
}

func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", "\\|")
}
