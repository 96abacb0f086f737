package kind

import (
	"context"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/model-delivery/model-delivery/steps/step"
)

// refuseStrays has the nodes refuse what is sent to the address of a Service
// that kube-proxy does not know yet, as it does for one that has no endpoints.
// Otherwise it leaves the cluster. Then whoever asks waits for an answer until
// its time is up; or something outside answers that takes every connection, and
// a gateway that keeps it goes on asking that.
func (c *creation) refuseStrays(ctx context.Context) error {
	script := strayRules(c.config.Networking)
	if script == "" {
		return nil
	}
	nodes, err := c.nodes()
	if err != nil {
		return step.Infraf("refuse what is for no Service: %w", err)
	}
	for _, node := range nodes {
		var out strings.Builder
		if err := node.CommandContext(ctx, "sh", "-c", script).SetStdout(io.Discard).SetStderr(&out).Run(); err != nil {
			return step.Infraf("refuse what is for no Service, in %s: %w: %s", node, err, strings.TrimSpace(out.String()))
		}
	}
	return nil
}

// translation is the way in which kube-proxy translates addresses of Services;
// "" where it does not.
func translation(networking *v1alpha4.Networking) v1alpha4.ProxyMode {
	switch networking.KubeProxyMode {
	case "":
		return v1alpha4.IPTablesProxyMode
	case v1alpha4.IPTablesProxyMode, v1alpha4.NFTablesProxyMode:
		return networking.KubeProxyMode
	}
	return ""
}

// strayRules is a shell script that makes the rules; "" where kube-proxy does not
// translate addresses. What it has dealt with has another destination when it
// comes to these rules.
func strayRules(networking v1alpha4.Networking) string {
	if translation(&networking) == "" {
		return ""
	}
	defaulted := v1alpha4.Cluster{Networking: networking}
	v1alpha4.SetDefaultsCluster(&defaulted)
	var rules []string
	for subnet := range strings.SplitSeq(defaulted.Networking.ServiceSubnet, ",") {
		command := "iptables"
		if strings.Contains(subnet, ":") {
			command = "ip6tables"
		}
		for _, chain := range []string{"FORWARD", "OUTPUT"} {
			rules = append(rules, fmt.Sprintf("%s --wait --append %s --destination %s --jump REJECT", command, chain, strings.TrimSpace(subnet)))
		}
	}
	return strings.Join(rules, " && ")
}
