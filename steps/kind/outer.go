package kind

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
)

// outerCluster is what is known of the cluster that a step runs in.
type outerCluster struct {
	subnets   []netip.Prefix        // as configured
	addresses map[netip.Addr]string // what was found, with what it is
}

// clash says what of the outer cluster lies in a subnet, "" when nothing.
func (o outerCluster) clash(subnet netip.Prefix) string {
	for _, outer := range o.subnets {
		if outer.Overlaps(subnet) {
			return "addresses (" + outer.String() + ")"
		}
	}
	for address, what := range o.addresses {
		if subnet.Contains(address) {
			return fmt.Sprintf("%s (%s)", what, address)
		}
	}
	return ""
}

// findOuter takes the outer cluster's subnets from what the caller names or,
// in a pod, its API server, DNS server and pod address from the surroundings.
func findOuter(subnets []string, getenv func(string) string) (outerCluster, error) {
	prefixes, err := parseSubnets(subnets)
	outer := outerCluster{subnets: prefixes, addresses: map[netip.Addr]string{}}
	if err != nil {
		return outer, err
	}
	api, err := netip.ParseAddr(getenv("KUBERNETES_SERVICE_HOST"))
	if err != nil || len(subnets) > 0 {
		return outer, nil // not in a pod, or told
	}
	outer.addresses[api] = "the API server"
	if resolv, err := os.ReadFile("/etc/resolv.conf"); err == nil {
		for _, server := range nameservers(string(resolv)) {
			outer.addresses[server] = "the DNS server"
		}
	}
	if addresses, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsGlobalUnicast() {
				outer.addresses[prefix.Addr()] = "this pod's address"
			}
		}
	}
	return outer, nil
}

// nameservers lists the DNS servers of a resolv.conf.
func nameservers(resolv string) []netip.Addr {
	var servers []netip.Addr
	for line := range strings.Lines(resolv) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if address, err := netip.ParseAddr(fields[1]); err == nil && !address.IsLoopback() {
			servers = append(servers, address)
		}
	}
	return servers
}
