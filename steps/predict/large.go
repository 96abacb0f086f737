package predict

import "github.com/model-delivery/model-delivery/steps/seldonclient"

// hold waits until no other large answer is looked at, and returns what lets the
// next go on: what one holds may take many times its size, and memory is for one
// of them, not for as many as are asked for side by side.
func (s *session) hold(a *seldonclient.Answer) (release func()) {
	if s.options.large == nil || !a.Large() {
		return func() {}
	}
	s.options.large <- struct{}{}
	return func() { <-s.options.large }
}
