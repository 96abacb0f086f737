package predict_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/seldonclient/modeltest"
)

func TestFlagsThatAreWrong(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"empty": "", "two": "a\nb\n", "user": "me\n", "token": "t\n", "ca": "no PEM"})
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"gateway":            {[]string{"--gateway", "nginx"}, "ambassador istio none"},
		"protocol":           {[]string{"--protocol", "v1"}, "seldon v2 tensorflow"},
		"transport":          {[]string{"--transport", "http"}, "rest grpc"},
		"size":               {[]string{"--max-response", "16 megabytes"}, "is no size"},
		"no size at all":     {[]string{"--max-response", "0"}, "is no size"},
		"header":             {[]string{"--header", "no colon"}, "NAME: VALUE"},
		"header of lines":    {[]string{"--header", "A: b\r\nC: d"}, "NAME: VALUE"},
		"header of a file":   {[]string{"--header-file", "X-Api-Key"}, "NAME=PATH"},
		"no such file":       {[]string{"--header-file", "X-Api-Key=" + dir + "/none"}, "--header-file"},
		"file of lines":      {[]string{"--header-file", "X-Api-Key=" + dir + "/two"}, "has to hold one line"},
		"empty token":        {[]string{"--bearer-token-file", dir + "/empty"}, "has to hold one line"},
		"token of two lines": {[]string{"--bearer-token-file", dir + "/two"}, "has to hold one line"},
		"no password":        {[]string{"--basic-auth-file", dir + "/user"}, "USER:PASSWORD"},
		"two ways to log in": {[]string{"--bearer-token-file", dir + "/token", "--basic-auth-file", dir + "/token"}, "not both"},
		"no CA":              {[]string{"--ca-file", dir + "/ca"}, "holds no certificate"},
		"half a certificate": {[]string{"--client-cert-file", dir + "/ca"}, "belong together"},
		"no such check":      {[]string{"--only", "nothing"}, "no check is named so"},
		"regular expression": {[]string{"--only", "("}, "--only"},
		"credentials in it":  {[]string{"--endpoint", "http://me:hidden@127.0.0.1:1"}, "carries credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := run(t, one, nil, append([]string{"--endpoint", "http://127.0.0.1:1"}, tc.args...)...)
			if o.code != 2 || !strings.Contains(o.stderr, tc.says) || strings.Contains(o.stderr, "hidden") {
				t.Errorf("exit code %d, want 2 with %q: %s", o.code, tc.says, o.stderr)
			}
		})
	}
}

// TestSecretHeaderIsNotShown, although files are the better way.
func TestSecretHeaderIsNotShown(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.From(2, modeltest.Text(401, "text/plain", "the token hidden-value is not known"))})
	o := run(t, one, nil, "--endpoint", s.URL, "--header", "Authorization: Bearer hidden-value", "--header", "X-Tenant: shown")
	if r, _ := s.Last(); r.Header.Get("Authorization") != "Bearer hidden-value" {
		t.Errorf("sent %q", r.Header.Get("Authorization"))
	}
	if c := o.check(t, "one"); o.code != 1 || strings.Contains(o.stdout+o.stderr+c.Answer+c.Replay, "hidden-value") || !strings.Contains(c.Replay, "X-Tenant: shown") {
		t.Errorf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
}

// everyReport is all that a report's files hold.
func everyReport(t *testing.T, dir string) string {
	t.Helper()
	all := ""
	for _, name := range []string{"report.json", "junit.xml", "report.md", "report.html"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all += string(data)
	}
	return all
}

// TestSecretHeadersAreNotShown, whatever their names, in output or reports.
func TestSecretHeadersAreNotShown(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.From(2, modeltest.Text(401, "text/plain", "s3cr3tvalue and f1levalue are not known"))})
	dir := write(t, map[string]string{"key": "f1levalue\n"})
	reports := t.TempDir()
	o := run(t, one, nil, "--endpoint", s.URL, "--report-dir", reports, "--header", "X-Api-Key: s3cr3tvalue", "--header", "X-Session: abc", "--header-file", "X-Tenant="+dir+"/key")
	if r, _ := s.Last(); r.Header.Get("X-Api-Key") != "s3cr3tvalue" || r.Header.Get("X-Tenant") != "f1levalue" {
		t.Errorf("sent %v", r.Header)
	}
	all := o.stdout + o.stderr + everyReport(t, reports)
	if o.code != 1 || strings.Contains(all, "s3cr3tvalue") || strings.Contains(all, "f1levalue") || strings.Contains(all, "X-Session: abc") {
		t.Errorf("exit code %d: %s", o.code, all)
	}
	if !strings.Contains(o.stdout, `-H 'X-Api-Key: '"$HEADER_X_API_KEY"`) {
		t.Errorf("the replay has no variable for the key: %s", o.stdout)
	}
}

// TestEchoedCredentialsAreNotShown: a server may answer with what it was sent.
func TestEchoedCredentialsAreNotShown(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.From(2, func(n int, w http.ResponseWriter, r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		return modeltest.Text(401, "text/plain", r.Header.Get("Authorization")+" of "+user+" with "+password)(n, w, r)
	})})
	dir := write(t, map[string]string{"login": "somebody:a-long-password\n"})
	o := run(t, one, nil, "--endpoint", s.URL, "--basic-auth-file", dir+"/login")
	all := o.stdout + o.stderr + o.check(t, "one").Answer
	if o.code != 1 || !strings.Contains(all, "somebody") || strings.Contains(all, "a-long-password") || strings.Contains(all, "c29tZWJvZHk6YS1sb25nLXBhc3N3b3Jk") {
		t.Errorf("exit code %d: %s", o.code, all)
	}
}

// TestCutCredentialsAreNotShown: a long answer is shortened in the middle of one.
func TestCutCredentialsAreNotShown(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdefghijklmnopqrstuvwxyz"
	for _, status := range []int{400, 503} {
		for _, before := range []int{170, 185, 270, 285, 295, 1980} {
			s := modeltest.New(t, modeltest.Options{Fault: modeltest.Text(status, "text/plain", strings.Repeat("-", before)+" "+strings.ToUpper(token)+" "+strings.Repeat("+", 1000))})
			dir := write(t, map[string]string{"token": strings.ToUpper(token)})
			o := run(t, one, nil, "--endpoint", s.URL, "--bearer-token-file", dir+"/token", "--ready-timeout", "100ms", "--retries", "0")
			c := o.check(t, "one")
			if all := strings.ToLower(o.stdout + o.stderr + c.Answer + c.Findings[0].Message); o.code == 0 || strings.Contains(all, token[:4]) {
				t.Errorf("status %d, cut after %d bytes: %s", status, before, all)
			}
		}
	}
}

// TestEscapedCredentialsAreNotShown: what a server echoes may be escaped as JSON is.
func TestEscapedCredentialsAreNotShown(t *testing.T) {
	t.Parallel()
	s := modeltest.New(t, modeltest.Options{Fault: modeltest.From(2, modeltest.Text(401, "application/json", `{"got":"Bearer ab\"c\/d<e>"}`))})
	dir, reports := write(t, map[string]string{"token": `ab"c/d<e>`}), t.TempDir()
	o := run(t, one, nil, "--endpoint", s.URL, "--report-dir", reports, "--bearer-token-file", dir+"/token")
	all := o.stdout + o.stderr + everyReport(t, reports)
	if o.code != 1 || strings.Contains(all, "Bearer ab") || strings.Contains(all, "d<e") || strings.Contains(all, "d&lt;e") {
		t.Errorf("exit code %d: %s", o.code, all)
	}
}
