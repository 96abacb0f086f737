package predict

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/steps/predict/checks"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// speaks returns the protocol and transport that a check is asked over: what it
// says by itself, else what the flags say, else what the file's defaults say. The
// protocol that the cluster knows counts where nobody says one.
func (s *session) speaks(c *checks.Check) clientKey {
	key := clientKey{protocol: c.Protocol, transport: c.Transport}
	if !c.SaysProtocol {
		key.protocol = s.protocol(c.Protocol)
	}
	if !c.SaysTransport {
		key.transport = cmp.Or(s.target.Options.Transport, c.Transport)
	}
	key.explainer = c.Method == seldonclient.Explain && s.target.Explainer != "" && key.transport == seldonclient.REST
	return key
}

// protocol is the one of checks that do not say.
func (s *session) protocol(written seldonclient.Protocol) seldonclient.Protocol {
	if s.options.File.Defaults.SaysProtocol {
		return cmp.Or(s.target.Options.Protocol, written)
	}
	return cmp.Or(s.target.Options.Protocol, s.target.Protocol, written)
}

// asksExplainer tells whether any of the checks asks for an explanation.
func asksExplainer(selected []*checks.Check) bool {
	return slices.ContainsFunc(selected, func(c *checks.Check) bool { return c.Method == seldonclient.Explain })
}

// skips says why a check cannot be asked over the protocol and transport that
// the flags or the deployment put in place of its own; "": it can, or it is asked
// as the file says, and then what is wrong with it is an error.
func (s *session) skips(c *checks.Check) string {
	q := c.Request
	if c.Load != nil {
		if q = c.Load.Request; q == nil {
			return s.skips(s.options.File.Find(c.Load.Check))
		}
	}
	key := s.speaks(c)
	if key.protocol == c.Protocol && key.transport == c.Transport {
		return ""
	}
	why := s.unfit(c, q, key)
	if why == "" {
		return ""
	}
	var says []string
	if key.protocol != c.Protocol {
		says = append(says, "protocol: "+string(c.Protocol))
	}
	if key.transport != c.Transport {
		says = append(says, "transport: "+string(c.Transport))
	}
	return fmt.Sprintf("%s; a check that says %s by itself is asked so", why, strings.Join(says, ", "))
}

// unfit says why a request cannot be made over a protocol and transport.
func (s *session) unfit(c *checks.Check, q *checks.Request, key clientKey) string {
	over := map[seldonclient.Transport]string{seldonclient.REST: "REST", seldonclient.GRPC: "gRPC"}[key.transport]
	switch {
	case key.protocol == seldonclient.TensorFlow && key.transport == seldonclient.GRPC:
		return "" // no check at all can be asked so, which is an error
	case !seldonclient.Supports(key.protocol, key.transport, c.Method):
		return fmt.Sprintf("protocol %s has no method %s over %s", key.protocol, c.Method, over)
	case q == nil && key.protocol == seldonclient.V2:
		err := s.reads(c)
		if _, mixed := errors.AsType[*mixedError](err); mixed {
			return err.Error()
		}
		return "" // anything else is for [session.prepares] to tell
	case q == nil:
		return ""
	case q.Raw != nil && q.Body == nil && key.transport == seldonclient.GRPC:
		return "a raw body can be sent over REST only"
	case len(c.Expect.Outputs) > 0 && key.protocol != seldonclient.V2:
		return "it expects outputs, which are of protocol v2"
	}
	body, _ := q.Body.(map[string]any)
	for _, field := range foreign(key.protocol, c.Protocol) {
		if _, there := body[field]; there {
			return fmt.Sprintf("%s is not of protocol %s", field, key.protocol)
		}
	}
	if _, err := adapt(q.Body, key.protocol, s.options.File.Defaults); err != nil {
		return err.Error()
	}
	return ""
}

// foreign are the fields of a request that was written for one protocol and
// cannot be turned into another's.
func foreign(protocol, written seldonclient.Protocol) []string {
	switch {
	case protocol == seldonclient.Seldon:
		return []string{"inputs", "instances", "signature_name"}
	case protocol == seldonclient.TensorFlow && written == seldonclient.V2:
		return []string{"inputs"}
	case protocol == seldonclient.V2 && written == seldonclient.TensorFlow:
		return []string{"inputs", "instances", "signature_name"}
	}
	return []string{"strData", "binData", "jsonData"}
}
