// Package kubetest serves as much of the Kubernetes API over HTTP as the steps
// use, from memory, for tests of what a real cluster cannot be brought to do on
// demand: refuse, stall, report stale states, or answer out of turn. It has no
// controllers; a test plays them with [Server.Put] and [Server.OnApply].
package kubetest
