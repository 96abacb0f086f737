package predict_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// TestWhatTheWaitSays: a wait that is over says what came, and what to try.
func TestWhatTheWaitSays(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault            modeltest.Fault
		outcome          string
		says, hint, note string
	}{
		"too slow":       {modeltest.Slow(time.Minute), "not-ready", "it takes connections but is slow: no answer within 300ms", "timeout, of the check", ""},
		"no such path":   {modeltest.Text(404, "text/plain", "404 page not found"), "not-ready", "it answered HTTP status 404, so the name or the path may be wrong: 404 page not found", "--prefix, --path and --model", "HTTP status 404"},
		"busy":           {modeltest.Text(503, "text/plain", "no healthy upstream"), "not-ready", "HTTP status 503", "is the endpoint right", "HTTP status 503"},
		"late":           {modeltest.First(3, modeltest.Text(503, "text/plain", "")), "passed", "", "", "answered while the model was waited for: 3 × HTTP status 503"},
		"late otherwise": {late(404, 429, 502), "passed", "", "", "1 × HTTP status 404, 1 × HTTP status 429, 1 × HTTP status 502"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{Fault: tc.fault})
			o := run(t, "defaults: {timeout: 300ms}\n"+one, nil, "--endpoint", s.URL, "--ready-timeout", "1s")
			if o.results["outcome"] != tc.outcome || !strings.Contains(o.stdout, tc.says) || !strings.Contains(o.stderr, tc.hint) || !strings.Contains(o.stdout, tc.note) {
				t.Errorf("results %v, want %q, %q, %q: %s%s", o.results, tc.says, tc.hint, tc.note, o.stdout, o.stderr)
			}
			if strings.Contains(o.stdout, "note: ") != (tc.note != "") {
				t.Errorf("notes: %s", o.stdout)
			}
		})
	}
}

// late answers those statuses before the model does.
func late(statuses ...int) modeltest.Fault {
	return func(n int, w http.ResponseWriter, r *http.Request) bool {
		return n <= len(statuses) && modeltest.Text(statuses[n-1], "text/plain", "")(n, w, r)
	}
}

// TestHints: what cannot be mended by waiting is not said to be.
func TestHints(t *testing.T) {
	t.Parallel()
	elsewhere := modeltest.New(t, modeltest.Options{})
	for name, tc := range map[string]struct {
		options modeltest.Options
		scheme  string
		hint    string
	}{
		"redirected":             {modeltest.Options{Fault: modeltest.Redirect(elsewhere.URL, 307)}, "http", "give the address that is redirected to"},
		"too large":              {modeltest.Options{Fault: modeltest.Endless()}, "http", "--max-response is how large"},
		"plain HTTP for https":   {modeltest.Options{}, "https", "speaks plain HTTP there"},
		"an unknown authority":   {modeltest.Options{TLS: &tls.Config{}}, "https", "--ca-file is what"},
		"slow, but it was ready": {modeltest.Options{Fault: modeltest.From(2, modeltest.Slow(time.Minute))}, "http", "is up but slow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, tc.options)
			_, address, _ := strings.Cut(s.URL, "://")
			o := run(t, "defaults: {timeout: 1s}\n"+one, nil, "--endpoint", tc.scheme+"://"+address, "--max-response", "1MiB", "--ready-timeout", "5s", "--retries", "0")
			if o.code != 3 || o.results["outcome"] != "transport" || !strings.Contains(o.stderr, tc.hint) || strings.Contains(o.stderr, "is the endpoint right") {
				t.Errorf("exit code %d, results %v, want %q: %s%s", o.code, o.results, tc.hint, o.stdout, o.stderr)
			}
		})
	}
}

// TestBadLines of a dataset are wrong input, noticed before anything is asked.
func TestBadLines(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	many := "a,b\n" + strings.Repeat("1,2\n", 200)
	for name, tc := range map[string]struct{ check, file, says string }{
		"text for a number":    {"dataset: {file: d.csv, inputs: [a, b]}", many + "1,x\n", `d.csv: line 202: column "b" has "x", which is no number`},
		"the baseline's":       {"compare: {dataset: {file: d.csv, inputs: [a, b]}}", many + "1,x\n", "d.csv: line 202: column"},
		"a field too many":     {"dataset: {file: d.csv, inputs: [a, b]}", many + "1,2,3\n", "d.csv: line 202: "},
		"a label of text":      {"dataset: {file: d.csv, inputs: [a], label: b}\n  expect: {mae: {max: 1}}", "a,b\n1,x\n", `d.csv: line 2: the label "x" is not a number`},
		"text in a tensor":     {"dataset: {file: d.csv, inputs: [a, b], payload: tensor}", "a,b\n1,x\n2,y\n", `d.csv: line 2: column "b" has "x", payload tensor holds numbers alone`},
		"text in a contract":   {"contract: {file: d.csv, payload: tensor}", `{"features":[{"name":"x"},{"name":"y","dtype":"STRING","ftype":"categorical","values":["a"]}]}`, "feature y is not of numbers"},
		"a label that is void": {"dataset: {file: d.csv, inputs: [a], label: b}", "a,b\n1,2\n1,\n", "d.csv: line 3: a class is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := run(t, "checks:\n- name: it\n  "+tc.check+"\n", map[string]string{"d.csv": tc.file}, "--endpoint", s.URL)
			if o.code != 2 || !strings.Contains(o.stderr, tc.says) {
				t.Errorf("exit code %d, want %q: %s%s", o.code, tc.says, o.stdout, o.stderr)
			}
		})
	}
	if s.Requests() > 0 {
		t.Errorf("%d requests were made", s.Requests())
	}
}
