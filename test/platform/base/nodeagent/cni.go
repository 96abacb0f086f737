package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

const configFile = "/host/etc/cni/net.d/10-nodeagent.conflist"

type nodeList struct {
	Items []struct {
		Metadata struct{ Name string }
		Spec     struct{ PodCIDRs []string }
		Status   struct {
			Addresses []struct{ Type, Address string }
		}
	}
}

// syncNetwork makes this node agree with the cluster's nodes as they are now.
func syncNetwork(ctx context.Context, api *client, self string) error {
	nodes := &nodeList{}
	if err := api.get(ctx, "/api/v1/nodes", nodes); err != nil {
		return fmt.Errorf("list the nodes: %w", err)
	}
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
		"name":       "nodeagent",
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
