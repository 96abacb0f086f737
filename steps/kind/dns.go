package kind

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// dnsName is a name that every cluster's DNS knows.
const dnsName = "kubernetes.default.svc.cluster.local."

// dnsServer is a CoreDNS at ports of this machine.
type dnsServer struct {
	resolver *net.Resolver // asks it, and no other
	metrics  string        // the address where it tells how often it was asked
}

// dnsQuery returns a function that asks the DNS server in a pod for a name,
// over TCP through a port that the API server forwards, and looks whether the
// names that it does not know come back to it: [errDNSLoop].
func dnsQuery(config *rest.Config, api kubernetes.Interface) func(ctx context.Context, pod string) error {
	return func(ctx context.Context, pod string) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		ports, stop, err := forward(ctx, config, api, pod, "0:53", "0:9153")
		if err != nil {
			return fmt.Errorf("forward ports: %w", err)
		}
		defer stop()
		address := fmt.Sprintf("127.0.0.1:%d", ports[0].Local)
		server := dnsServer{metrics: fmt.Sprintf("http://127.0.0.1:%d/metrics", ports[1].Local)}
		server.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}}
		if err := server.answers(ctx); err != nil {
			return err
		}
		return server.loops(ctx)
	}
}

// answers returns nil if the server knows the name that every one knows.
func (s dnsServer) answers(ctx context.Context) error {
	if _, err := s.resolver.LookupNetIP(ctx, "ip4", dnsName); err != nil {
		return fmt.Errorf("look up %s: %w", dnsName, err)
	}
	return nil
}

// forward has the API server forward ports of this machine to those of a pod
// of the system's namespace, until stop is called.
func forward(ctx context.Context, config *rest.Config, api kubernetes.Interface, pod string, ports ...string) (_ []portforward.ForwardedPort, stop func(), err error) {
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, nil, err
	}
	url := api.CoreV1().RESTClient().Post().Resource("pods").Namespace(systemNamespace).
		Name(pod).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	stopped, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, ports, stopped, ready, io.Discard, io.Discard)
	if err != nil {
		return nil, nil, err
	}
	failed := make(chan error, 1)
	go func() { failed <- forwarder.ForwardPorts() }()
	stop = func() { close(stopped) }
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-ready:
		forwarded, err := forwarder.GetPorts()
		if err == nil {
			return forwarded, stop, nil
		}
	}
	stop()
	return nil, nil, err
}
