// Package quiet silences libraries that write to standard error by themselves,
// past the redactor of the step.
package quiet

import (
	"log/slog"

	"k8s.io/klog/v2"
)

// Kubernetes discards what the libraries of Kubernetes log, such as connections
// that are closed and requests that are tried again. What comes of a call is told
// by the call. It is for the main function of a step that uses them.
func Kubernetes() { klog.SetSlogLogger(slog.New(slog.DiscardHandler)) }
