package image

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/step"
)

// builder answers like a daemon whose builds end as build says.
func builder(t *testing.T, build http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.47")
		switch {
		case strings.HasSuffix(r.URL.Path, "/build"):
			build(w, r)
		case strings.Contains(r.URL.Path, "/images/builder"):
			io.WriteString(w, `{"Id":"sha256:b","Config":{"Labels":{"io.openshift.s2i.scripts-url":"image:///s2i"}}}`)
		case strings.Contains(r.URL.Path, "/images/there"):
			io.WriteString(w, `{"Id":"sha256:1"}`)
		case strings.Contains(r.URL.Path, "/images/"):
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"message":"No such image"}`)
		default:
			io.WriteString(w, "OK")
		}
	}))
	t.Cleanup(server.Close)
	return "tcp://" + server.Listener.Addr().String()
}

func says(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, strings.Join(lines, ""))
	}
}

// dies is a daemon that ends amid a build.
func dies(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	io.WriteString(w, `{"stream":"Step 1/2"}`)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func refuses(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusBadRequest)
	io.WriteString(w, `{"message":"dockerfile parse error on line 1"}`)
}

const failing = "build:\n\t@echo with '$(TOKEN)'\n\texit 1\n"

// What the build does wrong is told apart from what its surroundings do.
func TestBuildClassifies(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, strategy, tag string
		build               http.HandlerFunc // nil: no daemon at all
		code                int
		hint                string
	}{
		{"made", Dockerfile, "there:1", says(`{"stream":"done"}`), step.ExitDone, ""},
		{"the daemon says that it failed", Dockerfile, "there:1", says(failed("unexpected EOF")), step.ExitFailed, ""},
		{"the daemon refuses the Dockerfile", Dockerfile, "there:1", refuses, step.ExitFailed, ""},
		{"the daemon ends amid it", Dockerfile, "there:1", dies, step.ExitInfra, ""},
		{"the image has another name", Dockerfile, "gone:1", says(`{"stream":"done"}`), step.ExitFailed, "the name it is told"},
		{"there is no such image", None, "gone:1", says(), step.ExitFailed, "strategy none"},
		{"there is no daemon", None, "there:1", nil, step.ExitInfra, ""},
		{"make fails", Make, "there:1", says(), step.ExitFailed, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			host := "unix://" + filepath.Join(t.TempDir(), "none.sock")
			if tc.build != nil {
				host = builder(t, tc.build)
			}
			_, err := Build(t.Context(), BuildOptions{
				Strategy: tc.strategy, Dir: source(t), Tag: tc.tag, Dockerfile: "Dockerfile", DockerHost: host,
				Getenv: func(string) string { return "" }, Output: io.Discard, Redact: func(string) {},
			})
			if step.ExitCode(err) != tc.code || (tc.hint == "") != (step.Hint(err) == "") || !strings.Contains(step.Hint(err), tc.hint) {
				t.Errorf("%v (code %d, hint %q), want code %d, hint %q", err, step.ExitCode(err), step.Hint(err), tc.code, tc.hint)
			}
		})
	}
}

// source writes the source of an image.
func source(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"Dockerfile": "FROM scratch\n", "Makefile": failing} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The values of build arguments are in no error and no log, whoever repeats them.
func TestBuildArgumentsAreNotShown(t *testing.T) {
	t.Parallel()
	const value = `s3cr"t-value`
	repeats := says(`{"stream":"Step 2/2 : ENV TOKEN=\"s3cr\\\"t-value\"\n"}`, `{"stream":"with s3cr\"t-value\n"}`, failed("echo "+value+" returned 1"))
	for _, strategy := range []string{Make, Dockerfile, S2I} {
		for _, args := range [][]string{{"TOKEN=" + value}, {"TOKEN=" + value, value}} {
			var out bytes.Buffer
			_, err := Build(t.Context(), BuildOptions{
				Strategy: strategy, Dir: source(t), Tag: "there:1", Dockerfile: "Dockerfile", Builder: "builder:1", BuildArgs: args, DockerHost: builder(t, repeats),
				Getenv: func(string) string { return "" }, Output: &out, Redact: func(string) {},
			})
			if err == nil || strings.Contains(err.Error()+out.String(), "s3cr") {
				t.Errorf("%s: error %v, output:\n%s", strategy, err, out.String())
			}
			if strategy == Make && !strings.Contains(err.Error(), "IMAGE=there:1 TOKEN=…") {
				t.Errorf("error %v does not name the argument", err)
			}
			if strategy == S2I && len(args) == 1 && !strings.Contains(out.String(), `ENV TOKEN="…"`) {
				t.Errorf("the Dockerfile does not name the argument:\n%s", out.String())
			}
		}
	}
}
