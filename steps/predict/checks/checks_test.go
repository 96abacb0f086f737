package checks_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
)

const head = "apiVersion: model-delivery.dev/v1\nkind: PredictionChecks\n" // two lines

// dir has the files that checks name.
func dir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"points.csv": "a,b,class\n1,2,up\n", "contract.json": `{"features":[{"name":"x","dtype":"FLOAT","ftype":"continuous","range":[0,1]}]}`,
		"wide-contract.json": `{"features":[{"name":"x","shape":[1000,1000]}]}`,
		"bad-contract.json":  `{"features":[]}`, "request.json": `{"data":{"ndarray":[[1]]}}`,
		"schema.json": `{"type":"object"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestParse(t *testing.T) {
	t.Parallel()
	f, problems := checks.Parse("p.yaml", dir(t), []byte(head+`
defaults: {protocol: v2, timeout: 2s, model: m, tolerance: {relative: 1e-4}, classes: [down, up]}
checks:
- name: one
  protocol: seldon
  request: {data: {names: [a], ndarray: [[0x10, 1e3, .nan, 9007199254740993]]}}
  expect: {data: {ndarray: [{$between: [0, 1]}]}, tolerance: {absolute: 1e-6}, status: 200, latency: {max: 1s}}
- name: set
  dataset: {file: points.csv, label: class, batch: 16}
  expect: {accuracy: {min: 0.8}, f1: {min: 0.5, average: weighted, classes: {up: {min: 0.9}}}, p95: 1s}
- name: load
  load: {check: one, rate: 90/m, duration: 5s, concurrency: 4}
  expect: {p50: 50ms, errors: {max: 1%}}
- {name: terms, contract: {file: contract.json, seed: 7}}
- {name: canary, compare: all, expect: {agreement: {min: 0.99}}}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	one, set, load := f.Checks[0], f.Checks[1], f.Checks[2]
	if one.Protocol != "seldon" || one.Timeout != 2*time.Second || one.Tolerance.Absolute != 1e-6 || one.Tolerance.Relative != 0 {
		t.Errorf("one is %+v", one)
	}
	if strings.Join(set.Dataset.Inputs, " ") != "a b" || *set.Expect.Metrics["f1"].Classes["up"].Min != 0.9 || set.Tolerance.Relative != 1e-4 {
		t.Errorf("set is %+v", set)
	}
	if load.Load.Rate != 1.5 || load.Load.Concurrency != 4 || !load.Expect.Errors.Share || load.Expect.Errors.Max != 0.01 {
		t.Errorf("load is %+v", load.Load)
	}
	if !strings.HasPrefix(f.Digest, "sha256:") || len(f.Digest) != 71 {
		t.Errorf("digest is %s", f.Digest)
	}
}

// TestDigest changes with what the checks name, wherever they do.
func TestDigest(t *testing.T) {
	t.Parallel()
	const terms = `{"features":[{"name":"x","dtype":"FLOAT","ftype":"continuous","range":[0,2]}]}`
	for name, tc := range map[string]struct{ check, file, text string }{
		"dataset":       {"dataset: {file: points.csv, label: class}", "points.csv", "a,b,class\n1,3,up\n"},
		"comparison":    {"compare: {dataset: {file: points.csv}}", "points.csv", "a,b,class\n1,3,up\n"},
		"contract":      {"contract: {file: contract.json}", "contract.json", terms},
		"request":       {"request: {file: request.json}", "request.json", `{"data":{"ndarray":[[2]]}}`},
		"load":          {"load: {request: {file: request.json}, requests: 1}", "request.json", `{"data":{"ndarray":[[2]]}}`},
		"feedback":      {"method: feedback, request: {file: request.json}", "request.json", `{"data":{"ndarray":[[2]]}}`},
		"schema":        {"request: {strData: x}, expect: {schema: schema.json}", "schema.json", `{"type":"array"}`},
		"schema of all": {"contract: {file: contract.json}, expect: {schema: schema.json}", "schema.json", `{"type":"array"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dir(t)
			text := []byte(head + "checks:\n- {name: one, " + tc.check + "}\n")
			first, problems := checks.Parse("p.yaml", d, text)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if err := os.WriteFile(filepath.Join(d, tc.file), []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if second, problems := checks.Parse("p.yaml", d, text); len(problems) > 0 || second.Digest == first.Digest {
				t.Errorf("another %s has the same digest, problems %v", tc.file, problems)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	request := "- name: one\n  request: {data: {ndarray: [1]}}\n"
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'j'; c++ {
		before := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+before+", ", 10), ", ") + "]\n"
	}
	d := dir(t)
	for name, tc := range map[string]struct {
		text string
		want string // a whole problem, or a part of one
	}{
		"empty":                    {"", "p.yaml: is empty"},
		"no YAML":                  {head + "checks: [", "p.yaml:"},
		"UTF-16":                   {"\xff\xfea\x00p\x00i\x00", "p.yaml:1:1: is not UTF-8"},
		"UTF-16 without a mark":    {"a\x00p\x00i\x00", "is not UTF-8"},
		"Latin-1":                  {head + "# sch\xf6n\n", "p.yaml:3:6: is not UTF-8"},
		"nothing expected":         {head + "checks:\n" + request + "  expect: {}\n", "p.yaml:6:11: checks[0].expect: expects nothing"},
		"no outputs expected":      {head + "checks:\n- {name: one, protocol: v2, request: {inputs: []}, expect: {outputs: []}}\n", "expects nothing"},
		"a tolerance of nothing":   {head + "checks:\n" + request + "  expect: {tolerance: {absolute: 1}}\n", "expects nothing"},
		"nothing of a comparison":  {head + "checks:\n- {name: one, compare: all, expect: {}}\n", "expects nothing"},
		"two documents":            {head + "checks: []\n---\na: 1\n", "second document"},
		"no head":                  {"checks:\n" + request, "write apiVersion: model-delivery.dev/v1"},
		"another version":          {"apiVersion: v2\nkind: PredictionChecks\nchecks:\n" + request, `p.yaml:1:13: apiVersion: is "v2"`},
		"no checks":                {head + "checks: []\n", "p.yaml:3:9: checks: is empty"},
		"an unknown field":         {head + "checks:\n- name: one\n  reqest: {data: {ndarray: [1]}}\n", "p.yaml:5:3: checks[0].reqest: unknown field; did you mean request?"},
		"an unknown field of data": {head + "checks:\n- name: one\n  request: {data: {ndaray: [1]}}\n", "checks[0].request.data.ndaray: unknown field; did you mean ndarray?"},
		"a field twice":            {head + "checks:\n- name: one\n  name: two\n  request: {data: {ndarray: [1]}}\n", "is given twice"},
		"no name":                  {head + "checks:\n- request: {data: {ndarray: [1]}}\n", "p.yaml:4:3: checks[0]: has no name"},
		"two kinds":                {head + "checks:\n- {name: one, compare: all, request: {strData: x}}\n", "more than one of"},
		"one name twice":           {head + "checks:\n" + request + request, "checks[1]: has the name of the check in line 4"},
		"no unit":                  {head + "defaults: {timeout: 5}\nchecks:\n" + request, `"5" is no duration`},
		"nothing can pass":         {head + "checks:\n" + request + "  expect: {range: {min: 2, max: 1}}\n", "nothing can pass"},
		"no share":                 {head + "checks:\n- {name: s, dataset: {file: points.csv, label: class}, expect: {accuracy: {min: 80}}}\n", "accuracy is from 0 to 1"},
		"no such column":           {head + "checks:\n- {name: s, dataset: {file: points.csv, label: klass}, expect: {accuracy: {min: 0.8}}}\n", `has no column "klass"; it has a, b, class`},
		"no such file":             {head + "checks:\n- {name: s, dataset: {file: none.csv}}\n", "p.yaml:4:29: checks[0].dataset.file: "},
		"out of the directory":     {head + "checks:\n- {name: s, dataset: {file: ../x.csv}}\n", "leads out of the directory"},
		"an absolute path":         {head + "checks:\n- {name: s, request: {file: /etc/passwd}}\n", "leads out of the directory"},
		"a link out of it":         {head + "checks:\n- {name: s, request: {file: link}}\n", "leads out of the directory"},
		"no contract":              {head + "checks:\n- {name: s, contract: {file: bad-contract.json}}\n", "there are no features"},
		"a contract too wide":      {head + "checks:\n- {name: s, contract: {batch: 100000, file: wide-contract.json}}\n", "take a smaller batch"},
		"load without an end":      {head + "checks:\n" + request + "- {name: l, load: {check: one}}\n", "has no end"},
		"load of nothing":          {head + "checks:\n" + request + "- {name: l, load: {check: on, duration: 1s}}\n", `names check "on", which is not there; did you mean one?`},
		"a secret":                 {head + "defaults: {headers: {authorization: Bearer x}}\nchecks:\n" + request, "is a secret"},
		"another protocol's":       {head + "checks:\n- {name: one, request: {inputs: []}}\n", "is not of protocol seldon"},
		"tensorflow over gRPC":     {head + "checks:\n- {name: one, protocol: tensorflow, transport: grpc, request: {instances: [1]}}\n", "over REST only"},
		"another kind's":           {head + "checks:\n" + request + "  expect: {accuracy: {min: 1}}\n", "cannot be expected of a check with request"},
		"a matcher":                {head + "checks:\n" + request + "  expect: {data: {ndarray: [{$matchs: x}]}}\n", "there is no matcher $matchs"},
		"a regular expression":     {head + "checks:\n" + request + "  expect: {matches: '('}\n", "$matches: "},
		"a schema":                 {head + "checks:\n" + request + "  expect: {schema: {type: 7}}\n", "no usable JSON Schema"},
		"a schema elsewhere":       {head + "checks:\n" + request + "  expect: {schema: {$ref: 'http://169.254.169.254/'}}\n", "nothing is fetched"},
		"a schema without end":     {head + "checks:\n" + request + "  expect: {schema: {$ref: '#'}}\n", "leads back to itself"},
		"a class":                  {head + "defaults: {classes: [up, down]}\nchecks:\n" + request + "  expect: {class: dwn}\n", "did you mean down?"},
		"a class by index":         {head + "defaults: {classes: [up, down]}\nchecks:\n" + request + "  expect: {class: [2]}\n", "there is no class 2; there are 2, from 0 to 1"},
		"a class of absurd size":   {head + "defaults: {classes: [up, down]}\nchecks:\n" + request + "  expect: {class: [1e300]}\n", "there is no class 1e+300"},
		"a class of no size":       {head + "checks:\n" + request + "  expect: {class: [.inf]}\n", "Infinity is no class"},
		"half a class":             {head + "checks:\n" + request + "  expect: {class: [0.5]}\n", "0.5 is no class; an index is a whole number"},
		"one of some classes":      {head + "checks:\n" + request + "  expect: {class: [{$oneOf: [0, 1]}]}\n", "without matchers"},
		"a set of classes":         {head + "checks:\n" + request + "  expect: {class: {$set: [0, 1]}}\n", "without matchers"},
		"a missing class":          {head + "checks:\n" + request + "  expect: {class: [null]}\n", "null is no class"},
		"a merge key":              {head + "x: &x {a: 1}\nchecks:\n- {<<: *x, name: one}\n", "merge keys"},
		"a cycle":                  {head + "checks:\n- &c\n  name: one\n  request: {jsonData: *c}\n", "contains itself through an alias"},
		"a bomb":                   {head + bomb + "checks:\n- {name: one, request: {jsonData: *i}}\n", "p.yaml:"},
		"deep":                     {head + "checks:\n- {name: one, request: {jsonData: " + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "}}\n", "too deeply"},
		"feedback":                 {head + "checks:\n- {name: one, method: feedback, request: {strData: x}}\n", "of feedback needs request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, problems := checks.Parse("p.yaml", d, []byte(tc.text))
			if len(problems) == 0 || !strings.Contains(problems.Error(), tc.want) {
				t.Errorf("problems are %v, want %q", problems, tc.want)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// FuzzParse: whatever the text, there are problems or checks that can be run,
// and it ends.
func FuzzParse(f *testing.F) {
	d := dir(f)
	for _, text := range []string{
		"checks:\n- {name: one, request: {data: {ndarray: [1]}}, expect: {data: {ndarray: [1]}}}\n",
		"checks:\n- {name: s, dataset: {file: points.csv, label: class}, expect: {accuracy: {min: 0.8}}}\n",
		"checks:\n- {name: l, load: {request: {strData: x}, duration: 1s}, expect: {p50: 1s, errors: 1%}}\n",
		"checks:\n- &c {name: c, contract: {file: contract.json}}\n- *c\n", "defaults: {headers: {a: b}}\n",
	} {
		f.Add([]byte(head + text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, problems := checks.Parse("p.yaml", d, text)
		if (file == nil || len(file.Checks) == 0) && len(problems) == 0 {
			t.Error("there are neither checks nor problems")
		}
		if len(problems) > 0 {
			return
		}
		for _, c := range file.Checks {
			if c.Name == "" || (c.Kind() == "request" && c.Request == nil && c.Method == "predict") {
				t.Errorf("check %+v cannot be run", c)
			}
		}
	})
}

func TestReadIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(path, []byte(head+"checks:\n"+strings.Repeat("# a long comment\n", checks.MaxChecks/16)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := checks.Read(path); err == nil || !strings.Contains(err.Error(), "p.yaml: is larger than 8388608 bytes") {
		t.Errorf("error %v", err)
	}
}
