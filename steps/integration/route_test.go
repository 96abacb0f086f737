package integration_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// The tests begin when the gateway leads to the model, whatever protocol that
// speaks, and begin all the same where nothing ever does.
func TestTestsWaitForTheRoute(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, path string // which the model knows, behind the gateway
		status     int    // that it answers there
		early      int    // status of the gateway until it knows the model
		timeout    string
		notRouted  bool
	}{
		{"seldon", "/api/v1.0/predictions", http.StatusOK, http.StatusNotFound, "1m", false},
		{"seldon, which refuses an empty request", "/api/v1.0/predictions", http.StatusBadRequest, http.StatusServiceUnavailable, "1m", false},
		{"v2", "/v2/health/live", http.StatusOK, http.StatusBadGateway, "1m", false},
		{"tensorflow behind the executor", "/live", http.StatusOK, http.StatusGatewayTimeout, "1m", false},
		{"something else", "/elsewhere", http.StatusOK, http.StatusNotFound, "300ms", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var asked, answered atomic.Int32
			gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				path, ok := strings.CutPrefix(r.URL.Path, "/seldon/default/news")
				switch {
				case asked.Add(1) <= 6: // two rounds
					w.WriteHeader(tc.early)
				case ok && path == tc.path:
					answered.Add(1)
					w.WriteHeader(tc.status)
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			}))
			defer gateway.Close()
			s := &stand{}
			code, results, output := run(t, t.Context(), s, "--repository-dir", newModel(t), "--gateway-url", gateway.URL, "--route-timeout", tc.timeout)
			if code != 0 || !strings.Contains(results["phases"], `"route":`) {
				t.Errorf("exit code %d, phases %s\n%s", code, results["phases"], output)
			}
			if n := answered.Load(); (n == 0) != tc.notRouted || n > 1 {
				t.Errorf("the model was asked %d times\n%s", n, output)
			}
			if strings.Contains(output, "nothing leads to the model") != tc.notRouted {
				t.Errorf("told of no route, want that %v:\n%s", tc.notRouted, output)
			}
			if !strings.Contains(output, "[test] done after") {
				t.Errorf("the tests did not run:\n%s", output)
			}
		})
	}
}

func TestNothingIsAskedWithoutAGateway(t *testing.T) {
	t.Parallel()
	_, results, output := run(t, t.Context(), &stand{}, "--repository-dir", newModel(t), "--gateway", "none")
	if strings.Contains(results["phases"], "route") {
		t.Errorf("phases %s\n%s", results["phases"], output)
	}
}
