package setup_test

import (
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/kube/setup"
	"github.com/model-delivery/model-delivery/steps/step"
)

const header = "apiVersion: model-delivery.dev/v1\nkind: ClusterSetup\ninstall:\n" // three lines

func TestParseSaysWhereAndWhat(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, says string }{
		"field that is not known":      {header + "- name: a\n  kustomise: {path: x}\n", "s.yaml:5: field kustomise is not known"},
		"field given twice":            {header + "- name: a\n  name: b\n  kustomize: {path: x}\n", `s.yaml:5: mapping key "name" already defined`},
		"wrong type":                   {header + "- name: a\n  needs: b\n  kustomize: {path: x}\n", "s.yaml:5: cannot unmarshal"},
		"broken YAML":                  {header + "- name: [\n", "s.yaml:"},
		"no source":                    {header + "- name: a\n- name: b\n  kustomize: {path: x}\n", "s.yaml:4: entry a: needs exactly one of profile, chart, kustomize and manifests, has 0"},
		"two sources":                  {header + "- name: a\n  kustomize: {path: x}\n  manifests: [{file: y}]\n", "has 2"},
		"no name":                      {header + "- kustomize: {path: x}\n", "s.yaml:4: has no name"},
		"bad name":                     {header + "- name: A_b\n  kustomize: {path: x}\n", `s.yaml:4: entry A_b: name "A_b"`},
		"unknown profile":              {header + "- profile: istio\n", "there are ambassador, seldon-core"},
		"chart not pinned":             {header + "- chart: {repository: 'https://example.org', name: a}\n", "chart.version is missing"},
		"chart from two places":        {header + "- chart: {oci: 'oci://example.org/a', path: b, name: a, version: '1'}\n", "exactly one of repository, oci and path, has 2"},
		"password in a URL":            {header + "- chart: {repository: 'https://me:secret@example.org', name: a, version: '1'}\n", "holds a password"},
		"URL without checksum":         {header + "- name: a\n  manifests:\n  - url: https://example.org/a.yaml\n", "s.yaml:5: entry a: manifests: url https://example.org/a.yaml needs a sha256"},
		"checksum that is none":        {header + "- name: a\n  manifests: [{file: x, sha256: abc}]\n", "64 hexadecimal digits"},
		"absolute path":                {header + "- name: a\n  kustomize: {path: /etc}\n", "is absolute"},
		"values beside a chart":        {header + "- name: a\n  values: {b: c}\n  chart: {path: x}\n", "s.yaml:5: entry a: values belong to a profile"},
		"values that are no mapping":   {header + "- profile: seldon-core\n  values: [a]\n", "values is no mapping"},
		"duration":                     {header + "- name: a\n  timeout: soon\n  kustomize: {path: x}\n", `"soon" is no duration`},
		"needs itself":                 {header + "- name: a\n  needs: [a]\n  kustomize: {path: x}\n", "s.yaml:5: entry a: needs itself"},
		"nothing":                      {"", "is empty"},
		"nothing listed":               {"apiVersion: model-delivery.dev/v1\nkind: ClusterSetup\ninstall: []\n", "lists 0 entries"},
		"another kind":                 {"apiVersion: v1\nkind: List\ninstall: [{name: a}]\n", `is kind "List"`},
		"second document":              {header + "- name: a\n  kustomize: {path: x}\n---\na: b\n", "more than one document"},
		"alias that grows and grows":   {"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n", "s.yaml:1: field a is not known"},
		"password shown in no message": {header + "- chart: {repository: 'https://me:secret@example.org', name: a, version: '1'}\n", "of example.org holds a password"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := setup.Parse([]byte(test.text), "s.yaml")
			if step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret@") {
				t.Errorf("error %v (code %d), want %q, code 2", err, step.ExitCode(err), test.says)
			}
		})
	}
}

func TestParseTellsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := setup.Parse([]byte(header+"- name: a\n- name: B\n  kustomize: {path: /x}\n"), "s.yaml")
	for _, line := range []string{"s.yaml:4:", "s.yaml:5:", "s.yaml:6:"} {
		if !strings.Contains(err.Error(), line) {
			t.Errorf("the error does not mention %s\n%v", line, err)
		}
	}
	if step.Hint(err) == "" {
		t.Error("no hint")
	}
}

func names(plan *setup.Plan) string {
	var out []string
	for _, entry := range plan.Entries {
		out = append(out, entry.Name)
	}
	return strings.Join(out, " ")
}

func parse(t *testing.T, text string) *setup.File {
	t.Helper()
	file, err := setup.Parse([]byte(header+text), "s.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPlanPutsWhatIsNeededFirst(t *testing.T) {
	t.Parallel()
	plan, err := setup.NewPlan([]*setup.File{parse(t, `
- {name: c, needs: [b], kustomize: {path: x}}
- {name: a, kustomize: {path: x}}
- {name: b, needs: [a], kustomize: {path: x}}
`)}, "")
	if err != nil || names(plan) != "a b c" {
		t.Errorf("got %v, error %v", names(plan), err)
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, says string }{
		"circle":        {"- {name: a, needs: [b], kustomize: {path: x}}\n- {name: b, needs: [a], kustomize: {path: x}}\n", "in a circle: a → b → a"},
		"unknown need":  {"- {name: a, needs: [z], kustomize: {path: x}}\n", `s.yaml:4: entry a: needs "z", which is not listed`},
		"name is taken": {"- {name: a, kustomize: {path: x}}\n- {name: a, kustomize: {path: y}}\n", "another of that name at s.yaml:4"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := setup.NewPlan([]*setup.File{parse(t, test.text)}, "")
			if step.ExitCode(err) != step.ExitInvalid || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v (code %d), want %q, code 2", err, step.ExitCode(err), test.says)
			}
		})
	}
}

// The same setup file works with the published charts and with a registry of
// one's own.
func TestProfilesTakeTheirChartsFromARegistry(t *testing.T) {
	t.Parallel()
	file := func() *setup.File {
		return parse(t, "- profile: seldon-core\n- profile: ambassador\n  name: gate\n  needs: [seldon-core]\n")
	}
	published, err := setup.NewPlan([]*setup.File{file()}, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := names(published); got != "seldon-core gate-ambassador-crds gate" {
		t.Errorf("published: %s", got)
	}
	for _, entry := range published.Entries {
		if entry.Chart.Version == "" || entry.Chart.Repository == "" && entry.Chart.OCI == "" {
			t.Errorf("%s is not pinned: %+v", entry.Name, entry.Chart)
		}
	}
	if needs := strings.Join(published.Entries[2].Needs, " "); needs != "gate-ambassador-crds seldon-core" {
		t.Errorf("gate needs %s", needs)
	}
	own, err := setup.NewPlan([]*setup.File{file()}, "oci://172.18.0.1:5000/charts")
	if err != nil {
		t.Fatal(err)
	}
	var charts []string
	for _, entry := range own.Entries {
		charts = append(charts, entry.Name+"="+entry.Chart.OCI+"/"+entry.Chart.Name+":"+entry.Chart.Version+" in "+entry.Namespace)
	}
	want := "seldon-core=oci://172.18.0.1:5000/charts/seldon-core-operator:1.16.0 in seldon-system, gate=oci://172.18.0.1:5000/charts/gateway:>=0 in gateway"
	if got := strings.Join(charts, ", "); got != want {
		t.Errorf("from a registry:\n%s\nwant\n%s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(header + "- name: a\n  chart: {oci: 'oci://e.org/a', version: '1', values: {a: 2020-01-01}}\n"))
	f.Add([]byte(header + "- &a\n  name: a\n  kustomize: {path: x}\n- *a\n"))
	f.Add([]byte(header + "- profile: ambassador\n  values: *x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := setup.Parse(data, "s.yaml")
		if err != nil {
			if step.ExitCode(err) != step.ExitInvalid {
				t.Errorf("error %v has code %d, want 2", err, step.ExitCode(err))
			}
			return
		}
		_, _ = setup.NewPlan([]*setup.File{file}, "")
	})
}
