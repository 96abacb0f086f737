package predict_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

// replayed runs a replay in a shell.
func replayed(t *testing.T, replay string, environment ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", replay)
	cmd.Env = append(environment, "PATH=/usr/bin:/bin")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%.2000s: %v: %s", replay, err, out)
	}
}

// long is a text that no command line carries.
var long = strings.Repeat("it's long ", 1000)

// TestReplayOfWhatNoCommandCarries: the bodies lie beside the report, and the
// replay sends what the check did.
func TestReplayOfWhatNoCommandCarries(t *testing.T) {
	t.Parallel()
	const v2 = "protocol: v2, request: {binary: true, inputs: [{name: input-0, datatype: FP64, shape: [1, 2], data: [1, 2]}]}, expect: {outputs: [{name: none}]}"
	for name, tc := range map[string]struct{ check, option string }{
		"long":            {"request: {strData: \"" + long + "\"}, expect: {strData: other}", "/requests/request-1.json' '"},
		"bytes":           {`request: {raw: !!binary AAEC/w==}`, "/requests/request-1.bin' '"},
		"with a NUL":      {`request: {raw: "a\0b"}`, "/requests/request-1.bin' '"},
		"of another type": {`request: {raw: "a;b", contentType: text/csv}`, "-H 'Content-Type: text/csv' --data-raw 'a;b'"},
		"empty":           {`request: {raw: ""}`, "--data-raw ''"},
		"binary tensors":  {v2, "-H 'Inference-Header-Content-Length: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := modeltest.New(t, modeltest.Options{})
			o := run(t, "defaults: {model: model}\nchecks:\n- {name: one, "+tc.check+"}\n", nil, "--endpoint", s.URL)
			c := o.check(t, "one")
			sent, body := s.Last()
			if o.code != 1 || !strings.Contains(c.Replay, tc.option) {
				t.Fatalf("exit code %d, replay %.3000s", o.code, c.Replay)
			}
			before := s.Requests()
			replayed(t, c.Replay)
			again, got := s.Last()
			if s.Requests() != before+1 || string(got) != string(body) {
				t.Errorf("%q was sent, %q when replayed", body, got)
			}
			for _, header := range []string{"Content-Type", "Inference-Header-Content-Length"} {
				if again.Header.Get(header) != sent.Header.Get(header) {
					t.Errorf("%s is %q when replayed, was %q", header, again.Header.Get(header), sent.Header.Get(header))
				}
			}
		})
	}
}

// TestRequestsAreKeptWithinBounds, and without secrets.
func TestRequestsAreKeptWithinBounds(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.From(2, modeltest.Text(400, "text/plain", "no"))})
	var b strings.Builder
	b.WriteString("checks:\n")
	for i := range 30 {
		fmt.Fprintf(&b, "- {name: check %d, request: {strData: \"%d the-secret-token %s\"}}\n", i, i, long)
	}
	dir, reports := write(t, map[string]string{"token": "the-secret-token\n"}), t.TempDir()
	args := []string{"--endpoint", s.URL, "--bearer-token-file", dir + "/token", "--retries", "0", "--report-dir", reports}
	o := run(t, b.String(), nil, args...)
	kept, err := os.ReadDir(filepath.Join(reports, "requests"))
	if err != nil || len(kept) != 20 || strings.Count(o.stdout, " bytes; only 20 requests are kept") != 10 {
		t.Errorf("%d requests are kept, error %v: %.3000s", len(kept), err, o.stdout)
	}
	for _, file := range kept {
		if data, err := os.ReadFile(filepath.Join(reports, "requests", file.Name())); err != nil || strings.Contains(string(data), "the-secret-token") || len(data) < 9000 {
			t.Errorf("%s has %d bytes with the token or without the rest, error %v", file.Name(), len(data), err)
		}
	}
	run(t, one, nil, args...)
	if _, err := os.Stat(filepath.Join(reports, "requests")); !os.IsNotExist(err) {
		t.Errorf("requests of the run before are left: %v", err)
	}
}

// TestReplayWithoutAReport says that there is no file.
func TestReplayWithoutAReport(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	o := run(t, "checks:\n- {name: one, request: {strData: \""+long+"\"}, expect: {strData: other}}\n", nil, "--endpoint", s.URL, "--report-dir", "")
	if o.code != 1 || !strings.Contains(o.stdout, "--data-binary '@request.json'") || !strings.Contains(o.stdout, "it is kept with --report-dir only") {
		t.Errorf("exit code %d: %s", o.code, o.stdout)
	}
}

// TestReplayByTheServersName asks the same host for the same name.
func TestReplayByTheServersName(t *testing.T) {
	t.Parallel()
	authority := modeltest.NewAuthority(t)
	named, _, _ := authority.Issue(t, "models.example.com", time.Now().Add(time.Hour))
	s := modeltest.New(t, modeltest.Options{TLS: &tls.Config{Certificates: []tls.Certificate{named}}})
	dir := write(t, map[string]string{"ca": string(authority.PEM)})
	o := run(t, "checks:\n- {name: one, request: {strData: x}, expect: {strData: other}}\n", nil,
		"--endpoint", s.URL, "--ca-file", dir+"/ca", "--server-name", "models.example.com")
	c := o.check(t, "one")
	sent, _ := s.Last()
	before := s.Requests()
	if o.code != 1 || c.Outcome != report.Value {
		t.Fatalf("exit code %d: %s", o.code, o.stdout)
	}
	replayed(t, c.Replay, "CA_FILE="+dir+"/ca")
	again, _ := s.Last()
	if s.Requests() != before+1 || again.Host != sent.Host || again.TLS.ServerName != "models.example.com" {
		t.Errorf("asked host %s, name %s, was %s: %s", again.Host, again.TLS.ServerName, sent.Host, c.Replay)
	}
}

// TestReplayOverGRPC has the messages that are sent, and says where they are defined.
func TestReplayOverGRPC(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{})
	for name, tc := range map[string]struct {
		check string
		want  []string
	}{
		"v2": {
			"protocol: v2, request: {inputs: [{name: input-0, datatype: FP64, shape: [1, 2], data: [1, 2]}]}, expect: {outputs: [{name: none}]}",
			[]string{"-proto inference.proto", `"modelName":"model"`, `"fp64Contents":[1,2]`, "inference.GRPCInferenceService/ModelInfer"},
		},
		"seldon": {
			"request: {data: {ndarray: [[1, 2]]}}, expect: {strData: x}",
			[]string{"-proto prediction.proto", `"ndarray":[[1,2]]`, "seldon.protos.Seldon/Predict", `-authority 'gw.example'`},
		},
		"long": {
			"request: {strData: \"" + long + "\"}, expect: {strData: x}",
			[]string{"-d @ ", "/requests/request-1.json'"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := run(t, "defaults: {model: model, transport: grpc}\nchecks:\n- {name: one, "+tc.check+"}\n", nil, "--endpoint", s.GRPC, "--host", "gw.example")
			c := o.check(t, "one")
			for _, part := range append(tc.want, "-import-path steps/seldonclient/proto ") {
				if got := strings.ReplaceAll(c.Replay, ", ", ","); !strings.Contains(strings.ReplaceAll(got, ": ", ":"), part) {
					t.Errorf("%q is not in %.2000s", part, c.Replay)
				}
			}
		})
	}
	if _, err := os.Stat("../../steps/seldonclient/proto/inference.proto"); err != nil {
		t.Error(err)
	}
}
