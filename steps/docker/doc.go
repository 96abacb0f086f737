// Package docker finds the Docker daemon a step is to use, waits until that
// daemon is really usable, and says why when it is not.
//
// [Wait] decides on readiness: the daemon answers /_ping and /info, its API
// is new enough for kind, its storage driver is not vfs and, when asked, it
// can make a network. [Connect] gives a client for everything else.
package docker
