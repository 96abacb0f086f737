package seldonclient_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// TestNoConnection: a server that takes a connection but is slow is told from one
// with which there is none.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // connections wait there for ever
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	for endpoint, unconnected := range map[string]bool{
		"http://" + listener.Addr().String():  false,
		"https://" + listener.Addr().String(): true, // no handshake comes of it
	} {
		c, err := seldonclient.New(seldonclient.Options{Target: seldonclient.Target{Endpoint: endpoint}, Timeout: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		_, err = c.Do(t.Context(), seldonclient.Call{Body: map[string]any{"strData": "x"}})
		e, ok := errors.AsType[*seldonclient.TransportError](err)
		if !ok || e.Kind != seldonclient.KindTimeout || e.Unconnected != unconnected {
			t.Errorf("%s: %+v, want unconnected %v", endpoint, e, unconnected)
		}
	}
}
