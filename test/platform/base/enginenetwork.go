package base

import (
	"context"
	"net"
	"os"
	"strings"

	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// bridgeName is the device of the network that the platform makes, so that
// what a killed engine left on it can be told from what is others'.
const bridgeName = "modeldelivery"

// dropStalePorts removes the devices that a killed engine left on the network's
// bridge. The kernel keeps a dead container's network for minutes while it has
// connections to close, and until then it answers at an address that the next
// container gets.
func dropStalePorts(ctx context.Context, env *local.Env) error {
	ports, err := os.ReadDir("/sys/class/net/" + bridgeName + "/brif")
	if err != nil { // there is no such bridge
		return nil
	}
	for _, port := range ports {
		if err := deleteDevice(ctx, env, port.Name()); err != nil {
			return err
		}
	}
	return nil
}

// deleteDevice removes a network device, if it is there.
func deleteDevice(ctx context.Context, env *local.Env, name string) error {
	if _, err := net.InterfaceByName(name); err != nil {
		return nil
	}
	return env.Run(ctx, execute.Cmd{Name: "ip", Args: []string{"link", "delete", name}})
}

// cleanNetwork removes what an engine leaves on the machine when it ends: its
// bridges, and its rules in the packet filter.
func cleanNetwork(ctx context.Context, env *local.Env) error {
	for _, bridge := range []string{"docker0", bridgeName} {
		if err := deleteDevice(ctx, env, bridge); err != nil {
			return err
		}
	}
	for _, program := range []string{"iptables", "ip6tables"} {
		for _, table := range []string{"filter", "nat"} {
			rules, err := env.Output(ctx, execute.Cmd{Name: program, Args: []string{"--wait", "-t", table, "-S"}})
			if err != nil { // the machine has no such table, so nothing was left in it
				continue
			}
			for _, args := range undo(string(rules)) {
				command := append([]string{"--wait", "-t", table}, args...)
				if err := env.Run(ctx, execute.Cmd{Name: program, Args: command}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// undo returns the iptables arguments that remove an engine's rules and chains
// from a table, given the table as "iptables -S" prints it, and that open the
// FORWARD chain, which an engine closes.
func undo(table string) [][]string {
	var rules, flush, chains [][]string
	closed := false
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 3 && fields[0] == "-P" && fields[1] == "FORWARD" && fields[2] == "DROP":
			closed = true
		case len(fields) == 2 && fields[0] == "-N" && strings.HasPrefix(fields[1], "DOCKER"):
			flush = append(flush, []string{"-F", fields[1]})
			chains = append(chains, []string{"-X", fields[1]})
		case len(fields) > 2 && fields[0] == "-A" && !strings.HasPrefix(fields[1], "DOCKER") &&
			(strings.Contains(line, "DOCKER") || ofBridge(fields)):
			rules = append(rules, append([]string{"-D"}, fields[1:]...))
		}
	}
	if closed && len(chains) > 0 {
		rules = append(rules, []string{"-P", "FORWARD", "ACCEPT"})
	}
	return append(append(rules, flush...), chains...)
}

// ofBridge says whether a rule speaks of a bridge that an engine made.
func ofBridge(rule []string) bool {
	for i, field := range rule[:len(rule)-1] {
		if name := rule[i+1]; (field == "-i" || field == "-o") && (name == "docker0" || name == bridgeName || strings.HasPrefix(name, "br-")) {
			return true
		}
	}
	return false
}
