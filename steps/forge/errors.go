package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/model-delivery/model-delivery/steps/step"
)

// ErrRefused marks errors in which the forge understood the request and will
// not do it (a 4xx): asking again does not help.
var ErrRefused = errors.New("refused by the forge")

// ErrUnsupported marks what a forge cannot do.
var ErrUnsupported = errors.New("this forge cannot do that")

// answer is an error with the status that the forge gave.
type answer struct {
	err    error
	status int
}

func (a *answer) Error() string   { return a.err.Error() }
func (a *answer) Unwrap() error   { return a.err }
func (a *answer) Is(t error) bool { return t == ErrRefused && a.status >= 400 && a.status < 500 }

// StatusOf returns the HTTP status behind an error that [Explain] made, 0 when
// the forge did not answer.
func StatusOf(err error) int {
	if a, ok := errors.AsType[*answer](err); ok {
		return a.status
	}
	return 0
}

// Explain says what was being done and classifies what came back: status is
// that of the forge's answer, 0 when there was none. It is nil for a nil err.
func Explain(doing string, status int, err error) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("%s: %w", doing, &answer{err: err, status: status})
	switch {
	case errors.Is(err, context.Canceled):
		return step.Infra(wrapped)
	case status == http.StatusUnauthorized:
		return step.WithHint(step.Infra(wrapped), "the forge does not know the token: it may have expired or belong to another forge")
	case status == http.StatusForbidden:
		return step.WithHint(step.Infra(wrapped), "the token is not allowed to do that: it needs to read and write the repository, its pull requests and its statuses")
	case status == http.StatusNotFound:
		return step.WithHint(step.Infra(wrapped), "it is not there, or the token may not see it")
	case status == http.StatusTooManyRequests:
		return step.WithHint(step.Infra(wrapped), "the forge's rate limit is used up: run it again later, or with a token of its own")
	}
	return step.Infra(wrapped)
}
