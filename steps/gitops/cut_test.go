package gitops_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/model-delivery/model-delivery/steps/git/gittest"
)

// The connection breaks while pushing, before or after the server took the
// commit: either way it lands once.
func TestPushThatIsCutOff(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after the server took it: %v", after), func(t *testing.T) {
			t.Parallel()
			bare := environments(t)
			handler, err := gittest.Handler(filepath.Dir(bare), "", "")
			if err != nil {
				t.Fatal(err)
			}
			var cuts atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/git-receive-pack") || cuts.Add(1) > 1 {
					handler.ServeHTTP(w, r)
					return
				}
				if after {
					handler.ServeHTTP(httptest.NewRecorder(), r)
				}
				if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
					_ = conn.Close()
				}
			}))
			t.Cleanup(server.Close)
			code, results, stderr := promote(t, "--repository="+server.URL+"/gitops.git", "--environment=staging", "--model=news", "--source="+manifests(t))
			if code != 0 || results["changed"] != "true" || cuts.Load() == 0 {
				t.Fatalf("exit code %d, %v\n%s", code, results, stderr)
			}
			if head := gittest.Run(t, bare, "git", "rev-parse", "main"); head != results["commit"] {
				t.Errorf("main is at %s, the result says %s", head, results["commit"])
			}
			if got := gittest.Run(t, bare, "git", "rev-list", "--count", "main"); got != "2" {
				t.Errorf("%s commits", got)
			}
		})
	}
}
