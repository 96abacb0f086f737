package docker

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// maxSocketPath is how long the path of a socket may be, in bytes.
const maxSocketPath = 107

// Ports that a tcp host without one has, as for the docker command line.
const (
	plainPort = "2375"
	tlsPort   = "2376"
)

// check refuses an address at which no daemon can be.
func (e *Endpoint) check() error {
	address, ok := e.address(), false
	switch e.network() {
	case "unix":
		if len(address) > maxSocketPath {
			return step.WithHint(step.Invalidf("docker host %q (from %s): the path of a socket has at most %d bytes, this one %d", e.Host, e.Source, maxSocketPath, len(address)),
				"give the socket a shorter path, or name it by a link")
		}
		ok = address != ""
	case "tcp":
		_, err := url.Parse(e.Host) // as the API client does
		ok = err == nil && address != "" && plausibleAddress(address)
	case "ssh":
		return step.WithHint(step.Invalidf("docker host %q (from %s): ssh is not supported", e.Host, e.Source),
			"forward the daemon's socket with `ssh -L` and name the forwarded socket")
	}
	if !ok {
		return step.WithHint(step.Invalidf("docker host %q (from %s) is not a daemon's address", e.Host, e.Source),
			"write unix:///path/to/docker.sock or tcp://host:port")
	}
	return nil
}

// plausibleAddress tells whether address is host, host:port or :port.
func plausibleAddress(address string) bool {
	if !hasPort(address) {
		address += ":" + plainPort
	}
	host, port, err := net.SplitHostPort(address)
	number, portErr := strconv.ParseUint(port, 10, 16)
	return err == nil && portErr == nil && number > 0 && !strings.ContainsAny(host, "@?# ") && (host != "" || strings.HasPrefix(address, ":"))
}

func hasPort(address string) bool {
	return strings.LastIndexByte(address, ':') > strings.LastIndexByte(address, ']')
}

// addPort completes a tcp host that [Endpoint.check] let through.
func (e *Endpoint) addPort() {
	address := e.address()
	if e.network() != "tcp" || hasPort(address) {
		return
	}
	port := plainPort
	if e.TLS != nil {
		port = tlsPort
	}
	e.Host = fmt.Sprintf("tcp://%s:%s%s", address, port, strings.TrimPrefix(e.Host, "tcp://"+address))
}
