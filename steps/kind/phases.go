package kind

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// phaseNames are the phases of making a cluster, in order. load runs beside
// boot and kubeadm, so the phases add up to more than the time passed.
var phaseNames = [...]string{"docker", "pull", "boot", "kubeadm", "ready", "load"}

// Phases holds how long each phase took.
type Phases struct {
	Docker  time.Duration // until the daemon was usable
	Pull    time.Duration // fetching and examining the node image
	Boot    time.Duration // node containers, until systemd is up
	Kubeadm time.Duration // configuration, control plane, network, storage class
	Ready   time.Duration // until nodes, DNS and service account were there
	Load    time.Duration // images put into the nodes
	Total   time.Duration
}

func (p Phases) values() []time.Duration {
	return []time.Duration{p.Docker, p.Pull, p.Boot, p.Kubeadm, p.Ready, p.Load}
}

// String lists the phases in order with seconds.
func (p Phases) String() string {
	var parts []string
	for i, d := range p.values() {
		parts = append(parts, fmt.Sprintf("%s %.1fs", phaseNames[i], d.Seconds()))
	}
	return strings.Join(parts, ", ") + fmt.Sprintf("; total %.1fs", p.Total.Seconds())
}

// MarshalJSON writes an object of seconds by phase.
func (p Phases) MarshalJSON() ([]byte, error) {
	seconds := map[string]json.Number{"total": number(p.Total)}
	for i, d := range p.values() {
		seconds[phaseNames[i]] = number(d)
	}
	return json.Marshal(seconds)
}

func number(d time.Duration) json.Number {
	return json.Number(fmt.Sprintf("%.3f", d.Seconds()))
}

// stopwatch adds up the time between phases of one attempt. It is safe for
// use by several goroutines.
type stopwatch struct {
	mu      sync.Mutex
	current *time.Duration
	since   time.Time
}

// enter ends the current phase and begins the one that d belongs to; nil
// begins none.
func (s *stopwatch) enter(d *time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.current != nil {
		*s.current += now.Sub(s.since)
	}
	s.current, s.since = d, now
}
