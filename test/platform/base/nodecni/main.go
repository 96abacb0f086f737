// Command nodecni gives the pods of a node their network, as kind's kindnetd
// does on published node images: it writes the node's CNI configuration once
// the node has its pod range, and keeps a route to the pod range of every other
// node.
//
// It runs in a host-network DaemonSet with the node's root at /host, and calls
// the node's own ip program for routes.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"
	configFile     = "/host/etc/cni/net.d/10-nodecni.conflist"
	answerLimit    = 16 << 20
)

type nodeList struct {
	Items []struct {
		Metadata struct{ Name string }
		Spec     struct{ PodCIDRs []string }
		Status   struct {
			Addresses []struct{ Type, Address string }
		}
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	last, wait := "", time.Second
	for {
		err := sync(ctx)
		message := "in step with the cluster's nodes"
		wait = 10 * time.Second
		if err != nil {
			message, wait = err.Error(), time.Second
		}
		if message != last {
			fmt.Fprintln(os.Stderr, message)
			last = message
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// sync makes this node agree with the cluster's nodes as they are now.
func sync(ctx context.Context) error {
	nodes, err := list(ctx)
	if err != nil {
		return fmt.Errorf("list the nodes: %w", err)
	}
	self := os.Getenv("NODE_NAME")
	for _, node := range nodes.Items {
		if node.Metadata.Name == self {
			if len(node.Spec.PodCIDRs) == 0 {
				return fmt.Errorf("the node %s has no pod range yet", self)
			}
			if err := configure(node.Spec.PodCIDRs); err != nil {
				return fmt.Errorf("write the CNI configuration: %w", err)
			}
			continue
		}
		for _, cidr := range node.Spec.PodCIDRs {
			for _, address := range node.Status.Addresses {
				if address.Type == "InternalIP" && isIPv6(cidr) == isIPv6(address.Address) {
					if err := route(ctx, cidr, address.Address); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// list asks the API server for the nodes.
func list(ctx context.Context) (*nodeList, error) {
	token, err := os.ReadFile(filepath.Join(serviceAccount, "token"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(serviceAccount, "ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	// kind tells where the API server is, so that this need not wait for
	// kube-proxy; otherwise the Service does.
	server := os.Getenv("CONTROL_PLANE_ENDPOINT")
	if server == "" {
		server = net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+server+"/api/v1/nodes", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the API server answered %s: %.200s", answer.Status, body)
	}
	nodes := &nodeList{}
	return nodes, json.Unmarshal(body, nodes)
}

// configure writes the conflist for this node's pod ranges, unless it is there.
func configure(cidrs []string) error {
	mtu := 1500
	if device, err := net.InterfaceByName("eth0"); err == nil {
		mtu = device.MTU
	}
	var ranges []any
	routes := []any{}
	for _, cidr := range cidrs {
		ranges = append(ranges, []any{map[string]string{"subnet": cidr}})
		everywhere := "0.0.0.0/0"
		if isIPv6(cidr) {
			everywhere = "::/0"
		}
		routes = append(routes, map[string]string{"dst": everywhere})
	}
	config, err := json.MarshalIndent(map[string]any{
		"cniVersion": "0.4.0",
		"name":       "nodecni",
		"plugins": []any{
			map[string]any{
				"type": "ptp", "ipMasq": true, "mtu": mtu,
				"ipam": map[string]any{"type": "host-local", "dataDir": "/run/cni-ipam-state", "routes": routes, "ranges": ranges},
			},
			map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(configFile); err == nil && string(old) == string(config) {
		return nil
	}
	if err := os.WriteFile(configFile+".tmp", config, 0o644); err != nil {
		return err
	}
	return os.Rename(configFile+".tmp", configFile)
}

func route(ctx context.Context, cidr, via string) error {
	command := exec.CommandContext(ctx, "/sbin/ip", "route", "replace", cidr, "via", via)
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: "/host"}
	command.Dir = "/"
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("route %s through %s: %w: %s", cidr, via, err, out)
	}
	return nil
}

func isIPv6(address string) bool { return strings.Contains(address, ":") }
