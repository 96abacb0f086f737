package locate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	//lint:ignore SA1019 the errors are of the type that this version of client-go makes
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// forwardTimeout bounds how long a forwarding takes to be set up.
const forwardTimeout = 20 * time.Second

// forward leads local ports to a pod's.
type forward struct {
	addresses []string
	stop      func()
	done      chan error
}

func (f *forward) close() {
	f.stop()
	select {
	case <-f.done:
	case <-time.After(5 * time.Second):
	}
}

// start forwards ports of the loopback interface to those of a pod, over
// WebSockets, or over SPDY where a server is too old for that.
func start(ctx context.Context, config *rest.Config, namespace, pod string, ports []int) (*forward, error) {
	if config == nil {
		return nil, errors.New("there is no connection to a cluster")
	}
	client, err := rest.RESTClientFor(podConfig(config))
	if err != nil {
		return nil, err
	}
	url := client.Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	tunnel, err := portforward.NewSPDYOverWebsocketDialer(url, config)
	if err != nil {
		return nil, err
	}
	dialer := portforward.NewFallbackDialer(tunnel, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	stop, ready := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f := &forward{stop: func() { once.Do(func() { close(stop) }) }, done: make(chan error, 1)}
	asked := make([]string, len(ports))
	for i, port := range ports {
		asked[i] = "0:" + strconv.Itoa(port)
	}
	var complaints lockedBuffer
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, asked, stop, ready, nil, &complaints)
	if err != nil {
		return nil, err
	}
	go func() { f.done <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-f.done:
		f.done <- err
		return nil, fmt.Errorf("%w %s", err, complaints.text())
	case <-ctx.Done():
		f.stop()
		return nil, context.Cause(ctx)
	case <-time.After(forwardTimeout):
		f.stop()
		return nil, fmt.Errorf("not set up after %s %s", forwardTimeout, complaints.text())
	}
	forwarded, err := forwarder.GetPorts()
	if err != nil {
		f.close()
		return nil, err
	}
	for _, port := range forwarded {
		f.addresses = append(f.addresses, net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port.Local))))
	}
	return f, nil
}

// lockedBuffer keeps what the forwarding complains of.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() < 4096 {
		b.buf.Write(p)
	}
	return len(p), nil
}

func (b *lockedBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.TrimSpace(b.buf.String())
}
