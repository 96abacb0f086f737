// Package delivery drives deliveries on the local platform and looks at what
// came of them from outside: through the Kubernetes API, the forge's API and
// predictions through the gateway. The demo and the end-to-end tests share it.
package delivery
