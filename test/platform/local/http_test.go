package local

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestWaitHTTP(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // must not be asked
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	if err := WaitHTTP(t.Context(), server.URL, http.StatusNotFound, 10*time.Second); err != nil || asked.Load() != 3 {
		t.Errorf("WaitHTTP() = %v after %d requests", err, asked.Load())
	}
	err := WaitHTTP(t.Context(), server.URL+"/x", http.StatusOK, 300*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "/x: it answers 404 Not Found") {
		t.Errorf("WaitHTTP() of another status = %v", err)
	}
	server.Close()
	if err := WaitHTTP(t.Context(), server.URL, http.StatusOK, 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "wait 300ms for "+server.URL) {
		t.Errorf("WaitHTTP() of nothing = %v", err)
	}
}
