package image

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// daemon answers pushes with one of the given bodies after the other, which a
// real daemon with a real registry would not do on demand.
func daemon(t *testing.T, answers ...string) (host string, pushes *[]*http.Request) {
	t.Helper()
	pushes = &[]*http.Request{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.47")
		switch {
		case strings.HasSuffix(r.URL.Path, "/push"):
			*pushes = append(*pushes, r)
			io.WriteString(w, answers[min(len(*pushes), len(answers))-1])
		case strings.HasSuffix(r.URL.Path, "/tag"):
			w.WriteHeader(http.StatusCreated)
		default:
			io.WriteString(w, "OK")
		}
	}))
	t.Cleanup(server.Close)
	return "tcp://" + server.Listener.Addr().String(), pushes
}

func pushed(digest string) string {
	return fmt.Sprintf(`{"status":"Pushed","id":"layer"}{"status":"Pushing","progressDetail":{"current":1,"total":2},"id":"layer"}{"aux":{"Tag":"v1","Digest":%q,"Size":1}}`, digest)
}

func failed(why string) string {
	return fmt.Sprintf(`{"errorDetail":{"message":%q},"error":%q}`, why, why)
}

func TestPush(t *testing.T) {
	for _, tc := range []struct {
		name    string
		answers []string
		pushes  int
		code    int
		hint    string
	}{
		{"pushed", []string{pushed(digest)}, 1, step.ExitDone, ""},
		{"again after a moment's failure", []string{failed("received unexpected HTTP status: 503"), failed("EOF"), pushed(digest)}, 3, step.ExitDone, ""},
		{"given up in the end", []string{failed("received unexpected HTTP status: 503")}, 3, step.ExitInfra, ""},
		{"not again when it is refused", []string{failed("denied: requested access to the resource is denied")}, 1, step.ExitInfra, "dockerconfig"},
		{"not again when the daemon wants TLS", []string{failed("http: server gave HTTP response to HTTPS client")}, 1, step.ExitInfra, "insecure-registry"},
		{"no digest told", []string{`{"status":"done"}`}, 3, step.ExitInfra, ""},
		{"an answer cut short", []string{`{"status":"Pu`, pushed(digest)}, 2, step.ExitDone, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			host, pushes := daemon(t, tc.answers...)
			got, err := Push(t.Context(), PushOptions{
				Image: "sha256:1", Target: "127.0.0.1:1/news:v1", DockerHost: host, Getenv: func(string) string { return "" },
				Output: io.Discard, Redact: func(string) {}, Backoff: time.Millisecond,
			})
			if step.ExitCode(err) != tc.code || len(*pushes) != tc.pushes || (err == nil) != (got == digest) {
				t.Errorf("%q, %v after %d pushes, want exit code %d after %d", got, err, len(*pushes), tc.code, tc.pushes)
			}
			if !strings.Contains(step.Hint(err), tc.hint) {
				t.Errorf("hint %q, want one about %s", step.Hint(err), tc.hint)
			}
		})
	}
}

func TestPushSendsTheCredentialsOfTheRegistryOnly(t *testing.T) {
	dir := t.TempDir()
	config := `{"auths":{"127.0.0.1:1":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("robot:hunter2-secret")) + `"}}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	for target, want := range map[string]string{"127.0.0.1:1/news:v1": "hunter2-secret", "127.0.0.1:2/news:v1": ""} {
		host, pushes := daemon(t, pushed(digest))
		var secrets []string
		_, err := Push(t.Context(), PushOptions{
			Image: target, Target: target, DockerHost: host, Getenv: func(string) string { return "" }, Output: io.Discard,
			Redact: func(secret string) { secrets = append(secrets, secret) },
		})
		if err != nil {
			t.Fatal(err)
		}
		header, err := base64.URLEncoding.DecodeString((*pushes)[0].Header.Get("X-Registry-Auth"))
		if err != nil {
			t.Fatal(err)
		}
		var sent struct{ Password string }
		json.Unmarshal(header, &sent)
		if sent.Password != want {
			t.Errorf("%s: password %q was sent, want %q", target, sent.Password, want)
		}
		if want != "" && !strings.Contains(strings.Join(secrets, " "), want) {
			t.Errorf("%s: the password was not made known to the redactor", target)
		}
	}
}
