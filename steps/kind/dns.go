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

// dnsQuery returns a function that asks the DNS server in a pod for a name,
// over TCP through a port that the API server forwards.
func dnsQuery(config *rest.Config, api kubernetes.Interface) func(ctx context.Context, pod string) error {
	return func(ctx context.Context, pod string) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		transport, upgrader, err := spdy.RoundTripperFor(config)
		if err != nil {
			return err
		}
		url := api.CoreV1().RESTClient().Post().Resource("pods").Namespace(systemNamespace).
			Name(pod).SubResource("portforward").URL()
		dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
		stop, ready := make(chan struct{}), make(chan struct{})
		forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{"0:53"}, stop, ready, io.Discard, io.Discard)
		if err != nil {
			return err
		}
		failed := make(chan error, 1)
		go func() { failed <- forwarder.ForwardPorts() }()
		defer close(stop)
		select {
		case err := <-failed:
			return fmt.Errorf("forward a port: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("forward a port: %w", context.Cause(ctx))
		case <-ready:
		}
		ports, err := forwarder.GetPorts()
		if err != nil {
			return err
		}
		address := fmt.Sprintf("127.0.0.1:%d", ports[0].Local)
		resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}}
		if _, err := resolver.LookupNetIP(ctx, "ip4", dnsName); err != nil {
			return fmt.Errorf("look up %s: %w", dnsName, err)
		}
		return nil
	}
}
