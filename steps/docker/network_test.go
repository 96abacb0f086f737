package docker

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// A daemon that answers all else and never makes the network costs the time that
// is given, and a little for cleaning up.
func TestProbeNetworkEndsInTime(t *testing.T) {
	t.Parallel()
	d := &testDaemon{network: func(http.ResponseWriter) { time.Sleep(6 * time.Second) }}
	for name, stop := range map[string]bool{"its time is over": false, "it is told to end": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			timeout := 500 * time.Millisecond
			if stop {
				timeout = time.Minute
				time.AfterFunc(500*time.Millisecond, cancel)
			}
			start := time.Now()
			_, err := Wait(ctx, Options{Host: onSocket(t, d), Getenv: environment(t, nil), ProbeNetwork: true, Timeout: timeout})
			if took := time.Since(start); err == nil || took > 5*time.Second {
				t.Errorf("got %v after %s", err, took)
			}
			if !stop && (!strings.Contains(err.Error(), "make a network: no answer within") || !strings.Contains(step.Hint(err), "networks")) {
				t.Errorf("got %v, hint %q", err, step.Hint(err))
			}
		})
	}
}

// A network that is made after the time was over is removed.
func TestProbeNetworkRemovesWhatComesLate(t *testing.T) {
	t.Parallel()
	var made atomic.Bool
	d := &testDaemon{}
	d.network = func(w http.ResponseWriter) {
		time.Sleep(time.Second)
		made.Store(true)
		writeJSON(w, http.StatusCreated, map[string]string{"Id": "abc"})
	}
	if _, err := Wait(t.Context(), Options{Host: onSocket(t, d), Getenv: environment(t, nil), ProbeNetwork: true, Timeout: 300 * time.Millisecond}); err != nil {
		t.Logf("%v", err) // the network came, but late
	}
	if !made.Load() || d.networksRemoved.Load() != 1 {
		t.Errorf("made: %v, removed: %d", made.Load(), d.networksRemoved.Load())
	}
}
