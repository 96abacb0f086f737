package predict_test

import (
	"errors"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// TestRecord: what was recorded from a model holds for that model, over every
// protocol, and not for another.
func TestRecord(t *testing.T) {
	t.Parallel()
	const seldon = `# about the model
checks:
# the first
- name: one # of them
  request: {data: {ndarray: [[0.1, 0.25], [1, 1]]}}
- {name: text, request: {strData: "four"}}
- {name: json, request: {jsonData: {"$any": [1, null, "x: #y"]}}}
- name: kept
  request: {data: {ndarray: [[1]]}}
  expect: {finite: true}
- {name: refused, request: {raw: "not json"}}
`
	const v2 = `defaults: {protocol: v2, model: model}
checks:
- name: one
  request: {inputs: [{name: input-0, datatype: FP64, shape: [2, 2], data: [0.1, 0.25, 1, 1]}]}
`
	s := modeltest.New(t, modeltest.Options{Names: []string{"sum: of all"}})
	other := modeltest.New(t, modeltest.Options{Names: []string{"sum: of all"}, Model: func(rows []any) ([]any, error) {
		out, err := modeltest.Sum(rows)
		if err == nil {
			out[0] = []any{out[0].([]any)[0].(float64) + 0.01}
		}
		return out, err
	}})
	for name, text := range map[string]string{"seldon": seldon, "v2": v2} {
		for _, transport := range []string{"rest", "grpc"} {
			t.Run(name+" "+transport, func(t *testing.T) {
				t.Parallel()
				text := text // that of rest keeps all of it
				if transport == "grpc" {
					text = strings.Replace(text, "- {name: refused, request: {raw: \"not json\"}}\n", "", 1)
				}
				dir := write(t, map[string]string{"p.yaml": head + text})
				path := filepath.Join(dir, "p.yaml")
				where := []string{"--checks", path, "--endpoint", s.URL, "--grpc-endpoint", s.GRPC, "--transport", transport}
				if o := execute(t, dir, append([]string{"record", "--output", path}, where...)...); o.code != 0 {
					t.Fatalf("exit code %d: %s", o.code, o.stderr)
				}
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if name == "seldon" {
					for _, part := range []string{"# about the model", "# of them", "expect: {finite: true}", "tolerance: {absolute: 0.000001, relative: 0.0001}"} {
						if !strings.Contains(string(data), part) {
							t.Errorf("%q is not in what was recorded:\n%s", part, data)
						}
					}
				}
				if o := execute(t, dir, where...); o.code != 0 {
					t.Errorf("what was recorded does not hold: %s%s\n%s", o.stdout, o.stderr, data)
				}
				where[3], where[5] = other.URL, other.GRPC
				if o := execute(t, dir, where...); o.code != 1 {
					t.Errorf("what was recorded holds for another model: %s", o.stdout)
				}
			})
		}
	}
}

func TestRecordOnlyWhatIsCertain(t *testing.T) {
	t.Parallel()
	random := modeltest.New(t, modeltest.Options{Model: func(rows []any) ([]any, error) { return []any{rand.Float64()}, nil }})
	failing := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", `{"status":{"status":"FAILURE","info":"no vocabulary"}}`)})
	gone := modeltest.New(t, modeltest.Options{Fault: modeltest.From(2, modeltest.Text(503, "text/plain", "gone"))})
	for name, tc := range map[string]struct {
		url  string
		code int
		says string
	}{
		"random":  {random.URL, 1, "answered in two ways"},
		"failing": {failing.URL, 1, "no vocabulary"},
		"gone":    {gone.URL, 3, "HTTP status 503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := head + "checks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}}\n"
			dir := write(t, map[string]string{"p.yaml": text})
			path := filepath.Join(dir, "p.yaml")
			o := execute(t, dir, "record", "--checks", path, "--endpoint", tc.url, "--output", path)
			if o.code != tc.code || !strings.Contains(o.stderr, tc.says) {
				t.Errorf("exit code %d, want %d with %q: %s", o.code, tc.code, tc.says, o.stderr)
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != text {
				t.Errorf("the file was changed: %s", data)
			}
		})
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"good.yaml": head + "checks:\n- {name: one, request: {data: {ndarray: [1]}}}\n",
		"bad.yaml":  head + "checks:\n- name: one\n  reqest: {data: {ndarray: [1]}}\n- {name: two, request: {strData: 7}}\n",
	})
	if o := execute(t, dir, "lint", dir+"/good.yaml"); o.code != 0 || !strings.Contains(o.stderr, "1 checks, nothing wrong") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	o := execute(t, dir, "lint", dir+"/good.yaml", dir+"/bad.yaml", dir+"/none.yaml")
	for _, want := range []string{"bad.yaml:5:3: checks[0].reqest: unknown field; did you mean request?", "bad.yaml:6:34: checks[1].request.strData: is a number", "none.yaml: cannot be read"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("%q is not said: %s", want, o.stdout)
		}
	}
	if o.code != 2 {
		t.Errorf("exit code %d", o.code)
	}
	if o := execute(t, dir, "lint"); o.code != 2 {
		t.Errorf("without a file: exit code %d", o.code)
	}
}

// TestRecordReplacesTheFile as a whole: its mode and a link to it stay, and nothing
// is left beside it.
func TestRecordReplacesTheFile(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	dir := write(t, map[string]string{"p.yaml": head + "checks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}}\n"})
	path, link := filepath.Join(dir, "p.yaml"), filepath.Join(dir, "link.yaml")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("p.yaml", link); err != nil {
		t.Fatal(err)
	}
	before, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if o := execute(t, dir, "record", "--checks", path, "--endpoint", s.URL, "--output", link); o.code != 0 {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	old, err := io.ReadAll(before)
	if err != nil || strings.Contains(string(old), "expect") {
		t.Errorf("the file was written in place: %s, error %v", old, err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(data), "expect") {
		t.Errorf("recorded was %s, error %v", data, err)
	}
	entries, err := os.ReadDir(dir)
	info, statErr := os.Stat(path)
	at, linkErr := os.Readlink(link)
	if err != nil || statErr != nil || linkErr != nil || len(entries) != 2 || info.Mode().Perm() != 0o640 || at != "p.yaml" {
		t.Errorf("%v are there, %v, the link leads to %q: %v", entries, info, at, errors.Join(err, statErr, linkErr))
	}
}

// TestRecordDoesNotSteerTheTerminal by what a model answers.
func TestRecordDoesNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"strData":"` + "\u202egnp\"}", `{"status":{"status":"FAILURE","info":"` + "\u202e\\u001b[2J\"}}"} {
		s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(200, "application/json", body)})
		dir := write(t, map[string]string{"p.yaml": head + "checks:\n- {name: one, request: {data: {ndarray: [[1, 2]]}}}\n"})
		o := execute(t, dir, "record", "--checks", dir+"/p.yaml", "--endpoint", s.URL, "--output", dir+"/out.yaml")
		if strings.ContainsAny(o.stdout+o.stderr, "\u202e\x1b") {
			t.Errorf("printed %q", o.stdout+o.stderr)
		}
	}
}
